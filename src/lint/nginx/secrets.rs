//! Secrets that a configuration sends.

use super::scope::{Block, argument_location};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const SECRET_IN_CONFIGURATION: Rule = Rule {
    name: "secret-in-configuration",
    severity: Severity::Warning,
    why: "everybody who can read the repository or the file has it, and it stays in the history after it is removed",
    source: "CWE-798; OWASP, Secrets Management",
};

/// Fields whose value is a secret.
const SECRET_FIELDS: [&str; 4] = ["Authorization", "Proxy-Authorization", "X-Api-Key", "X-Auth-Token"];

pub(super) fn check(block: &Block, findings: &mut Vec<Finding>) {
    for setting in block.named("proxy_set_header") {
        let [name, value, ..] = setting.args.as_slice() else { continue };
        let is_secret = SECRET_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(&name.value));
        if is_secret && !value.value.is_empty() && !value.value.contains('$') {
            findings.push(Finding::new(
                &SECRET_IN_CONFIGURATION,
                argument_location(setting, value),
                format!("the value of {} is in the file", name.value),
                "an include of a file outside the repository that only root can read",
            ));
        }
    }
}
