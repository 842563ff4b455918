//! Resolves how often is measured and what is made of it: `[rounds]`, `[gate]`.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::Spanned;

use super::super::model::{Driver, Gate, Load, Metric, Rounds, Warmup};
use super::super::wire::{self, DurationText, WarmupText};
use super::durations::whole_seconds;
use super::values::whole;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Integer, List};

/// Enough for a gate of a few metrics: six have an exact 95 % interval, and every metric more needs its share.
const DEFAULT_COUNT: NonZeroU32 = NonZeroU32::new(10).unwrap(); // OK because ten is not zero; checked when compiled
const DEFAULT_WARMUP: Duration = Duration::from_secs(1);
const DEFAULT_WARMUP_MOST: Duration = Duration::from_secs(30);
/// The evidence is five seconds that are alike.
const SHORTEST_WARMUP_MOST: Duration = Duration::from_secs(5);
pub(super) const DEFAULT_SEED: u64 = 2011;
/// Hours of rounds even at the shortest; more is a slip of the finger.
pub(super) const MOST_BLOCKS: u32 = 10_000;
/// Each look has an equal share of the error, and with less than that nothing is ever decided.
const MOST_LOOKS: usize = 10;

/// The rounds; the defaults where the table or a key of it is missing.
pub(super) fn rounds(wire: Option<&wire::Rounds>, loads: &[Load], problems: &mut Problems<'_>) -> Option<Rounds> {
    let absent = wire::Rounds::default();
    let wire = wire.unwrap_or(&absent);
    if let (Some(count), Some(looks)) = (wire.count.good(), wire.looks.good()) {
        problems.push(
            Diagnostic::at(looks.span(), "`looks` and `count` say the same thing twice")
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
                problems.push(Diagnostic::at(most.span(), message).hint("a warm-up of a given length takes that long"));
                return None;
            }
            whole_seconds(&Spanned::new(span, DurationText(duration)), "`warmup`", Duration::ZERO, problems)
                .map(Warmup::Fixed)
        }
        WarmupText::Auto => {
            // A program that is not lab's own says what it did when it is done, and not what each second was.
            let silent = loads.iter().find(|load| matches!(load.driver, Driver::External(_)));
            if let Some(load) = silent {
                let message = format!(
                    "no warm-up can be ended by evidence under the load `{}`: its driver keeps no seconds",
                    load.name
                );
                problems.push(Diagnostic::at(span, message).hint("give a duration, such as \"3s\""));
                return None;
            }
            most.map(|most| Warmup::Auto { most })
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

/// The gate; no margins where the table or its key is missing.
pub(super) fn gate(wire: Option<&wire::Gate>) -> Gate {
    let Some(wire) = wire else { return Gate::default() };
    let against = wire.against.value().map(|against| against.0).unwrap_or_default();
    let Some(margins) = wire.margins.value() else { return Gate { against, ..Gate::default() } };
    let margin = |metric: &Metric| match metric {
        Metric::Throughput => margins.throughput.value(),
        Metric::CpuPerRequest => margins.cpu_per_request.value(),
        Metric::P50 => margins.p50.value(),
        Metric::P99 => margins.p99.value(),
    };
    Gate { against, margins: Metric::ALL.iter().filter_map(|metric| Some((*metric, margin(metric)?.0))).collect() }
}
