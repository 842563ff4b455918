//! Turns the wire types into the validated model: checks values and the relations between them.
//!
//! Its only effect is a check whether files exist. It reports every problem and continues; a reported value counts neither
//! as present nor as missing.

mod app;
mod body;
mod check;
mod context;
mod cross_validation;
mod driver;
mod durations;
mod expect;
mod extract;
mod gate;
mod image;
mod json_rules;
mod load;
mod matrix;
mod placement;
mod protocol;
mod quick;
mod ramp;
mod request;
mod rounds;
mod rules;
mod service;
mod snapshot;
mod stack;
mod stack_names;
mod stacks;
mod step;
mod values;

use std::num::NonZeroU32;

use sha2::{Digest, Sha256};

use super::model::{Gate, Placement, Relocate, Scenario};
use super::wire;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, List};
use values::{one_line, slug, whole};

pub(super) use context::ResolveContext;

/// The supported version of the format.
const SCHEMA: i128 = 1;
/// More than a disk holds.
const MOST_KEPT_RUNS: u32 = 100_000;
/// Folders of `reports/` that belong to no scenario.
const RESERVED_NAMES: [&str; 4] = ["snapshots", "calibration", "revisions", "history"];

/// Resolves a scenario. `None` if it adds to `problems`.
pub(super) fn resolve(
    wire: &wire::Scenario,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Scenario> {
    if let Some(version) = wire.schema.good().filter(|version| version.get_ref().0 != SCHEMA) {
        let message = format!("unknown version of the scenario format: {}", version.get_ref().0);
        // Another version has other rules, so no other problem would be meaningful.
        problems.replace_with(Diagnostic::at(version.span(), message).hint(format!("accepted: {SCHEMA}")));
        return None;
    }
    let name = scenario_name(&wire.name, problems);
    let title = wire.title.or(None, |title| one_line(title, "`title`", problems).map(Some));
    let app = wire.app.good().and_then(|app| app::app(app, context, problems));
    let stacks = stacks::stacks(wire, app.as_ref(), context, problems);
    // A bad stack is reported once, at its own table, not at references to it.
    let mut names = stack_names(wire);
    for stack in stacks.iter().flatten().filter(|stack| stack.is_optional) {
        names.push(&stack.name);
    }
    let is_known = stacks.is_some() || wire.matrix.is_absent();
    let checks = wire
        .check
        .or(Vec::new(), |checks| check::checks(checks.get_ref(), is_known.then_some(&names), context, problems));
    let loads =
        wire.load.or(Vec::new(), |loads| load::loads(loads.get_ref(), is_known.then_some(&names), context, problems));
    if is_empty_list(&wire.check) && is_empty_list(&wire.load) {
        let message = "the scenario has neither a `[[check]]` nor a `[[load]]`: nothing to find out";
        problems.push(Diagnostic::at(0..0, message).hint("add at least one of them"));
    }
    let rounds = rounds::rounds(wire.rounds.value(), loads.as_deref().unwrap_or_default(), problems);
    let placement = wire.placement.or(Placement::Auto, |placement| placement::placement(placement, problems));
    let gate = wire.gate.or(Gate::default(), |gate| gate::gate(gate.get_ref(), problems));
    let volatile = snapshot::volatile(wire.snapshot.value(), problems);
    let kept_runs = wire.reports.or(Scenario::KEPT_RUNS, |reports| {
        let keep = &reports.get_ref().keep;
        keep.or(Scenario::KEPT_RUNS, |keep| {
            whole(keep, "`keep`", 1..=MOST_KEPT_RUNS, problems).and_then(NonZeroU32::new)
        })
    });
    let quick = wire.quick.or(None, |quick| quick::quick(quick.get_ref(), &load_names(wire), problems).map(Some));
    let scenario = Scenario {
        name: name?,
        title: title?,
        file: context.file.to_owned(),
        root: context.root.to_owned(),
        sha256: sha256(context.source),
        app: app?,
        relocate: wire.relocate.value().map_or(Relocate::default(), |choice| choice.0),
        stacks: stacks?,
        checks: checks?,
        loads: loads?,
        rounds: rounds?,
        placement: placement?,
        context: None,
        gate: gate?,
        volatile: volatile?,
        kept_runs: kept_runs?,
        access_logs: wire.reports.value().and_then(|reports| reports.access_logs.value()).copied().unwrap_or_default(),
        quick: quick?,
        is_short: false,
        comparison: None,
    };
    if let Some(past) = context.gated_past {
        gate::refuse_unjudged_margins(&scenario, past, wire, problems);
    }
    Some(scenario)
}

/// The names of all loads, including invalid ones, which are reported at their own tables.
fn load_names(wire: &wire::Scenario) -> Vec<&str> {
    let loads = wire.load.value().map(|list| list.0.as_slice()).unwrap_or_default();
    loads.iter().filter_map(|load| load.get_ref().name.value()).map(String::as_str).collect()
}

/// Whether a list is missing or empty, as opposed to invalid.
fn is_empty_list<T>(list: &Field<List<T>>) -> bool {
    list.is_absent() || list.value().is_some_and(|list| list.0.is_empty())
}

/// The scenario's name, which is also the name of a folder and of a file.
fn scenario_name(name: &Field<String>, problems: &mut Problems<'_>) -> Option<String> {
    let name = name.good()?;
    if RESERVED_NAMES.contains(&name.get_ref().as_str()) {
        let message = format!("a scenario cannot be named `{}`", name.get_ref());
        let hint =
            "a scenario's reports lie in a folder of its name, and this one holds what belongs to every scenario";
        problems.push(Diagnostic::at(name.span(), message).hint(hint));
        return None;
    }
    slug(name, problems)
}

/// The names of all stacks, including invalid ones, which are reported at their own tables.
fn stack_names(wire: &wire::Scenario) -> Vec<&str> {
    let stacks = wire.stack.value().map_or(&[][..], |stacks| &stacks.0);
    stacks.iter().filter_map(|stack| stack.get_ref().name.value()).map(String::as_str).collect()
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
