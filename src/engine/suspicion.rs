//! What the machine or a listening socket went through that casts doubt on a round. Pure.

use crate::record::{Measured, Objection};

/// The largest share of a window, over all CPUs, that a hypervisor may give to others unremarked.
const STOLEN_LIMIT: f64 = 0.01;

/// How far the time over which a stack's use was read may differ from the window, as a fraction.
const READING_TOLERANCE: f64 = 0.05;

/// How many more connections than the driver opened a stack may accept unremarked: its own probes, and what was ending
/// when the count began; and as a fraction.
const UNINVITED: f64 = 3.0;
/// See [`UNINVITED`].
const UNINVITED_FRACTION: f64 = 0.01;

/// A warning about a stack that accepted more connections than the driver says it opened: somebody else was there, or the
/// driver's client opens connections behind its back.
pub(super) fn uninvited(measured: &Measured) -> Option<Objection> {
    let opened = measured.connections_opened?;
    let outermost = measured.components.first()?;
    let accepted = outermost.accepted_connections?;
    let beyond = accepted.saturating_sub(opened);
    let is_much = beyond as f64 > UNINVITED + opened as f64 * UNINVITED_FRACTION;
    is_much.then(|| Objection {
        kind: "uninvited-connections".to_owned(),
        invalidates: false,
        said: format!("the {} accepted {accepted} connections, but the driver opened {opened}", outermost.role),
    })
}

/// Warnings about a round: it is valid, but the reader should know.
pub(super) fn warnings(measured: &Measured) -> Vec<Objection> {
    let mut found = Vec::new();
    let mut warn = |kind: &str, said: String| {
        found.push(Objection { kind: kind.to_owned(), invalidates: false, said });
    };
    let over_us = measured.machine.over_us as f64;
    let off = over_us / measured.window_us.max(1) as f64 - 1.0;
    if off.abs() > READING_TOLERANCE {
        let percent = off * 100.0;
        let said = format!(
            "what the stack used was read over a time {percent:+.0} % off the window; its cost is as uncertain"
        );
        warn("late-reading", said);
    }
    let stolen = measured.machine.stolen_us.unwrap_or(0) as f64 / over_us.max(1.0);
    if stolen > STOLEN_LIMIT {
        let percent = stolen * 100.0;
        warn(
            "stolen-time",
            format!("the hypervisor gave {percent:.0} % of a core's time to others; every number suffers"),
        );
    }
    for component in &measured.components {
        if let Some(drops) = component.accept_queue_drops.filter(|drops| *drops > 0) {
            let role = component.role;
            let said = format!(
                "the {role} turned {drops} connections away for a full accept queue; clients try again after a second"
            );
            warn("accept-queue-overflow", said);
        }
    }
    found
}
