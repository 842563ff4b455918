//! Why a test of the gate is inconclusive, and what would decide it. Pure.

use crate::record::OUT_OF_REACH;
use lab_stats::verdict::InconclusiveReason;

/// The number of further rounds that would decide, if that is feasible; otherwise the reason as a message.
pub(super) fn in_words(
    reason: InconclusiveReason,
    wide_baseline: impl Fn() -> String,
) -> (Option<u32>, Option<String>) {
    match reason {
        InconclusiveReason::TooFewRounds(rounds) => (Some(rounds), None),
        InconclusiveReason::OutOfReach => (None, Some(OUT_OF_REACH.to_owned())),
        InconclusiveReason::WideBaseline => (None, Some(wide_baseline())),
    }
}
