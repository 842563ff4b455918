//! From the file as written to the validated model: what values may be, and what they have to do with each other.
//!
//! Pure but for the question whether a file exists. Every problem is reported and reading goes on; a value that was
//! already reported counts as neither there nor missing.

mod check;
mod driver;
mod expect;
mod load;
mod rounds;
mod spoken;
mod step;
mod values;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::Spanned;

use super::model::{App, Backend, Placement, Proxy, Scenario, Server, Stack};
use super::wire;
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::{Field, List};
use crate::document::suggest;
use values::{Unique, one_line, slug, whole};

/// The version of the format that is read here.
const SCHEMA: i128 = 1;
/// Folders beside the scenarios' own in `reports/`.
const RESERVED_NAMES: [&str; 2] = ["snapshots", "calibration"];
/// More worker processes than any machine lab is meant for can run.
const MOST_WORKERS: u16 = 256;

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
    let app = wire.app.value().and_then(|app| app.native.value()).map(|native| App { native: native.0.0.to_owned() });
    let backend = wire.backend.value().map_or(Backend::default(), |backend| backend.0);
    let stacks = stacks(&wire.stack, backend, surroundings, problems);
    let checks = wire.check.or(Vec::new(), |checks| check::checks(checks.get_ref(), &stack_names(wire), problems));
    let loads = wire.load.or(Vec::new(), |loads| load::loads(loads.get_ref(), surroundings, problems));
    if lists_nothing(&wire.check) && lists_nothing(&wire.load) {
        let message = "the scenario has neither a `[[check]]` nor a `[[load]]`: nothing to find out";
        problems.push(Diagnostic::at(0..0, message).hint("add at least one of them"));
    }
    let rounds = rounds::rounds(wire.rounds.value(), loads.as_deref().unwrap_or_default(), problems);
    let placement = wire.placement.or(Placement::Auto, |placement| load::placement(placement.get_ref(), problems));
    let gate = rounds::gate(wire.gate.value());
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
    })
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

fn stacks(
    wire: &Field<List<wire::Stack>>,
    backend: Backend,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Stack>> {
    let list = wire.good()?;
    if list.get_ref().0.is_empty() {
        let message = "`stack` is empty: there is nothing to test";
        problems.push(Diagnostic::at(list.span(), message).hint("add at least one `[[stack]]`"));
        return None;
    }
    let mut names = Unique::new("stack");
    let mut reference: Option<Span> = None;
    let resolved: Vec<_> = list
        .get_ref()
        .0
        .iter()
        .map(|wire| {
            let wire = wire.get_ref();
            if let Some(name) = wire.name.good() {
                names.add(name, problems);
            }
            if let Some(marked) = wire.reference.good().filter(|marked| *marked.get_ref()) {
                match &reference {
                    None => reference = Some(marked.span()),
                    Some(first) => problems.push(
                        Diagnostic::at(marked.span(), "more than one stack is the reference")
                            .related(first.clone(), "the first one")
                            .hint("mark the one stack that the others are compared with"),
                    ),
                }
            }
            stack(wire, backend, surroundings, problems)
        })
        .collect();
    resolved.into_iter().collect()
}

fn stack(
    wire: &wire::Stack,
    backend: Backend,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Stack> {
    let name = wire.name.good().and_then(|name| slug(name, problems));
    let proxy = wire.proxy.or(None, |wire| proxy(wire.get_ref(), surroundings, problems).map(Some));
    let server = wire.server.value().and_then(|wire| server(wire, problems));
    Some(Stack {
        name: name?,
        proxy: proxy?,
        server: server?,
        backend: wire.backend.value().map_or(backend, |own| own.0),
        reference: wire.reference.value().copied().unwrap_or_default(),
    })
}

fn proxy(wire: &wire::Proxy, surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) -> Option<Proxy> {
    let config = wire.config.good().and_then(|path| file(path, surroundings, problems));
    Some(Proxy { kind: wire.kind.value()?.0, config: config? })
}

/// An existing file, absolute.
fn file(path: &Spanned<String>, surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
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

fn server(wire: &wire::Server, problems: &mut Problems<'_>) -> Option<Server> {
    let workers = wire.workers.or(std::num::NonZeroU16::MIN, |workers| {
        whole(workers, "`workers`", 1..=MOST_WORKERS, problems).and_then(std::num::NonZeroU16::new)
    });
    Some(Server { kind: wire.kind.value()?.0, workers: workers? })
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
