//! The reasons to distrust a round: their names in records, their consequences, their messages.

use std::fmt;

use crate::wire::ErrorClass;

/// A reason to distrust a round.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The client itself was at fault.
    ClientFault { class: ErrorClass, count: u64 },
    /// Not one good response: there is nothing to measure.
    NothingOk { failed: u64, unfinished: u64 },
    /// The requests do not add up to the users' time.
    LittlesLaw {
        /// The planned users.
        users: u32,
        /// Users waiting for a response on average: throughput times mean service time.
        seen: f64,
    },
    /// The driver was so busy that it, rather than the stack, may have set the pace.
    ClientSaturated {
        /// The driver's CPU time as a fraction of the window, averaged over its cores.
        busy: f64,
        /// Whether this invalidates the times: an open loop must be in time.
        is_open: bool,
    },
    /// The driver began scheduled requests late.
    LateDriver {
        /// 99th percentile of its lag.
        p99_us: u64,
    },
    /// The driver fell behind at some rates of a ramp.
    BehindAtRates {
        /// The number of rates at which it fell behind.
        behind: usize,
        /// The number of all rates.
        rates: usize,
        /// The lowest rate at which it fell behind, arrivals per second.
        from_per_s: u32,
    },
    /// Too few of the scheduled requests ended within the window: the round measured a growing queue.
    NotKeptUp {
        /// Requests that ended within the window, good or failed.
        ended: u64,
        /// Requests scheduled within it.
        scheduled: u64,
        /// Whether the rate was constant; the purpose of a ramp is to find the rate at which this begins.
        is_constant: bool,
    },
    /// The driver does not tell whether some responses were complete.
    PossiblyCut { responses: u64 },
    /// Some scheduled requests are unaccounted for: a bug in the driver.
    DoesNotAddUp {
        /// Requests scheduled within the window.
        scheduled: u64,
        /// Requests accounted for.
        found: u64,
    },
}

/// The consequence of a finding for its round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The round stays valid, but the report says so.
    Warning,
    Invalid,
}

/// The kind of [`Finding::ClientSaturated`].
pub const CLIENT_SATURATED: &str = "client-saturated";

impl Finding {
    /// The name in records.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Finding::ClientFault { .. } => "client-fault",
            Finding::NothingOk { .. } => "nothing-ok",
            Finding::LittlesLaw { .. } => "littles-law",
            Finding::ClientSaturated { .. } => CLIENT_SATURATED,
            Finding::LateDriver { .. } => "late-driver",
            Finding::BehindAtRates { .. } => "behind-at-rates",
            Finding::NotKeptUp { .. } => "not-kept-up",
            Finding::PossiblyCut { .. } => "possibly-cut",
            Finding::DoesNotAddUp { .. } => "does-not-add-up",
        }
    }

    /// The consequence for the round. In a closed loop a saturated client is only a warning: goose is slower than a
    /// fast stack, so its users send a little later, but the stack's cost per request remains correct.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Finding::ClientSaturated { is_open: false, .. }
            | Finding::NotKeptUp { is_constant: false, .. }
            | Finding::PossiblyCut { .. } => Severity::Warning,
            Finding::BehindAtRates { behind, rates, .. } if behind < rates => Severity::Warning,
            Finding::ClientFault { .. }
            | Finding::NothingOk { .. }
            | Finding::LittlesLaw { .. }
            | Finding::ClientSaturated { .. }
            | Finding::LateDriver { .. }
            | Finding::BehindAtRates { .. }
            | Finding::NotKeptUp { .. }
            | Finding::DoesNotAddUp { .. } => Severity::Invalid,
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
                write!(f, "not one good response: {failed} requests failed, {unfinished} did not end")
            }
            Finding::LittlesLaw { users, seen } => write!(
                f,
                "throughput times mean service time comes to {seen:.2} users waiting, but there were {users}; \
                 requests stalled beyond the window, or the driver was late"
            ),
            Finding::ClientSaturated { busy, is_open } => {
                write!(f, "the driver was busy for {:.0} % of the window; ", busy * 100.0)?;
                f.write_str(match is_open {
                    true => "its requests waited for the driver as well as for the stack",
                    false => "the stack may be faster than shown",
                })
            }
            Finding::LateDriver { p99_us } => {
                write!(f, "the driver was late: one request in a hundred began {p99_us} us or more behind its schedule")
            }
            Finding::BehindAtRates { behind, rates, from_per_s } => write!(
                f,
                "the driver fell behind at {behind} of {rates} rates, from {from_per_s} arrivals per second on; they do not count"
            ),
            Finding::NotKeptUp { ended, scheduled, is_constant } => {
                write!(f, "of {scheduled} requests, {ended} ended within the window; ")?;
                f.write_str(match is_constant {
                    true => "the stack does not keep up with the rate, and the times are those of a growing queue",
                    false => "the stack does not keep up with the ramp's higher rates",
                })
            }
            Finding::PossiblyCut { responses } => write!(
                f,
                "whether {responses} responses were complete is unknown: the driver does not tell a response that was cut"
            ),
            Finding::DoesNotAddUp { scheduled, found } => {
                write!(f, "of {scheduled} scheduled requests the driver accounts for {found}")
            }
        }
    }
}
