//! From the file as written to the validated model: what values may be, and what they have to do with each other.
//!
//! Pure but for the question whether a file exists. Every problem is reported and reading goes on; a value that was
//! already reported counts as neither there nor missing.

mod app;
mod check;
mod driver;
mod expect;
mod image;
mod load;
mod matrix;
mod quick;
mod ramp;
mod rounds;
mod spoken;
mod stack;
mod step;
mod validates;
mod values;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::Spanned;

use super::model::{Placement, Scenario};
use super::wire;
use crate::catalog::Catalog;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, List};
use crate::document::suggest;
use values::{one_line, slug};

/// The version of the format that is read here.
const SCHEMA: i128 = 1;
/// Folders beside the scenarios' own in `reports/`.
const RESERVED_NAMES: [&str; 2] = ["snapshots", "calibration"];

/// What a scenario's meaning depends on beside its tables.
pub(super) struct Surroundings<'a> {
    /// The file's text.
    pub(super) source: &'a str,
    /// Where it was read from.
    pub(super) file: &'a Path,
    /// What relative paths are relative to; absolute.
    pub(super) root: &'a Path,
    /// Whether a file exists.
    pub(super) is_file: &'a dyn Fn(&Path) -> bool,
    /// The kinds there are.
    pub(super) catalog: &'a Catalog,
}

/// Resolves a whole scenario; `None` where something was added to `problems`.
pub(super) fn resolve(
    wire: &wire::Scenario,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Scenario> {
    if let Some(version) = wire.schema.good().filter(|version| version.get_ref().0 != SCHEMA) {
        let message = format!("unknown version of the scenario format: {}", version.get_ref().0);
        // Another version has other rules: nothing else in the file can be judged by these.
        problems.replace_with(Diagnostic::at(version.span(), message).hint(format!("accepted: {SCHEMA}")));
        return None;
    }
    let name = scenario_name(&wire.name, problems);
    let title = wire.title.or(None, |title| one_line(title, "`title`", problems).map(Some));
    let app = wire.app.good().and_then(|app| app::app(app, surroundings, problems));
    let stacks = stack::stacks(wire, app.as_ref(), surroundings, problems);
    // What is wrong with a stack is reported where it stands, and not again where it is named.
    let mut names = stack_names(wire);
    for stack in stacks.iter().flatten().filter(|stack| stack.is_optional) {
        names.push(&stack.name);
    }
    let is_known = stacks.is_some() || wire.matrix.is_absent();
    let checks =
        wire.check.or(Vec::new(), |checks| check::checks(checks.get_ref(), is_known.then_some(&names), problems));
    let loads = wire
        .load
        .or(Vec::new(), |loads| load::loads(loads.get_ref(), is_known.then_some(&names), surroundings, problems));
    if lists_nothing(&wire.check) && lists_nothing(&wire.load) {
        let message = "the scenario has neither a `[[check]]` nor a `[[load]]`: nothing to find out";
        problems.push(Diagnostic::at(0..0, message).hint("add at least one of them"));
    }
    let rounds = rounds::rounds(wire.rounds.value(), loads.as_deref().unwrap_or_default(), problems);
    let placement = wire.placement.or(Placement::Auto, |placement| load::placement(placement.get_ref(), problems));
    let gate = rounds::gate(wire.gate.value());
    let quick = wire.quick.or(None, |quick| quick::quick(quick.get_ref(), &load_names(wire), problems).map(Some));
    Some(Scenario {
        name: name?,
        title: title?,
        file: surroundings.file.to_owned(),
        root: surroundings.root.to_owned(),
        sha256: sha256(surroundings.source),
        app: app?,
        stacks: stacks?,
        checks: checks?,
        loads: loads?,
        rounds: rounds?,
        placement: placement?,
        gate,
        quick: quick?,
        is_short: false,
    })
}

/// Every load's name, sound or not: what is wrong with a load is reported where it stands.
fn load_names(wire: &wire::Scenario) -> Vec<&str> {
    let loads = wire.load.value().map(|list| list.0.as_slice()).unwrap_or_default();
    loads.iter().filter_map(|load| load.get_ref().name.value()).map(String::as_str).collect()
}

/// The path that a scenario's file names, absolute, if there is such a file.
fn existing(path: &Spanned<String>, surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let absolute = surroundings.root.join(path.get_ref());
    if path.get_ref().is_empty() || !(surroundings.is_file)(&absolute) {
        let message = format!("no such file: `{}`", path.get_ref());
        let hint = "a relative path starts at the scenario's root: the folder above `scenarios/`, \
                    or the scenario's own folder where that has another name";
        problems.push(Diagnostic::at(path.span(), message).hint(hint));
        return None;
    }
    Some(absolute)
}

/// Whether a list is missing or empty (and not merely wrong).
fn lists_nothing<T>(list: &Field<List<T>>) -> bool {
    list.is_absent() || list.value().is_some_and(|list| list.0.is_empty())
}

/// The scenario's name: also a folder's and a file's.
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

/// The names that stacks go by, well-formed or not, so that a bad one is not reported again where it is used.
fn stack_names(wire: &wire::Scenario) -> Vec<&str> {
    let stacks = wire.stack.value().map_or(&[][..], |stacks| &stacks.0);
    stacks.iter().filter_map(|stack| stack.get_ref().name.value()).map(String::as_str).collect()
}

/// Reports the name at `at` if it is none of `known`.
fn known_stack(at: &Spanned<String>, known: &[&str], problems: &mut Problems<'_>) -> bool {
    let found = known.contains(&at.get_ref().as_str());
    if !found {
        let message = format!("no stack is named `{}`", at.get_ref());
        problems.push(Diagnostic::at(at.span(), message).hint(suggest::accepted(at.get_ref(), known)));
    }
    found
}

/// In lower-case hexadecimal.
fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
