//! What would fail outside although it works under lab: a proxy that passes requests where no server binds, because lab
//! rewrites both; an expired certificate, because checks accept any; a server whose name no check requests.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anstream::stream::IsTerminal as _;

use crate::catalog::kind::Language;
use crate::lint::{self, AddressInFile, Finding};
use crate::report::render::terminal::lint_finding;
use crate::scenario::model::{Relocate, Scenario, Stack};
use lab_serve::process::interpreter;

/// Prints each fault of the proxies' configurations, once. Returns whether there is one.
pub(super) fn print_faults(scenario: &Scenario) -> anyhow::Result<bool> {
    if scenario.relocate == Relocate::Any {
        return Ok(false);
    }
    let mut printed: Vec<Finding> = Vec::new();
    let mut bound: BTreeMap<PathBuf, Vec<AddressInFile>> = BTreeMap::new();
    for stack in &scenario.stacks {
        let Some(proxy) = rewritten_configuration(stack) else { continue };
        // A configuration that cannot be read was reported before.
        let home = proxy.parent().unwrap_or(Path::new(""));
        let Ok(loaded) = lab_nginx_conf::load_nearby(proxy, home, &mut lab_nginx_conf::read_source) else { continue };
        let mut findings = lint::nginx::expired_certificates(&loaded.tree, SystemTime::now());
        let requests: Vec<_> = scenario.checks_for(stack).map(|check| &check.request).collect();
        // A redirect may lead to any name.
        if !requests.is_empty() && !requests.iter().any(|request| request.follows_redirects()) {
            let hosts: Vec<Option<String>> = requests.iter().map(|request| request.host()).collect();
            findings.extend(lint::nginx::unrequested_names(&loaded.tree, &hosts));
        }
        if let Some(server) = python_configuration(stack) {
            if !bound.contains_key(server) {
                bound.insert(server.to_owned(), bound_addresses(server, &scenario.root));
            }
            findings.extend(lint::upstreams_elsewhere(&lint::nginx::pass_targets(&loaded.tree), &bound[server]));
        }
        for mut finding in findings {
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
        let hint = "lab gives a stack addresses and certificates of its own, so it would work here; \
                    `relocate = \"any\"` says that this is enough";
        writeln!(anstream::stderr(), "lab: {file}: what passes here would fail outside lab\nhint: {hint}")?;
    }
    Ok(!printed.is_empty())
}

/// The configuration of a stack's proxy, if lab rewrites it.
fn rewritten_configuration(stack: &Stack) -> Option<&Path> {
    let proxy = stack.proxy.as_ref()?;
    let is_rewritten = proxy.kind.kind().run.as_ref().is_ok_and(|run| run.language == Language::Nginx);
    proxy.config.as_deref().filter(|_| is_rewritten)
}

/// The configuration of a stack's server, if it is Python's.
fn python_configuration(stack: &Stack) -> Option<&Path> {
    let config = stack.server.config.as_deref()?;
    config.extension().is_some_and(|extension| extension == "py").then_some(config)
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
