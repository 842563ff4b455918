//! What gunicorn ignores in its configuration without a word.

use std::path::Path;

use lab_serve::settings::lookup::{all, lookup};
use lab_serve::settings::resolve::similar;

use super::module::{NamedPlace, PythonModule};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const SETTING_IGNORED: Rule = Rule {
    name: "setting-ignored",
    severity: Severity::Warning,
    why: "gunicorn ignores names that are no settings, so the setting that is meant keeps its default",
    source: "gunicorn, Configuration File: the settings by their names",
};

pub(super) const UNKNOWN_LOG_LEVEL: Rule = Rule {
    name: "unknown-log-level",
    severity: Severity::Warning,
    why: "gunicorn logs as with info if it does not know the level",
    source: "gunicorn, loglevel: debug, info, warning, error, critical",
};

const LOG_LEVELS: [&str; 5] = ["debug", "info", "warning", "error", "critical"];
/// A file with fewer settings may be anything.
const LEAST_SETTINGS: usize = 2;

pub(super) fn check(file: &Path, module: &PythonModule, findings: &mut Vec<Finding>) {
    let settings = module.assignments.iter().filter(|assignment| lookup(&assignment.name).is_some()).count();
    if settings + module.annotations.iter().filter(|own| lookup(&own.name).is_some()).count() < LEAST_SETTINGS {
        return;
    }
    for NamedPlace { name, position } in &module.annotations {
        if lookup(name).is_some() && module.assignment(name).is_none() {
            let message = format!("this annotates {name}, and sets nothing");
            findings.push(Finding::new(&SETTING_IGNORED, position.in_file(file), message, format!("{name} = …")));
        }
    }
    let assigned = module.assignments.iter().map(|assignment| (&assignment.name, &assignment.position));
    let functions = module.functions.iter().map(|function| (&function.name, &function.position));
    for (name, position) in assigned.chain(functions).filter(|(name, _)| !module.reads.contains(name)) {
        if let Some(meant) = meant_setting(name) {
            let message = format!("{name} is no setting of gunicorn");
            findings.push(Finding::new(&SETTING_IGNORED, position.in_file(file), message, format!("{meant} = …")));
        }
    }
    if let Some(level) = module.assignment("loglevel")
        && let Some(value) = level.value.as_deref()
        && !LOG_LEVELS.contains(&value.to_lowercase().as_str())
    {
        let message = format!("there is no level {value}");
        let fix = match value.to_lowercase().as_str() {
            "warn" => "loglevel = \"warning\"".to_owned(),
            _ => format!("loglevel = one of {}", LOG_LEVELS.join(", ")),
        };
        findings.push(Finding::new(&UNKNOWN_LOG_LEVEL, level.position.in_file(file), message, fix));
    }
}

/// The setting that a name is meant for, if it is none: the one with such a flag (`log_level`, as in `--log-level`), or with a
/// similar name.
fn meant_setting(name: &str) -> Option<&'static str> {
    if lookup(name).is_some() {
        return None;
    }
    let flag = format!("--{}", name.replace('_', "-"));
    let with_flag = all().find(|setting| setting.flags.contains(&flag.as_str()));
    with_flag.map(|setting| setting.name).or_else(|| similar(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meant_settings_have_the_flag_or_a_similar_name() {
        for (name, meant) in [
            ("log_level", Some("loglevel")),
            ("access_logfile", Some("accesslog")),
            ("preload", Some("preload_app")),
            ("keepallive", Some("keepalive")),
            ("max_request", Some("max_requests")),
            ("workers", None),
            ("limit_conn", None),
            ("cpu_count", None),
            ("host", None),
        ] {
            assert_eq!(meant_setting(name), meant, "{name}");
        }
    }
}
