//! Sanity checks of a round: events on the machine or at a listening socket that cast doubt on it. Pure.

use crate::record::{Measured, RoundIssue};

/// The largest share of a window, over all CPUs, that a hypervisor may take without a warning.
const STOLEN_LIMIT: f64 = 0.01;

/// How far the time over which a stack's use was read may differ from the window, as a fraction.
const READING_TOLERANCE: f64 = 0.05;

/// How many more connections than the driver opened a stack may accept without a warning: lab's own probes, and
/// connections that were ending when the count began.
const UNEXPECTED_LIMIT: f64 = 3.0;
/// The same as a fraction of the driver's connections, on top.
const UNEXPECTED_FRACTION: f64 = 0.01;

/// A warning if the stack accepted more connections than the driver opened: another client was there, or the driver's
/// HTTP client opens connections that the driver does not count.
pub(super) fn unexpected_connections(measured: &Measured) -> Option<RoundIssue> {
    let opened = measured.connections_opened?;
    let outermost = measured.components.first()?;
    let accepted = outermost.accepted_connections?;
    let unexpected = accepted.saturating_sub(opened);
    let is_much = unexpected as f64 > UNEXPECTED_LIMIT + opened as f64 * UNEXPECTED_FRACTION;
    let role = outermost.role;
    is_much.then(|| {
        let message = format!("the {role} accepted {accepted} connections, but the driver opened {opened}");
        warning("uninvited-connections", message)
    })
}

/// Warnings about a round that stays valid.
pub(super) fn warnings(measured: &Measured) -> Vec<RoundIssue> {
    let overflows = measured.components.iter().filter_map(|component| {
        let drops = component.accept_queue_drops.filter(|drops| *drops > 0)?;
        let role = component.role;
        let message = format!(
            "the {role} turned {drops} connections away for a full accept queue; clients try again after a second"
        );
        Some(warning("accept-queue-overflow", message))
    });
    late_reading(measured).into_iter().chain(stolen_time(measured)).chain(overflows).collect()
}

fn late_reading(measured: &Measured) -> Option<RoundIssue> {
    let deviation = measured.machine.over_us as f64 / measured.window_us.max(1) as f64 - 1.0;
    let percent = deviation * 100.0;
    (deviation.abs() > READING_TOLERANCE).then(|| {
        let message = format!(
            "what the stack used was read over a time {percent:+.0} % off the window; its cost is as uncertain"
        );
        warning("late-reading", message)
    })
}

fn stolen_time(measured: &Measured) -> Option<RoundIssue> {
    let stolen = measured.machine.stolen_us.unwrap_or(0) as f64 / (measured.machine.over_us as f64).max(1.0);
    let percent = stolen * 100.0;
    (stolen > STOLEN_LIMIT).then(|| {
        let message = format!("the hypervisor gave {percent:.0} % of a core's time to others; every number suffers");
        warning("stolen-time", message)
    })
}

fn warning(kind: &str, message: String) -> RoundIssue {
    RoundIssue { kind: kind.to_owned(), invalidates: false, message }
}
