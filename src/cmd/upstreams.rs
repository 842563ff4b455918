//! Compares where the proxies of a scenario pass requests with where its servers bind: lab rewrites both, so a mistake
//! would not show.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anstream::stream::IsTerminal as _;

use crate::catalog::kind::Language;
use crate::lint::{self, AddressInFile, Finding};
use crate::report::render::terminal::lint_finding;
use crate::scenario::model::{Relocate, Scenario, Stack};
use lab_serve::process::interpreter;

/// Prints each upstream that a scenario's servers do not serve, once. Returns whether there is one.
pub(super) fn print_elsewhere(scenario: &Scenario) -> anyhow::Result<bool> {
    if scenario.relocate == Relocate::Any {
        return Ok(false);
    }
    let mut printed: Vec<Finding> = Vec::new();
    let mut bound: BTreeMap<PathBuf, Vec<AddressInFile>> = BTreeMap::new();
    for stack in &scenario.stacks {
        let Some((proxy, server)) = files(stack) else { continue };
        if !bound.contains_key(server) {
            bound.insert(server.to_owned(), bound_addresses(server, &scenario.root));
        }
        // A configuration that cannot be read was reported before.
        let Ok(loaded) = lab_nginx_conf::load(proxy) else { continue };
        for mut finding in lint::upstreams_elsewhere(&lint::nginx::pass_targets(&loaded.tree), &bound[server]) {
            let source = loaded.sources.iter().find(|source| source.file == finding.location.file);
            finding.location.file = shown(&finding.location.file, &scenario.root);
            if printed.contains(&finding) {
                continue;
            }
            let text = source.map_or("", |source| source.text.as_str());
            let rendered = lint_finding::render(&finding, text, std::io::stderr().is_terminal());
            writeln!(anstream::stderr(), "lab: stack `{}`:\n{rendered}\n", stack.name)?;
            printed.push(finding);
        }
    }
    if !printed.is_empty() {
        let file = scenario.file.display();
        let hint = "lab rewrites these addresses, so the stack would work here; `relocate = \"any\"` says that it may";
        writeln!(anstream::stderr(), "lab: {file}: proxy and server do not meet outside lab\nhint: {hint}")?;
    }
    Ok(!printed.is_empty())
}

/// The configurations of a stack's proxy and server, if lab rewrites the one and reads the other.
fn files(stack: &Stack) -> Option<(&Path, &Path)> {
    let proxy = stack.proxy.as_ref()?;
    let is_rewritten = proxy.kind.kind().run.as_ref().is_ok_and(|run| run.language == Language::Nginx);
    let config = stack.server.config.as_deref()?;
    let is_python = config.extension().is_some_and(|extension| extension == "py");
    let proxy = proxy.config.as_deref()?;
    (is_rewritten && is_python).then_some((proxy, config))
}

/// Where a configuration of gunicorn binds; nothing if only a run can tell.
fn bound_addresses(file: &Path, root: &Path) -> Vec<AddressInFile> {
    let active = std::env::var("VIRTUAL_ENV").ok();
    let Ok(python) = interpreter::find(None, active.as_deref()) else { return Vec::new() };
    // The server reports a file that is no Python, with its traceback.
    let Ok(module) = lint::python::read(&python, file) else { return Vec::new() };
    lint::python::bound_addresses(&shown(file, root), &module)
}

/// The path as the scenario names it.
fn shown(file: &Path, root: &Path) -> PathBuf {
    file.strip_prefix(root).unwrap_or(file).to_owned()
}
