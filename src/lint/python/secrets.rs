//! Secrets in Python files.

use std::path::Path;

use super::module::PythonModule;
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const SECRET_IN_CODE: Rule = Rule {
    name: "secret-in-code",
    severity: Severity::Warning,
    why: "everybody who can read the repository has it, and can forge sessions or use the account; it stays in the history after it is removed",
    source: "CWE-798; Flask, SECRET_KEY: do not reveal it when committing code; Django, Deployment checklist",
};

/// Ends of names whose values are secrets.
const SECRET_NAMES: [&str; 6] = ["SECRET_KEY", "SECRET", "PASSWORD", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY"];
/// A shorter text is no secret.
const LEAST_LENGTH: usize = 4;

pub(super) fn check(file: &Path, module: &PythonModule, findings: &mut Vec<Finding>) {
    for assignment in module.assignments.iter().chain(&module.settings) {
        let Some(value) = assignment.value.as_deref() else { continue };
        let variables = match assignment.name.as_str() {
            "raw_env" => value.split(',').filter_map(|variable| variable.split_once('=')).collect(),
            name => vec![(name, value)],
        };
        for (name, value) in variables {
            if is_secret_name(name) && value.len() >= LEAST_LENGTH && !["None", "True", "False"].contains(&value) {
                let message = format!("the value of {name} is in the file");
                let fix = format!("os.environ[\"{}\"], set where the server starts", name.to_ascii_uppercase());
                findings.push(Finding::new(&SECRET_IN_CODE, assignment.position.in_file(file), message, fix));
            }
        }
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_NAMES
        .iter()
        .any(|secret| name.strip_suffix(secret).is_some_and(|start| start.is_empty() || start.ends_with('_')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for (name, expected) in [
            ("SECRET_KEY", true),
            ("secret_key", true),
            ("DB_PASSWORD", true),
            ("STRIPE_API_KEY", true),
            ("SECRET_KEY_FALLBACKS", false),
            ("PASSWORD_HASHERS", false),
            ("AUTH_PASSWORD_VALIDATORS", false),
            ("NOTASECRET", false),
        ] {
            assert_eq!(is_secret_name(name), expected, "{name}");
        }
    }
}
