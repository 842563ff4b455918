//! Reasons not to trust a round, found in its own numbers.
//!
//! Pure. A round with an invalidating finding is shown and replaced, never averaged; a warning goes into the report.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::ledger::{ErrorClass, Ledger};
use super::protocol::DriveOutcome;

/// One reason.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The client itself was at fault.
    ClientFault {
        /// How.
        class: ErrorClass,
        /// How often.
        count: u64,
    },
    /// Not one good answer: there is nothing to measure.
    NothingOk {
        /// Requests that ended in an error.
        failed: u64,
        /// Requests that did not end.
        unfinished: u64,
    },
    /// The requests do not add up to the users' time.
    LittlesLaw {
        /// Users that were asked for.
        users: u32,
        /// Users that were waiting for an answer on average: throughput times mean service time.
        seen: f64,
    },
    /// The driver had hardly any time left, so it may have set the pace rather than the stack.
    ClientSaturated {
        /// The driver's CPU time as a fraction of the window.
        busy: f64,
    },
}

/// What a finding means for its round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The round is valid; the reader should know.
    Warning,
    /// The round is not valid.
    Invalid,
}

/// The kind of [`Finding::ClientSaturated`].
pub const CLIENT_SATURATED: &str = "client-saturated";

/// How far Little's law may be off, as a fraction.
const LITTLE_TOLERANCE: f64 = 0.05;

/// The largest share of its core that a driver may use unremarked.
const BUSY_LIMIT: f64 = 0.80;

/// The findings about a round of a closed loop with `users` users.
#[must_use]
pub fn audit(users: NonZeroU32, outcome: &DriveOutcome) -> Vec<Finding> {
    let ledger = &outcome.ledger;
    let faults = ledger.failed.iter().filter(|(class, _)| class.voids_the_round());
    let mut findings: Vec<_> = faults.map(|(&class, &count)| Finding::ClientFault { class, count }).collect();
    if ledger.ok == 0 {
        findings.push(Finding::NothingOk { failed: ledger.failures(), unfinished: ledger.unfinished });
    } else {
        findings.extend(littles_law(users, ledger));
    }
    findings.extend(client_saturated(ledger.window, outcome.driver_cpu));
    findings
}

/// Little, *A proof for the queuing formula L = λW*, Operations Research 9 (1961): users without think time are all
/// waiting for an answer all the time, so their number is the throughput times the mean service time.
///
/// A request belongs to the window in which it ends, with all of its time. What is cut off at the two edges is up to
/// one service time of each user either way, which matters where few requests fit into the window.
fn littles_law(users: NonZeroU32, ledger: &Ledger) -> Option<Finding> {
    let window_us = ledger.window.as_secs_f64() * 1e6;
    let mean_us = ledger.service_time_us.mean();
    let seen = ledger.service_time_us.len() as f64 * mean_us / window_us;
    let off = (seen / f64::from(users.get()) - 1.0).abs();
    (off > LITTLE_TOLERANCE + mean_us / window_us).then_some(Finding::LittlesLaw { users: users.get(), seen })
}

fn client_saturated(window: Duration, cpu: Duration) -> Option<Finding> {
    let busy = cpu.as_secs_f64() / window.as_secs_f64();
    (busy > BUSY_LIMIT).then_some(Finding::ClientSaturated { busy })
}

impl Finding {
    /// The name in records.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Finding::ClientFault { .. } => "client-fault",
            Finding::NothingOk { .. } => "nothing-ok",
            Finding::LittlesLaw { .. } => "littles-law",
            Finding::ClientSaturated { .. } => CLIENT_SATURATED,
        }
    }

    /// What it means for the round. A saturated client is only a warning in a closed loop: goose is slower than a
    /// fast stack, its users then ask a little later, and the stack's cost per request stays true.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Finding::ClientFault { .. } | Finding::NothingOk { .. } | Finding::LittlesLaw { .. } => Severity::Invalid,
            Finding::ClientSaturated { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::ClientFault { class: ErrorClass::ClientFdUnavailable, count } => {
                write!(f, "the driver ran out of file descriptors {count} times; raise the limit (ulimit -n)")
            }
            Finding::ClientFault { class: ErrorClass::ClientNoFreePort, count } => {
                write!(f, "the driver ran out of local ports {count} times; the stack does not keep connections alive")
            }
            Finding::ClientFault { count, .. } => {
                write!(f, "{count} requests failed in a way the driver cannot blame on the stack")
            }
            Finding::NothingOk { failed, unfinished } => {
                write!(f, "not one good answer: {failed} requests failed, {unfinished} did not end")
            }
            Finding::LittlesLaw { users, seen } => write!(
                f,
                "throughput times mean service time comes to {seen:.2} users waiting, but there were {users}; \
                 requests stalled beyond the window, or the driver was late"
            ),
            Finding::ClientSaturated { busy } => {
                write!(
                    f,
                    "the driver was busy for {:.0} % of the window; the stack may be faster than shown",
                    busy * 100.0
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::histogram;
    use super::*;

    const USERS: NonZeroU32 = NonZeroU32::new(10).unwrap();

    /// A window of 1 s with `ok` good answers of `us` each, from an idle driver.
    fn outcome(ok: u64, us: u64) -> DriveOutcome {
        let mut service_time_us = histogram::of_times_us();
        service_time_us.record_n(us, ok).unwrap();
        DriveOutcome {
            ledger: Ledger {
                window: Duration::from_secs(1),
                ok,
                failed: BTreeMap::new(),
                unfinished: 10,
                body_bytes: 0,
                service_time_us,
            },
            connections_opened: 10,
            driver_cpu: Duration::from_millis(100),
            unclassified: Vec::new(),
        }
    }

    fn kinds(outcome: &DriveOutcome) -> Vec<&'static str> {
        audit(USERS, outcome).iter().map(Finding::kind).collect()
    }

    #[test]
    fn a_sound_round_has_no_findings() {
        assert_eq!(audit(USERS, &outcome(10_000, 1000)), []);
    }

    #[test]
    fn faults_of_the_client_void_the_round() {
        let mut faulty = outcome(10_000, 1000);
        faulty.ledger.failed = BTreeMap::from([
            (ErrorClass::Status5xx, 7),
            (ErrorClass::ClientNoFreePort, 3),
            (ErrorClass::ClientOther, 1),
        ]);
        let findings = audit(USERS, &faulty);
        assert_eq!(kinds(&faulty), ["client-fault", "client-fault"], "the stack's own errors are results");
        assert!(findings.iter().all(|finding| finding.severity() == Severity::Invalid));
        assert_eq!(
            findings[0].to_string(),
            "the driver ran out of local ports 3 times; the stack does not keep connections alive"
        );
    }

    #[test]
    fn a_round_without_a_good_answer_is_no_measurement() {
        let nothing = outcome(0, 1);
        assert_eq!(kinds(&nothing), ["nothing-ok"]);
        assert_eq!(audit(USERS, &nothing)[0].to_string(), "not one good answer: 0 requests failed, 10 did not end");
    }

    #[test]
    fn littles_law_holds_within_five_per_cent() {
        assert_eq!(kinds(&outcome(9_520, 1000)), Vec::<&str>::new());
        assert_eq!(kinds(&outcome(9_400, 1000)), ["littles-law"]);
        assert_eq!(kinds(&outcome(10_700, 1000)), ["littles-law"]);
        assert_eq!(
            audit(USERS, &outcome(5_000, 1000))[0].to_string(),
            "throughput times mean service time comes to 5.00 users waiting, but there were 10; \
             requests stalled beyond the window, or the driver was late"
        );
    }

    #[test]
    fn long_requests_are_not_held_to_more_than_the_edges_allow() {
        // Each user asks for 400 ms: two or three requests end in a window of a second.
        assert_eq!(kinds(&outcome(20, 400_000)), Vec::<&str>::new());
        assert_eq!(kinds(&outcome(30, 400_000)), Vec::<&str>::new());
        assert_eq!(kinds(&outcome(10, 400_000)), ["littles-law"]);
    }

    #[test]
    fn a_saturated_client_is_said_and_does_not_void() {
        let busy = DriveOutcome { driver_cpu: Duration::from_millis(970), ..outcome(10_000, 1000) };
        let findings = audit(USERS, &busy);
        assert_eq!(findings[0].severity(), Severity::Warning);
        assert_eq!(
            findings[0].to_string(),
            "the driver was busy for 97 % of the window; the stack may be faster than shown"
        );
        assert_eq!(kinds(&outcome(10_000, 1000)), Vec::<&str>::new());
    }
}
