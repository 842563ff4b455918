//! Resolves the short form of a scenario: `[quick]`.

use std::num::NonZeroU32;
use std::time::Duration;

use super::super::model::Quick;
use super::super::wire;
use super::driver::SHORTEST;
use super::durations::{at_least, whole_seconds};
use super::values::whole;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::suggest;

const SECOND: Duration = Duration::from_secs(1);
const MOST_BLOCKS: u32 = 10_000;
const MOST_RATES: u16 = 1000;

/// Resolves `[quick]`. `None` if it is invalid.
pub(super) fn quick(wire: &wire::Quick, known: &[&str], problems: &mut Problems<'_>) -> Option<Quick> {
    let blocks = wire
        .rounds
        .or(NonZeroU32::MIN, |rounds| whole(rounds, "`rounds`", 1..=MOST_BLOCKS, problems).and_then(NonZeroU32::new));
    let warmup = wire.warmup.or(SECOND, |time| whole_seconds(time, "`warmup`", Duration::ZERO, problems));
    let names = wire.loads.or(None, |list| {
        let mut names = Vec::new();
        for name in &list.get_ref().0 {
            if !known.contains(&name.get_ref().as_str()) {
                let message = format!("there is no load `{}`", name.get_ref());
                problems.push(Diagnostic::at(name.span(), message).hint(suggest::accepted(name.get_ref(), known)));
                return None;
            }
            names.push(name.get_ref().clone());
        }
        Some(Some(names))
    });
    let rates = wire.rates.or(None, |rates| whole(rates, "`rates`", 2..=MOST_RATES, problems).map(Some));
    let hold = wire.hold.or(None, |time| at_least(time, "`hold`", SHORTEST, problems).map(Some));
    let duration = wire.duration.or(None, |time| whole_seconds(time, "`duration`", SECOND, problems).map(Some));
    Some(Quick {
        blocks: blocks?,
        warmup: warmup?,
        loads: names?,
        rates: rates?.map(usize::from),
        hold: hold?,
        duration: duration?,
    })
}
