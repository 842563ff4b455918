//! Sanity checks of a round: events on the machine or at a listening socket that cast doubt on it. Pure.

use std::time::Duration;

use super::backend::Interference;
use crate::record::{Measured, RoundIssue};

/// The largest share of a window, over all CPUs, that a hypervisor may take without a warning.
const STOLEN_LIMIT: f64 = 0.01;

/// How far the time between the readings of a stack's use may differ from the window, as a fraction.
const READING_TOLERANCE: f64 = 0.05;

/// The tolerated excess of accepted over opened connections: lab's own probes, and connections that were ending when the
/// count began.
const UNEXPECTED_LIMIT: f64 = 3.0;
/// The same as a fraction of the driver's connections, on top.
const UNEXPECTED_FRACTION: f64 = 0.01;

/// A warning if the stack accepted more connections than the driver opened: another client connected, or the driver's
/// HTTP client opens connections that the driver does not count.
pub(super) fn unexpected_connections(measured: &Measured) -> Option<RoundIssue> {
    let opened = measured.connections_opened?;
    let outermost = measured.components.first()?;
    let accepted = outermost.accepted_connections?;
    let unexpected = accepted.saturating_sub(opened);
    let is_excessive = unexpected as f64 > UNEXPECTED_LIMIT + opened as f64 * UNEXPECTED_FRACTION;
    let role = outermost.role;
    is_excessive.then(|| {
        let message = format!("the {role} accepted {accepted} connections, but the driver opened {opened}");
        warning("uninvited-connections", message)
    })
}

/// How long lab may go without watching a window, and how late it may read an end of it. It samples four times a second,
/// so this is no busy machine, but a lab that was stopped.
const UNWATCHED_LIMIT: Duration = Duration::from_millis(1500);

/// What another process did to this run, or the run to another.
pub(super) fn interference(found: &Interference, measured: &Measured) -> Vec<RoundIssue> {
    let late = Duration::from_micros(measured.machine.over_us.abs_diff(measured.window_us));
    let unwatched = found.longest_gap.max(late);
    let stopped = (unwatched > UNWATCHED_LIMIT).then(|| {
        let seconds = unwatched.as_secs_f64();
        let message =
            format!("lab itself did not run for {seconds:.1} s of the window, so its readings are not the window's");
        RoundIssue { kind: "lab-stopped".to_owned(), invalidates: true, message }
    });
    let others = (!found.other_runs.is_empty()).then(|| {
        let others = found.other_runs.join(", ");
        warning("other-runs", format!("another run was going on, {others}; the figures of both suffer"))
    });
    stopped.into_iter().chain(others).collect()
}

/// Warnings about a round that stays valid.
pub(super) fn warnings(measured: &Measured) -> Vec<RoundIssue> {
    let overflows = measured.components.iter().filter_map(|component| {
        let drops = component.accept_queue_drops.filter(|drops| *drops > 0)?;
        let role = component.role;
        let message = format!(
            "the {role} dropped {drops} connections because its accept queue was full; clients retry after a second"
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
            "the resource use of the stack was read over a time {percent:+.0} % off the window; its cost is equally uncertain"
        );
        warning("late-reading", message)
    })
}

fn stolen_time(measured: &Measured) -> Option<RoundIssue> {
    let stolen = measured.machine.stolen_us.unwrap_or(0) as f64 / (measured.machine.over_us as f64).max(1.0);
    let percent = stolen * 100.0;
    (stolen > STOLEN_LIMIT).then(|| {
        let message = format!("the hypervisor took {percent:.0} % of a core's time; every number is affected");
        warning("stolen-time", message)
    })
}

fn warning(kind: &str, message: String) -> RoundIssue {
    RoundIssue { kind: kind.to_owned(), invalidates: false, message }
}
