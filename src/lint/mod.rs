//! `lab lint`: finds common mistakes in configurations, rule by rule.
//!
//! It reads files and starts nothing. A finding names the rule, the location, the fault, the consequence and a fix.
//! nginx.conf is read with the proxy's parser, but directives that `lab proxy` does not support are accepted. Python
//! files are read by Python's own parser and never run ([`python`]).
//!
//! Rules avoid false alarms: a file that does what its author wants in an unusual way has no finding.

mod configuration;
mod deployment;
mod finding;
mod fix;
mod rule;
mod server_address;
mod spoofable_field;
mod upstream_elsewhere;

pub mod nginx;
pub mod python;

pub use configuration::{Configuration, python_not_read, read_configuration};
pub use deployment::{Deployment, deployment_findings};
pub use finding::{Edit, Finding, SourceLocation};
pub use fix::fixed;
pub use rule::{Rule, Severity};
pub use server_address::ServerAddress;
pub use spoofable_field::SpoofableField;
pub use upstream_elsewhere::{AddressInFile, all_upstreams_elsewhere, upstreams_elsewhere};

/// All rules, grouped by the kind of file that they apply to.
#[must_use]
pub fn rules() -> Vec<&'static Rule> {
    let of_several_files: &[&Rule] = &[&upstream_elsewhere::UPSTREAM_ELSEWHERE];
    [nginx::RULES, python::RULES, of_several_files, deployment::RULES, configuration::RULES].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rules_have_unique_names_and_complete_texts() {
        let names: BTreeSet<_> = rules().iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), rules().len());
        for rule in rules() {
            let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(rule.name.chars().all(is_allowed), "{}", rule.name);
            assert!(!rule.why.ends_with('.') && !rule.why.is_empty() && !rule.source.is_empty(), "{}", rule.name);
        }
    }
}
