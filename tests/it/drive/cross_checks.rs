//! lab's drivers compared with established programs. Needs wrk, httperf and h2load.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use lab_load::wire::{
    Arrival, ArrivalProcess, DriveOutcome, DrivePlan, ErrorClass, Ledger, Mode, OpenPlan, Program, Schedule, Share,
    Shortfall, Stage,
};

use super::driver::{drive, number, open, plan};
use super::servers::{Behaviour, PONG, runtime, send, serve};
use crate::support::{DeadAddress, Tool, requires};

const SECOND: Duration = Duration::from_secs(1);

/// With a slow server no driver is saturated, and all closed loops have the same throughput.
///
/// On a busy machine a driver may be late: a thread of lab stays on its core, those of others move. The claim is that only
/// chance separates them, so one run in three must show it.
#[test]
fn closed_loops_agree_on_throughput() {
    let runtime = runtime();
    let (address, _) = serve(&runtime, |_, _| Behaviour::SendLate(Duration::from_millis(50), PONG.into()));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let throughput = throughput_of_all(address);
        let own = throughput["closed"];
        if throughput.values().all(|other| (other / own - 1.0).abs() < 0.05) {
            return;
        }
        seen.push(throughput);
    }
    panic!("never within 5 % of each other: {seen:?}");
}

/// Responses per second of every closed loop. All run at once, so other work on the machine affects them equally.
fn throughput_of_all(address: SocketAddr) -> BTreeMap<&'static str, f64> {
    let connections = number(8);
    let mut modes = vec![
        ("closed", Mode::Closed { connections }),
        ("goose", Mode::Goose { users: connections, steps: Vec::new() }),
    ];
    let programs = [Program::Wrk { connections }, Program::H2load { connections }];
    for program in programs.into_iter().filter(|program| Tool::from_driver(program.name()).is_available_for_part()) {
        modes.push((program.name(), Mode::External { program }));
    }
    std::thread::scope(|scope| {
        let run = |(name, mode)| {
            let plan = DrivePlan { warmup: SECOND, window: 2 * SECOND, ..plan(address, mode) };
            (name, scope.spawn(move || drive(&plan)))
        };
        let running: Vec<_> = modes.into_iter().map(run).collect();
        let ended = running.into_iter().map(|(name, running)| {
            let ledger = running.join().unwrap().ledger;
            assert_eq!(ledger.failures(), 0, "{name}");
            let timed = ledger.service_time_us.len();
            assert!(timed.abs_diff(ledger.ok) <= 8, "{name}: {timed} times of {} responses", ledger.ok);
            (name, ledger.throughput_per_s())
        });
        ended.collect()
    })
}

/// The counts that both report: responses, connections, errors. httperf reports no phases.
fn counts(outcome: &DriveOutcome) -> (u64, u64, Option<u64>, BTreeMap<ErrorClass, u64>) {
    let Ledger { ok, failed, open, .. } = &outcome.ledger;
    let mut coarse = BTreeMap::new();
    for (class, count) in failed {
        let class = match class {
            ErrorClass::TimeoutFirstByte | ErrorClass::TimeoutBody => ErrorClass::Timeout,
            ErrorClass::ResetBeforeFirstByte | ErrorClass::ResetMidBody => ErrorClass::Reset,
            same => *same,
        };
        *coarse.entry(class).or_insert(0) += count;
    }
    (open.as_ref().unwrap().scheduled, *ok, outcome.connections_opened, coarse)
}

fn httperf_agrees_with_open(address: SocketAddr, expected: &[(ErrorClass, u64)]) {
    let rates = vec![Stage { rate_per_s: number(100), lasts: SECOND }];
    let program = Program::Httperf { rates, calls: number(2), is_poisson: false };
    let timeout = Duration::from_millis(500);
    let theirs = drive(&DrivePlan { timeout, ..plan(address, Mode::External { program }) });
    let arrival = Arrival::Session { calls: number(2) };
    let ours = drive(&DrivePlan { timeout, ..plan(address, Mode::Open(open(100, SECOND, arrival))) });
    assert_eq!(counts(&theirs), counts(&ours));
    assert_eq!(counts(&ours).3, BTreeMap::from_iter(expected.iter().copied()));
}

#[test]
fn httperf_and_open_agree() {
    requires!(Httperf);
    let runtime = runtime();
    let (healthy, _) = serve(&runtime, |_, _| send(PONG));
    httperf_agrees_with_open(healthy, &[]);
    httperf_agrees_with_open(DeadAddress::new().address, &[(ErrorClass::ConnectRefused, 100)]);
    let (resetting, _) = serve(&runtime, |_, _| Behaviour::Reset);
    httperf_agrees_with_open(resetting, &[(ErrorClass::Reset, 100)]);
    let (slow, _) = serve(&runtime, |_, _| Behaviour::SendLate(3 * SECOND, PONG.into()));
    httperf_agrees_with_open(slow, &[(ErrorClass::Timeout, 100)]);
    let (failing, _) = serve(&runtime, |_, _| send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"));
    httperf_agrees_with_open(failing, &[(ErrorClass::Status5xx, 200)]);
}

/// Both take the end of a connection for the end of a response: what they cannot tell, the ledger calls unknown.
#[test]
fn cut_responses_are_unknown() {
    let runtime = runtime();
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nPong!";
    let (address, _) = serve(&runtime, |_, _| Behaviour::SendAndClose(cut.into()));
    let run = |program| drive(&DrivePlan { window: SECOND, ..plan(address, Mode::External { program }) }).ledger;
    if Tool::H2load.is_available_for_part() {
        let ledger = run(Program::H2load { connections: number(2) });
        assert_eq!((ledger.ok, ledger.failures(), ledger.possibly_cut), (0, 0, 2), "{ledger:?}");
    }
    if Tool::Httperf.is_available_for_part() {
        let rates = vec![Stage { rate_per_s: number(50), lasts: SECOND }];
        let ledger = run(Program::Httperf { rates, calls: number(1), is_poisson: false });
        assert_eq!((ledger.ok, ledger.failures(), ledger.possibly_cut), (50, 0, 50), "{ledger:?}");
    }
    if Tool::Wrk.is_available_for_part() {
        let ledger = run(Program::Wrk { connections: number(2) });
        assert_eq!((ledger.ok, ledger.possibly_cut), (0, 0), "{ledger:?}");
        assert!(ledger.failures() > 0, "{ledger:?}");
    }
}

/// The counts of each rate of a ramp: scheduled, successful, failed, unsent.
fn by_rate(outcome: &DriveOutcome) -> Vec<[u64; 4]> {
    assert!(outcome.ledger.adds_up(), "{:?}", outcome.ledger);
    let rates = &outcome.ledger.open.as_ref().unwrap().rates;
    rates.iter().map(|rate| [rate.scheduled, rate.ok, rate.failed.values().sum(), rate.unsent]).collect()
}

#[test]
fn httperf_and_open_agree_on_a_ramp() {
    requires!(Httperf);
    let runtime = runtime();
    let rates: Vec<Stage> =
        [20, 40, 80].map(|rate| Stage { rate_per_s: number(rate), lasts: SECOND }).into_iter().collect();
    let calls = number(2);
    let (healthy, _) = serve(&runtime, |_, _| send(PONG));
    let dead = DeadAddress::new();
    for (is_poisson, address) in [(false, healthy), (true, healthy), (false, dead.address)] {
        let arrivals = if is_poisson { ArrivalProcess::Poisson { seed: 1 } } else { ArrivalProcess::Uniform };
        let schedule = Schedule { stages: rates.clone(), arrivals, share: Share::WHOLE };
        let ours = Mode::Open(OpenPlan { schedule, ..open(20, SECOND, Arrival::Session { calls }) });
        let program = Program::Httperf { rates: rates.clone(), calls, is_poisson };
        let [ours, theirs] = [ours, Mode::External { program }]
            .map(|mode| drive(&DrivePlan { window: 3 * SECOND, ..plan(address, mode) }));
        if is_poisson {
            // lab's arrivals fill the time, httperf's are a fixed number: they differ by chance
            let scheduled: Vec<u64> = by_rate(&theirs).iter().map(|rate| rate[0]).collect();
            assert_eq!((scheduled, theirs.ledger.failures()), (vec![40, 80, 160], 0));
        } else {
            assert_eq!(by_rate(&theirs), by_rate(&ours));
        }
        for rate in &theirs.ledger.open.as_ref().unwrap().rates {
            assert!(rate.took_us.is_some() && rate.lag_us.is_empty() && rate.response_time_us.is_empty(), "{rate:?}");
        }
    }
}

#[test]
fn httperf_reports_running_out_of_descriptors() {
    requires!(Httperf);
    let runtime = runtime();
    // no response is in time, so 2000 connections would have to be open at once
    let (slow, _) = serve(&runtime, |_, _| Behaviour::SendLate(10 * SECOND, PONG.into()));
    let rates = [10, 2000].map(|rate| Stage { rate_per_s: number(rate), lasts: SECOND }).into_iter().collect();
    let program = Program::Httperf { rates, calls: number(1), is_poisson: false };
    let timeout = 2 * SECOND;
    let outcome = drive(&DrivePlan { window: 2 * SECOND, timeout, ..plan(slow, Mode::External { program }) });
    let rates = &outcome.ledger.open.as_ref().unwrap().rates;
    assert_eq!(rates[0].failed, BTreeMap::from([(ErrorClass::Timeout, 10)]));
    assert_eq!(rates[1].shortfall, Some(Shortfall::OutOfDescriptors));
    assert!(rates[1].shed > 0 && outcome.ledger.adds_up(), "{:?}", rates[1].failed);
}
