//! The rules of all directives that are accepted.

use crate::directives::{DirectiveRule, RULES};
use crate::no_effect::NO_EFFECT;
use crate::tls_directives::TLS_RULES;

/// All rules: those of directives with an effect, then those without.
pub(crate) fn rules() -> impl Iterator<Item = &'static DirectiveRule> {
    RULES.iter().chain(TLS_RULES).chain(NO_EFFECT.iter().map(|row| &row.rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_configuration_has_every_directive() {
        const PARTS: [&str; 2] = [
            include_str!("../../../tests/it/proxy/good/everything.conf"),
            include_str!("../../../tests/it/proxy/good/parts/upstreams.inc"),
        ];
        let words: Vec<&str> = PARTS.iter().flat_map(|part| part.split([' ', '\n', ';'])).collect();
        // a module is a file that nginx would have to find, and some directives are lab's own or of such a module
        let is_elsewhere = |name: &str| {
            const OWN: [&str; 3] = ["_cache_rfc", "_cache_status", "_cache_targeted_fields"];
            matches!(name, "load_module" | "ignore_bare_lf")
                || name.starts_with("brotli")
                || name.starts_with("zstd")
                || name.ends_with("_cache_purge")
                || OWN.iter().any(|own| name.ends_with(own))
        };
        let is_there = |name: &&str| words.contains(name) || is_elsewhere(name);
        let missing: Vec<&str> = rules().map(|rule| rule.name).filter(|name| !is_there(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
