//! Finds reasons to distrust a round in its own numbers.
//!
//! Pure. A round with an invalidating finding is reported and replaced, never averaged; a warning goes into the report.

use std::num::NonZeroU32;
use std::time::Duration;

pub use super::finding::{CLIENT_SATURATED, Finding, Severity};
use crate::wire::{DriveOutcome, Ledger, OpenLedger, RateLedger};

/// The load that a driver offers the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferedLoad {
    /// Closed loop.
    Users {
        /// Users or connections, each with one request under way at a time.
        users: NonZeroU32,
    },
    /// Open loop.
    Arrivals {
        /// Whether the rate is constant.
        is_constant: bool,
        /// Whether the driver polls the clock and so keeps its core busy; its CPU time then means nothing.
        spins: bool,
    },
}

/// The largest deviation from Little's law, as a fraction.
const LITTLE_TOLERANCE: f64 = 0.05;

/// The largest share of its core that a driver may use without a finding.
const BUSY_LIMIT: f64 = 0.80;

/// The smallest fraction of the scheduled requests that must end within the window.
const LEAST_ENDED: f64 = 0.99;

/// The largest 99th percentile of the driver's lag, in microseconds.
pub const LATE_LIMIT_US: u64 = 1000;

/// The largest 99th percentile of the driver's lag at a rate of a ramp whose throughput counts, in microseconds. A
/// driver that is late by less still offers the full rate, though its times are not the stack's alone; one that cannot
/// keep up falls further behind with every request.
pub const BEHIND_LIMIT_US: u64 = 100_000;

/// The findings about a round.
#[must_use]
pub fn audit(offer: OfferedLoad, outcome: &DriveOutcome) -> Vec<Finding> {
    let ledger = &outcome.ledger;
    let faults = ledger.failed.iter().filter(|(class, _)| class.invalidates_round());
    let mut findings: Vec<_> = faults.map(|(&class, &count)| Finding::ClientFault { class, count }).collect();
    if ledger.ok == 0 {
        findings.push(Finding::NothingOk { failed: ledger.failures(), unfinished: ledger.unfinished });
    }
    if ledger.possibly_cut > 0 {
        findings.push(Finding::PossiblyCut { responses: ledger.possibly_cut });
    }
    if let Some(open) = ledger.open.as_ref().filter(|_| !ledger.adds_up()) {
        let found = ledger.ok + ledger.failures() + open.shed + open.unsent + ledger.unfinished;
        findings.push(Finding::DoesNotAddUp { scheduled: open.scheduled, found });
    }
    match offer {
        OfferedLoad::Users { users } => {
            if ledger.ok > 0 && !ledger.service_time_us.is_empty() {
                findings.extend(littles_law(users, outcome.mean_pause, ledger));
            }
            findings.extend(client_saturated(outcome, false));
        }
        OfferedLoad::Arrivals { is_constant, spins } => {
            if let Some(open) = &ledger.open {
                findings.extend(late_driver(open));
                findings.extend(backlog_growth(ledger, open, is_constant).filter(|_| ledger.ok > 0));
            }
            findings.extend(client_saturated(outcome, true).filter(|_| !spins));
        }
    }
    findings
}

/// Little, *A proof for the queuing formula L = λW*, Operations Research 9 (1961): every user is always either waiting
/// for a response or pausing, so their number is the throughput times the mean of service time plus pause.
///
/// A request counts with all of its time in the window in which it ends. At each edge this misattributes up to one
/// service time of each user, which matters where few requests fit into the window.
fn littles_law(users: NonZeroU32, pause: Duration, ledger: &Ledger) -> Option<Finding> {
    let window_us = ledger.window.as_secs_f64() * 1e6;
    // Users wait for failed requests too.
    let times = [&ledger.service_time_us, &ledger.failed_time_us].map(|times| (times.len() as f64, times.mean()));
    let count: f64 = times.iter().map(|(count, _)| count).sum();
    let waited_us: f64 = times.iter().filter(|(count, _)| *count > 0.0).map(|(count, mean_us)| count * mean_us).sum();
    let mean_us = waited_us / count + pause.as_secs_f64() * 1e6;
    let seen = count * mean_us / window_us;
    let off = (seen / f64::from(users.get()) - 1.0).abs();
    (off > LITTLE_TOLERANCE + mean_us / window_us).then_some(Finding::LittlesLaw { users: users.get(), seen })
}

fn late_driver(open: &OpenLedger) -> Option<Finding> {
    let is_behind =
        |rate: &&RateLedger| rate.shortfall.is_some() || rate.lag_us.value_at_quantile(0.99) > BEHIND_LIMIT_US;
    let behind: Vec<_> = open.rates.iter().filter(is_behind).collect();
    let has_no_lag = open.rates.iter().all(|rate| rate.lag_us.is_empty());
    match behind.iter().map(|rate| rate.rate_per_s.get()).min() {
        // The other rates of a ramp stay valid. Without lags, even a driver behind at every rate is reported this way.
        Some(from_per_s) if behind.len() < open.rates.len() || has_no_lag => {
            Some(Finding::BehindAtRates { behind: behind.len(), rates: open.rates.len(), from_per_s })
        }
        None if !open.rates.is_empty() => None,
        _ => {
            let p99_us = open.lag_us.value_at_quantile(0.99);
            (p99_us > LATE_LIMIT_US).then_some(Finding::LateDriver { p99_us })
        }
    }
}

/// Requests under way at the window's end cannot have ended within it. By Little's law their expected share of the
/// schedule is the mean response time divided by the window.
fn backlog_growth(ledger: &Ledger, open: &OpenLedger, is_constant: bool) -> Option<Finding> {
    let ended = ledger.answered + ledger.failures();
    let response_us = if open.response_time_us.is_empty() { 0.0 } else { open.response_time_us.mean() };
    let under_way = response_us / (ledger.window.as_secs_f64() * 1e6);
    let part = ended as f64 / open.scheduled as f64;
    (part < LEAST_ENDED - under_way).then_some(Finding::NotKeptUp { ended, scheduled: open.scheduled, is_constant })
}

fn client_saturated(outcome: &DriveOutcome, is_open: bool) -> Option<Finding> {
    let available = outcome.ledger.window.as_secs_f64() * f64::from(outcome.driver_threads);
    let busy = outcome.driver_cpu.total().as_secs_f64() / available;
    (busy > BUSY_LIMIT).then_some(Finding::ClientSaturated { busy, is_open })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::wire::{CpuTime, ErrorClass, Shortfall};

    fn user(ms: u64) -> CpuTime {
        CpuTime { user: Duration::from_millis(ms), system: Duration::ZERO }
    }

    const USERS: NonZeroU32 = NonZeroU32::new(10).unwrap();

    /// A window of 1 s with `ok` good responses of `us` each, from an idle driver.
    fn outcome(ok: u64, us: u64) -> DriveOutcome {
        let mut ledger = Ledger { ok, answered: ok, unfinished: 10, ..Ledger::empty(Duration::from_secs(1)) };
        ledger.service_time_us.record_n(us, ok).unwrap();
        DriveOutcome {
            ledger,
            second_times_us: Vec::new(),
            steps: Vec::new(),
            mean_pause: Duration::ZERO,
            connections_opened: Some(10),
            driver_cpu: user(100),
            driver_threads: 1,
            unclassified: Vec::new(),
        }
    }

    const OFFER: OfferedLoad = OfferedLoad::Users { users: USERS };
    const CONSTANT: OfferedLoad = OfferedLoad::Arrivals { is_constant: true, spins: false };

    /// An open loop's window of 1 s with 1000 scheduled requests, each with a response within 1 ms.
    fn open_outcome() -> DriveOutcome {
        let mut sound = outcome(1000, 1000);
        sound.ledger.unfinished = 0;
        let mut open = OpenLedger { scheduled: 1000, ..OpenLedger::empty() };
        open.response_time_us.record_n(1000, 1000).unwrap();
        open.lag_us.record_n(50, 1000).unwrap();
        sound.ledger.open = Some(open);
        sound
    }

    fn open_kinds(offer: OfferedLoad, change: impl FnOnce(&mut DriveOutcome)) -> Vec<(&'static str, Severity)> {
        let mut changed = open_outcome();
        change(&mut changed);
        audit(offer, &changed).iter().map(|finding| (finding.kind(), finding.severity())).collect()
    }

    #[test]
    fn open_loop_must_be_timely_and_complete() {
        assert_eq!(open_kinds(CONSTANT, |_| {}), []);
        let late = |outcome: &mut DriveOutcome| {
            outcome.ledger.open.as_mut().unwrap().lag_us.record_n(1100, 20).unwrap();
        };
        assert_eq!(open_kinds(CONSTANT, late), [("late-driver", Severity::Invalid)]);
        let busy = |outcome: &mut DriveOutcome| outcome.driver_cpu = user(900);
        assert_eq!(open_kinds(CONSTANT, busy), [("client-saturated", Severity::Invalid)]);
        assert_eq!(open_kinds(OfferedLoad::Arrivals { is_constant: true, spins: true }, busy), []);
        let behind = |outcome: &mut DriveOutcome| outcome.ledger.answered = 980;
        assert_eq!(open_kinds(CONSTANT, behind), [("not-kept-up", Severity::Invalid)]);
        let ramp = OfferedLoad::Arrivals { is_constant: false, spins: false };
        assert_eq!(open_kinds(ramp, behind), [("not-kept-up", Severity::Warning)]);
        let lost = |outcome: &mut DriveOutcome| outcome.ledger.ok = 999;
        assert_eq!(open_kinds(CONSTANT, lost), [("does-not-add-up", Severity::Invalid)]);
    }

    #[test]
    fn pauses_are_part_of_littles_law() {
        let paused = DriveOutcome { mean_pause: Duration::from_millis(4), ..outcome(2000, 1000) };
        assert_eq!(audit(OFFER, &paused), []);
        assert_eq!(audit(OFFER, &outcome(2000, 1000))[0].kind(), "littles-law");
    }

    #[test]
    fn failed_requests_count_in_littles_law() {
        let mut half = outcome(5_000, 1000);
        half.ledger.failed = BTreeMap::from([(ErrorClass::TimeoutBody, 2_500)]);
        half.ledger.failed_time_us.record_n(2000, 2_500).unwrap();
        assert_eq!(audit(OFFER, &half), []);
    }

    #[test]
    fn littles_law_needs_times() {
        let mut silent = outcome(10, 1);
        silent.ledger.service_time_us.reset();
        assert_eq!(audit(OFFER, &silent), []);
    }

    #[test]
    fn saturation_is_per_driver_core() {
        let two = DriveOutcome { driver_cpu: user(1500), driver_threads: 2, ..outcome(10_000, 1000) };
        assert_eq!(audit(OFFER, &two), []);
    }

    fn kinds(outcome: &DriveOutcome) -> Vec<&'static str> {
        audit(OFFER, outcome).iter().map(Finding::kind).collect()
    }

    #[test]
    fn valid_round_has_no_findings() {
        assert_eq!(audit(OFFER, &outcome(10_000, 1000)), []);
    }

    #[test]
    fn client_faults_invalidate_the_round() {
        let mut faulty = outcome(10_000, 1000);
        faulty.ledger.failed = BTreeMap::from([
            (ErrorClass::Status5xx, 7),
            (ErrorClass::ClientNoFreePort, 3),
            (ErrorClass::ClientOther, 1),
        ]);
        let findings = audit(OFFER, &faulty);
        assert_eq!(kinds(&faulty), ["client-fault", "client-fault"], "the stack's own errors are results");
        assert!(findings.iter().all(|finding| finding.severity() == Severity::Invalid));
        assert_eq!(
            findings[0].to_string(),
            "the driver ran out of local ports 3 times; the stack does not keep connections alive"
        );
    }

    #[test]
    fn round_without_good_response_is_invalid() {
        let nothing = outcome(0, 1);
        assert_eq!(kinds(&nothing), ["nothing-ok"]);
        assert_eq!(audit(OFFER, &nothing)[0].to_string(), "not one good response: 0 requests failed, 10 did not end");
    }

    #[test]
    fn littles_law_holds_within_five_per_cent() {
        assert_eq!(kinds(&outcome(9_520, 1000)), Vec::<&str>::new());
        assert_eq!(kinds(&outcome(9_400, 1000)), ["littles-law"]);
        assert_eq!(kinds(&outcome(10_700, 1000)), ["littles-law"]);
        assert_eq!(
            audit(OFFER, &outcome(5_000, 1000))[0].to_string(),
            "throughput times mean service time comes to 5.00 users waiting, but there were 10; \
             requests stalled beyond the window, or the driver was late"
        );
    }

    #[test]
    fn littles_law_tolerates_window_edges() {
        // A request takes 400 ms: two or three requests end in a window of a second.
        assert_eq!(kinds(&outcome(20, 400_000)), Vec::<&str>::new());
        assert_eq!(kinds(&outcome(30, 400_000)), Vec::<&str>::new());
        assert_eq!(kinds(&outcome(10, 400_000)), ["littles-law"]);
    }

    #[test]
    fn saturated_client_is_a_warning() {
        let busy = DriveOutcome {
            driver_cpu: CpuTime { system: Duration::from_millis(300), ..user(670) },
            ..outcome(10_000, 1000)
        };
        let findings = audit(OFFER, &busy);
        assert_eq!(findings[0].severity(), Severity::Warning);
        assert_eq!(
            findings[0].to_string(),
            "the driver was busy for 97 % of the window; the stack may be faster than shown"
        );
        assert_eq!(kinds(&outcome(10_000, 1000)), Vec::<&str>::new());
    }

    #[test]
    fn ramp_is_audited_rate_by_rate() {
        let ramp = |lags_us: [u64; 3]| {
            let mut outcome = outcome(1000, 1000);
            let scheduled = outcome.ledger.ok + outcome.ledger.failures() + outcome.ledger.unfinished;
            let mut open = OpenLedger { scheduled, ..OpenLedger::empty() };
            for (number, lag_us) in (1..).zip(lags_us) {
                let mut rate = RateLedger::empty(NonZeroU32::new(100 * number).unwrap(), Duration::from_secs(1));
                rate.lag_us.record(lag_us).unwrap();
                open.lag_us.record(lag_us).unwrap();
                open.rates.push(rate);
            }
            outcome.ledger.open = Some(open);
            let findings = audit(OfferedLoad::Arrivals { is_constant: false, spins: true }, &outcome);
            findings.iter().map(|finding| (finding.kind(), finding.severity())).collect::<Vec<_>>()
        };
        assert_eq!(ramp([100, 5000, 90_000]), [], "late, but in step with the offered rate");
        assert_eq!(ramp([100, 200_000, 900_000]), [("behind-at-rates", Severity::Warning)]);
        assert_eq!(ramp([200_000, 200_000, 900_000]), [("late-driver", Severity::Invalid)]);
    }

    #[test]
    fn driver_without_lags_reports_its_shortfall() {
        let ramp = |shortfalls: [Option<Shortfall>; 2]| {
            let mut outcome = outcome(1000, 1000);
            let scheduled = outcome.ledger.ok + outcome.ledger.failures() + outcome.ledger.unfinished;
            let rates = shortfalls.map(|shortfall| RateLedger {
                shortfall,
                ..RateLedger::empty(NonZeroU32::MIN, Duration::from_secs(1))
            });
            outcome.ledger.open = Some(OpenLedger { scheduled, rates: rates.to_vec(), ..OpenLedger::empty() });
            let findings = audit(OfferedLoad::Arrivals { is_constant: false, spins: true }, &outcome);
            findings.iter().map(|finding| (finding.kind(), finding.severity())).collect::<Vec<_>>()
        };
        let late = Some(Shortfall::Late);
        assert_eq!(ramp([None, None]), []);
        assert_eq!(ramp([None, Some(Shortfall::OutOfDescriptors)]), [("behind-at-rates", Severity::Warning)]);
        assert_eq!(ramp([late, late]), [("behind-at-rates", Severity::Invalid)]);
    }
}
