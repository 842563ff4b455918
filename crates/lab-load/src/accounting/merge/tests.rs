//! What one driver counts, and what the drivers of a divided load count together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::accounting::{Call, RequestOutcome, SecondsTable, Tally, Window};
use crate::wire::{ArrivalProcess, DriverEvent, ErrorClass, EventDecoder, Schedule, Share, Stage};

const WARMUP: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_millis(2500);

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn schedule(arrivals: ArrivalProcess) -> Schedule {
    let stage = |rate, ms| Stage { rate_per_s: number(rate), lasts: Duration::from_millis(ms) };
    Schedule { stages: vec![stage(400, 2000), stage(900, 1500)], arrivals, share: Share::WHOLE }
}

/// The fate of an arrival, which depends on nothing but its instant: the same whichever driver sends it.
fn fate(at: Duration) -> (Duration, RequestOutcome) {
    let mixed = (at.as_nanos() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let took = Duration::from_micros(80 + mixed % 3000 + if mixed.is_multiple_of(97) { 900_000 } else { 0 });
    match mixed % 50 {
        0 => (took, RequestOutcome::failed(ErrorClass::TimeoutBody)),
        1 => (took, RequestOutcome::failed(ErrorClass::Status5xx)),
        _ => (took, RequestOutcome::Ok { body_bytes: mixed % 7 }),
    }
}

/// The outcome of a driver of one thread that has sent a share of the schedule.
fn drive(schedule: &Schedule) -> DriveOutcome {
    let start = Instant::now();
    let window = Window { opens: start + WARMUP, closes: start + WARMUP + WINDOW };
    let within = schedule.within(WARMUP, WARMUP + WINDOW);
    let rates: Vec<_> = within.into_iter().map(|(begins, stage)| (start + begins, stage)).collect();
    let table = Arc::new(SecondsTable::keeping_times(1));
    let mut tally = Tally::new(window, table.clone(), &rates);
    let mut calls = Vec::new();
    for offset in schedule.instants() {
        let at = start + offset;
        let arrival = tally.scheduled(at, 1);
        if offset.as_nanos() % 61 == 0 {
            tally.shed(arrival, 1);
            continue;
        }
        let (took, outcome) = fate(offset);
        let began = at + Duration::from_micros(20);
        tally.lag(arrival, began - at);
        calls.push((Call { arrival, is_first: true, sent: Some(began), began, ended: at + took }, outcome));
    }
    calls.sort_by_key(|(call, _)| call.ended);
    for (call, outcome) in calls {
        tally.ended(&call, outcome);
    }
    let mut ledger = tally.finish().ledger;
    ledger.seconds = table.rows(Some(&schedule.per_second(WARMUP, WARMUP + WINDOW)));
    DriveOutcome {
        ledger,
        second_times_us: table.times().unwrap(),
        steps: Vec::new(),
        mean_pause: Duration::ZERO,
        connections_opened: Some(2),
        driver_cpu: CpuTime { user: Duration::from_millis(5), system: Duration::from_millis(3) },
        driver_threads: 1,
        unclassified: Vec::new(),
    }
}

/// An outcome as lab reads it from a driver.
fn through_a_line(outcome: DriveOutcome) -> DriveOutcome {
    let line = DriverEvent::Outcome(Box::new(outcome)).to_line().unwrap();
    let mut decoder = EventDecoder::default();
    for earlier in ["ready", "window-opened", "window-closed"] {
        decoder.line(&format!(r#"{{"event":"{earlier}"}}"#)).unwrap();
    }
    let DriverEvent::Outcome(outcome) = decoder.line(&line).unwrap() else { panic!("{line}") };
    *outcome
}

#[test]
fn divided_load_counts_as_one() {
    for arrivals in [ArrivalProcess::Uniform, ArrivalProcess::Poisson { seed: 2011 }] {
        let whole = schedule(arrivals);
        let undivided = drive(&whole);
        assert!(undivided.ledger.adds_up());
        for drivers in [1, 2, 15] {
            let mut merge = OutcomeMerge::new(number(drivers));
            for share in Share::all(number(drivers)) {
                merge.add(through_a_line(drive(&Schedule { share, ..whole.clone() }))).unwrap();
            }
            let merged = merge.finish().unwrap();
            // Every count, histogram, rate and second, and so every percentile.
            assert_eq!(merged.ledger, undivided.ledger, "{drivers} drivers");
            assert!(merged.ledger.adds_up());
            assert_eq!(merged.driver_threads, drivers);
            assert_eq!(merged.connections_opened, Some(2 * u64::from(drivers)));
            assert_eq!(merged.driver_cpu.total(), Duration::from_millis(8) * drivers);
        }
    }
}

#[test]
fn lost_driver_leaves_no_outcome() {
    let outcome = drive(&schedule(ArrivalProcess::Uniform));
    let mut merge = OutcomeMerge::new(number(3));
    merge.add(outcome.clone()).unwrap();
    merge.add(outcome.clone()).unwrap();
    assert_eq!(merge.finish().unwrap_err().to_string(), "2 of 3 drivers have reported an outcome");
    let mut merge = OutcomeMerge::new(number(1));
    merge.add(outcome.clone()).unwrap();
    assert_eq!(merge.add(outcome).unwrap_err().to_string(), "more than 1 drivers have reported an outcome");
}

#[test]
fn outcomes_of_different_loads_are_refused() {
    let outcome = || drive(&schedule(ArrivalProcess::Uniform));
    let refused = |change: &dyn Fn(&mut DriveOutcome)| {
        let mut merge = OutcomeMerge::new(number(2));
        merge.add(outcome()).unwrap();
        let mut other = outcome();
        change(&mut other);
        merge.add(other).unwrap_err().to_string()
    };
    assert_eq!(refused(&|other| other.ledger.window = WARMUP), "the drivers' windows differ");
    assert_eq!(refused(&|other| _ = other.ledger.seconds.pop()), "the drivers' seconds differ");
    assert_eq!(refused(&|other| other.second_times_us.clear()), "the drivers' seconds differ");
    assert_eq!(refused(&|other| other.ledger.open = None), "the drivers' rates differ");
    assert_eq!(refused(&|other| other.ledger.open.as_mut().unwrap().rates.clear()), "the drivers' rates differ");
}

#[test]
fn mean_pause_is_weighted_by_requests() {
    let outcome = |ok: u64, pause_ms: u64| DriveOutcome {
        ledger: Ledger { ok, ..Ledger::empty(WINDOW) },
        mean_pause: Duration::from_millis(pause_ms),
        second_times_us: Vec::new(),
        ..drive(&schedule(ArrivalProcess::Uniform))
    };
    let mut merge = OutcomeMerge::new(number(2));
    merge.add(outcome(30, 10)).unwrap();
    merge.add(outcome(10, 50)).unwrap();
    assert_eq!(merge.finish().unwrap().mean_pause, Duration::from_millis(20));
}
