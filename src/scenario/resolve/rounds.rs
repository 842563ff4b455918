//! Resolves the number of rounds: `[rounds]`.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::Spanned;

use super::super::model::{Driver, Load, Rounds, Warmup};
use super::super::wire::{self, DurationText, WarmupText};
use super::durations::whole_seconds;
use super::values::whole;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Integer, List};

/// Enough for a gate of a few metrics: six blocks have an exact 95 % interval, and each additional metric needs more.
const DEFAULT_COUNT: NonZeroU32 = NonZeroU32::new(10).unwrap(); // OK because ten is not zero; checked when compiled
const DEFAULT_WARMUP: Duration = Duration::from_secs(1);
const DEFAULT_WARMUP_MOST: Duration = Duration::from_secs(30);
/// A steady state takes five similar seconds.
const SHORTEST_WARMUP_MOST: Duration = Duration::from_secs(5);
pub(super) const DEFAULT_SEED: u64 = 2011;
/// Hours even with the shortest rounds; more is a typing error.
pub(super) const MOST_BLOCKS: u32 = 10_000;
/// Each look has an equal share of the error; a smaller share decides nothing.
const MOST_LOOKS: usize = 10;

/// The rounds, with defaults where the table or one of its keys is missing.
pub(super) fn rounds(wire: Option<&wire::Rounds>, loads: &[Load], problems: &mut Problems<'_>) -> Option<Rounds> {
    let absent = wire::Rounds::default();
    let wire = wire.unwrap_or(&absent);
    if let (Some(count), Some(looks)) = (wire.count.good(), wire.looks.good()) {
        problems.push(
            Diagnostic::at(looks.span(), "`looks` and `count` exclude each other")
                .related(count.span(), "the other one")
                .hint("`count = N` is one look after N blocks; keep one of the two"),
        );
    }
    let one = wire.count.or(vec![DEFAULT_COUNT], |count| Some(vec![blocks(count, "`count`", problems)?]));
    let looks = wire.looks.or(one.unwrap_or_default(), |looks| ascending(looks, problems));
    let warmup = warmup(wire, loads, problems);
    let seed = wire.seed.or(DEFAULT_SEED, |seed| whole(seed, "`seed`", 0..=u64::MAX, problems));
    Some(Rounds { looks: looks.filter(|looks| !looks.is_empty())?, warmup: warmup?, seed: seed? })
}

fn warmup(wire: &wire::Rounds, loads: &[Load], problems: &mut Problems<'_>) -> Option<Warmup> {
    let most = wire
        .warmup_most
        .or(DEFAULT_WARMUP_MOST, |time| whole_seconds(time, "`warmup_most`", SHORTEST_WARMUP_MOST, problems));
    let (duration, span) = match wire.warmup.good() {
        Some(warmup) => (*warmup.get_ref(), warmup.span()),
        None if wire.warmup.is_absent() => (WarmupText::For(DEFAULT_WARMUP), 0..0),
        None => return None,
    };
    match duration {
        WarmupText::For(duration) => {
            if let Some(most) = wire.warmup_most.good() {
                let message = "`warmup_most` belongs to `warmup = \"auto\"`";
                problems.push(Diagnostic::at(most.span(), message).hint("a warm-up of a given length has no maximum"));
                return None;
            }
            whole_seconds(&Spanned::new(span, DurationText(duration)), "`warmup`", Duration::ZERO, problems)
                .map(Warmup::Fixed)
        }
        WarmupText::Auto => {
            // An external program reports only totals, at its end.
            let without_seconds = loads.iter().find(|load| matches!(load.driver, Driver::External(_)));
            if let Some(load) = without_seconds {
                let message = format!(
                    "`warmup = \"auto\"` is impossible under the load `{}`: its driver reports no seconds",
                    load.name
                );
                problems.push(Diagnostic::at(span, message).hint("give a duration, such as \"3s\""));
                return None;
            }
            most.map(|max| Warmup::Auto { max })
        }
    }
}

fn blocks(number: &Spanned<Integer>, what: &str, problems: &mut Problems<'_>) -> Option<NonZeroU32> {
    whole(number, what, 1..=MOST_BLOCKS, problems).and_then(NonZeroU32::new)
}

fn ascending(looks: &Spanned<List<Integer>>, problems: &mut Problems<'_>) -> Option<Vec<NonZeroU32>> {
    let hint = "accepted: numbers of blocks, each larger than the one before, such as [10, 20, 30]";
    let items = &looks.get_ref().0;
    if items.is_empty() || items.len() > MOST_LOOKS {
        let message = format!("`looks` names {} looks; there may be 1 to {MOST_LOOKS}", items.len());
        problems.push(Diagnostic::at(looks.span(), message).hint(hint));
        return None;
    }
    let mut found: Vec<NonZeroU32> = Vec::new();
    let mut all_good = true;
    for item in items {
        match blocks(item, "a look", problems) {
            Some(look) if found.last().is_none_or(|before| *before < look) => found.push(look),
            Some(look) => {
                all_good = false;
                let message = format!("a look after {look} blocks comes too late in the list");
                problems.push(Diagnostic::at(item.span(), message).hint(hint));
            }
            None => all_good = false,
        }
    }
    all_good.then_some(found)
}
