//! Settings for development that do not belong on a server.

use std::path::Path;

use super::module::{Assignment, PythonModule};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const RELOAD: Rule = Rule {
    name: "reload",
    severity: Severity::Warning,
    why: "a file that changes during a deployment restarts workers in the middle of it, and watching costs CPU time",
    source: "gunicorn, reload: intended for development",
};

pub(super) const DEBUG: Rule = Rule {
    name: "debug",
    severity: Severity::Error,
    why: "error pages show source code and settings to every client; Werkzeug's debugger runs code that a client sends",
    source: "Flask, Debug Mode; Django, DEBUG: never deploy with DEBUG turned on",
};

pub(super) fn check(file: &Path, module: &PythonModule, findings: &mut Vec<Finding>) {
    let is_on = |assignment: &&Assignment| assignment.value.as_deref() == Some("True");
    for assignment in module.assignments.iter().filter(is_on) {
        match assignment.name.as_str() {
            "reload" => {
                let message = "workers restart when a file changes";
                let finding = Finding::new(&RELOAD, assignment.position.in_file(file), message, "reload = False");
                let span = assignment.position.span.clone();
                findings.push(finding.with_edit(span, "reload = False"));
            }
            "DEBUG" if is_settings_module(module) => {
                let fix = "DEBUG = False, or a setting from the environment that is off by default";
                findings.push(Finding::new(&DEBUG, assignment.position.in_file(file), "DEBUG is on", fix));
            }
            _ => {}
        }
    }
    for setting in
        module.settings.iter().filter(is_on).filter(|setting| ["DEBUG", "debug"].contains(&setting.name.as_str()))
    {
        let fix = "leave it out; flask run --debug turns it on for development";
        findings.push(Finding::new(&DEBUG, setting.position.in_file(file), "the application's debug mode is on", fix));
    }
    // Below the guard, it runs for the developer who starts the file.
    for call in module.calls.iter().filter(|call| call.name == "run" && !call.is_main) {
        if call.keywords.get("debug").and_then(Option::as_deref) == Some("True") {
            let fix = "move it below if __name__ == \"__main__\"";
            let message = "the development server starts with its debugger when the file is imported";
            findings.push(Finding::new(&DEBUG, call.position.in_file(file), message, fix));
        }
    }
}

/// Whether the module is the settings of a Django project.
fn is_settings_module(module: &PythonModule) -> bool {
    ["INSTALLED_APPS", "ROOT_URLCONF", "MIDDLEWARE"].iter().any(|name| module.assignment(name).is_some())
}
