//! Why a drive by several hosts has no outcome.

use std::time::Duration;

use lab_load::accounting::MergeError;
use lab_load::wire::ProtocolError;
use lab_stats::clock::ClockError;

/// Why a drive by several hosts has no outcome. Drivers are named by their numbers, agents by their nodes.
#[derive(Debug, thiserror::Error)]
pub enum CoordinationError {
    #[error("there is no driver")]
    NoDriver,
    #[error("the connection to the agent on {node} was lost: {reason}")]
    Lost { node: String, reason: String },
    #[error("the agent on {node} did not respond within {} s", .waited.as_secs())]
    Silent { node: String, waited: Duration },
    #[error("the clock of {node} could not be read in time")]
    SlowReadings { node: String },
    #[error("{}", stragglers(.drivers, *.is_prepared))]
    Stragglers {
        /// Each with its node.
        drivers: Vec<(u32, String)>,
        is_prepared: bool,
    },
    #[error("driver {driver} on {node} failed: {message}")]
    DriverFailed { driver: u32, node: String, message: String },
    #[error("driver {driver} on {node}")]
    Protocol { driver: u32, node: String, source: ProtocolError },
    #[error("the agent on {node} reported {what} out of turn")]
    Unexpected { node: String, what: &'static str },
    #[error(
        "the window of a driver that starts by itself is not known before it opens, so no component can be watched"
    )]
    UnknownWindow,
    #[error("the use of the components on {node} cannot be read: {message}")]
    WatchFailed { node: String, message: String },
    #[error("the use of the components on {node} was not reported in time")]
    NoUse { node: String },
    #[error("the outcomes of the drivers cannot be merged")]
    Merge(#[from] MergeError),
    #[error("the clock of {node} is unknown")]
    Clock { node: String, source: ClockError },
    #[error("the clock of {node} was not read on both sides of its driver's window")]
    NotCovered { node: String },
}

/// At most three of them by name.
fn stragglers(drivers: &[(u32, String)], is_prepared: bool) -> String {
    let named: Vec<String> =
        drivers.iter().take(3).map(|(number, node)| format!("driver {number} on {node}")).collect();
    let more = match drivers.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let lacking = if is_prepared { "reported no outcome" } else { "did not get ready" };
    format!("{}{more} {lacking} in time", named.join(", "))
}
