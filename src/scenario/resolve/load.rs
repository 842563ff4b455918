//! Resolves how the stacks are driven, and where: `[[load]]` (its driver in [`driver`]), `[placement]`.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::Spanned;

use super::super::model::{Load, OnErrors, Placement};
use super::super::wire::{self, DurationText};
use super::rounds::MOST_BLOCKS;
use super::values::{Unique, origin_form, slug, whole};
use super::{Surroundings, driver, known_stack, spoken, validates};
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::{Field, List, Whole};

/// Long enough for any page, short enough to notice a hang.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// What the kernel's affinity masks hold without asking for more (`CPU_SETSIZE`).
const LAST_CORE: u16 = 1023;

/// The loads in the file's order; `None` where one of them is wrong.
pub(super) fn loads(
    wire: &List<wire::Load>,
    stacks: Option<&[&str]>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Load>> {
    let mut names = Unique::new("load");
    let resolved: Vec<_> = wire
        .0
        .iter()
        .map(|wire| {
            if let Some(name) = wire.get_ref().name.good() {
                names.add(name, problems);
            }
            load(wire.get_ref(), stacks, surroundings, problems)
        })
        .collect();
    let loads: Vec<Load> = resolved.into_iter().collect::<Option<_>>()?;
    validates::all_can(wire, &loads, problems).then_some(loads)
}

fn load(
    wire: &wire::Load,
    stacks: Option<&[&str]>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Load> {
    let name = wire.name.good().and_then(|name| slug(name, problems));
    let path = wire.path.or("/".to_owned(), |path| origin_form(path, "`path`", problems));
    let timeout = wire.timeout.or(DEFAULT_TIMEOUT, |time| {
        let timeout = time.get_ref().0;
        if timeout.is_zero() {
            let message = "`timeout` cannot be zero: no request would ever be answered in time";
            problems.push(Diagnostic::at(time.span(), message));
            return None;
        }
        Some(timeout)
    });
    let tls = wire.tls.or(None, |tls| spoken::tls(tls, &wire.driver, surroundings, problems).map(Some));
    let http = spoken::http(wire, problems);
    let (driver, duration) = driver::driver(wire, problems)?;
    let errors = wire.errors.or(OnErrors::Fail, |word| Some(word.get_ref().0))?;
    let stacks = wire.stacks.or(None, |names| named(names, stacks, problems).map(Some));
    let blocks = wire
        .rounds
        .or(None, |most| whole(most, "`rounds`", 1..=MOST_BLOCKS, problems).and_then(NonZeroU32::new).map(Some));
    let validates = wire.validates.or(None, |name| Some(Some(name.get_ref().clone())));
    let (name, path, timeout) = (name?, path?, timeout?);
    let (tls, http, validates, stacks, blocks) = (tls?, http?, validates?, stacks?, blocks?);
    Some(Load { name, driver, path, tls, http, duration, timeout, errors, validates, stacks, blocks })
}

/// The stacks a load names. Where it is not known which there are, none of them is unknown.
fn named(names: &Spanned<List<String>>, known: Option<&[&str]>, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let listed = &names.get_ref().0;
    if listed.is_empty() {
        let message = "`stacks` is empty: the load would drive nothing";
        problems.push(Diagnostic::at(names.span(), message).hint("leave `stacks` out to drive every stack"));
        return None;
    }
    let mut all_known = true;
    for name in listed {
        all_known &= known.is_none_or(|known| known_stack(name, known, problems));
    }
    all_known.then(|| listed.iter().map(|name| name.get_ref().clone()).collect())
}

/// A duration of whole seconds, `shortest` or more.
pub(super) fn whole_seconds(
    time: &Spanned<DurationText>,
    what: &str,
    shortest: Duration,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    let duration = time.get_ref().0;
    let problem = if duration < shortest {
        format!("{what} is too short")
    } else if duration.subsec_nanos() != 0 {
        format!("{what} is not a number of whole seconds")
    } else {
        return Some(duration);
    };
    let hint = format!("accepted: whole seconds from \"{}s\" on", shortest.as_secs());
    problems.push(Diagnostic::at(time.span(), problem).hint(hint));
    None
}

/// A duration of `shortest`, less than a second, or more.
pub(super) fn at_least(
    time: &Spanned<DurationText>,
    what: &str,
    shortest: Duration,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    let duration = time.get_ref().0;
    if duration < shortest {
        let hint = format!("accepted: from \"{}ms\" on", shortest.as_millis());
        problems.push(Diagnostic::at(time.span(), format!("{what} is too short")).hint(hint));
        return None;
    }
    Some(duration)
}

/// Two lists of cores that have none in common.
pub(super) fn placement(wire: &wire::Placement, problems: &mut Problems<'_>) -> Option<Placement> {
    let mut taken: Vec<(u16, Span)> = Vec::new();
    let load = cores(&wire.load, "load", &mut taken, problems);
    let stack = cores(&wire.stack, "stack", &mut taken, problems);
    Some(Placement::Pinned { load: load?, stack: stack? })
}

fn cores(
    wire: &Field<List<Whole>>,
    key: &str,
    taken: &mut Vec<(u16, Span)>,
    problems: &mut Problems<'_>,
) -> Option<Vec<u16>> {
    let list = wire.good()?;
    if list.get_ref().0.is_empty() {
        let message = format!("`{key}` names no core");
        problems.push(Diagnostic::at(list.span(), message).hint("leave `[placement]` out to let lab choose"));
        return None;
    }
    let mut cores = Vec::new();
    let mut all_good = true;
    for number in &list.get_ref().0 {
        let Some(core) = whole(number, "a core", 0..=LAST_CORE, problems) else {
            all_good = false;
            continue;
        };
        if let Some((_, first)) = taken.iter().find(|(other, _)| *other == core) {
            all_good = false;
            problems.push(
                Diagnostic::at(number.span(), format!("core {core} is named twice"))
                    .related(first.clone(), "first here")
                    .hint("load drivers and stacks run on different cores, or they measure each other"),
            );
            continue;
        }
        taken.push((core, number.span()));
        cores.push(core);
    }
    all_good.then_some(cores)
}
