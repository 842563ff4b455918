//! The compatibility table: which directives of nginx are supported.

use crate::context::Context;
use crate::no_effect;
use crate::rules::rules;
use crate::unsupported::REFUSED;

/// The support for one directive of nginx, or for all directives with a common prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compatibility {
    /// The name, or a prefix followed by `*`.
    pub directive: String,
    /// Empty for a directive that is refused.
    pub contexts: Vec<Context>,
    pub support: Support,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It works as in nginx, except for the differences that the proxy lists.
    Supported,
    /// Its values are validated, but have no effect.
    NoEffect { reason: &'static str },
    /// It is refused by name.
    Refused {
        /// What to use instead, as a sentence.
        reason: &'static str,
    },
}

/// Directives whose values have no effect.
const NO_EFFECT: &[(&str, &str)] = &[
    ("user", "Workers are threads of one process and keep its user. Temporary folders get the user as their owner."),
    ("pcre_jit", "Regular expressions are compiled by a different library."),
    ("use", "epoll is the only event method."),
    ("multi_accept", CONNECTIONS),
    ("accept_mutex", CONNECTIONS),
    ("tcp_nopush", "A head always shares its segment with the start of its body."),
    ("map_hash_max_size", TABLES),
    ("map_hash_bucket_size", TABLES),
    ("server_names_hash_max_size", TABLES),
    ("server_names_hash_bucket_size", TABLES),
    ("types_hash_max_size", TABLES),
    ("types_hash_bucket_size", TABLES),
    ("variables_hash_max_size", TABLES),
    ("variables_hash_bucket_size", TABLES),
    ("proxy_headers_hash_max_size", TABLES),
    ("proxy_headers_hash_bucket_size", TABLES),
    ("proxy_busy_buffers_size", BUFFERS),
    ("proxy_temp_file_write_size", BUFFERS),
    ("uwsgi_busy_buffers_size", BUFFERS),
    ("uwsgi_temp_file_write_size", BUFFERS),
    ("mp4", no_effect::VIDEOS),
    ("flv", no_effect::VIDEOS),
];
const CONNECTIONS: &str = "The runtime decides how connections are accepted.";
const TABLES: &str = "Hash tables size themselves.";
const BUFFERS: &str = "Buffers have no fixed parts. Use proxy_buffers and proxy_max_temp_file_size to limit them.";

/// One row for each directive of nginx that lab knows: the supported ones in the order of nginx's documentation, then
/// the refused ones by reason.
pub fn compatibility() -> impl Iterator<Item = Compatibility> {
    let is_first = |index: usize, name: &str| rules().position(|rule| rule.name == name) == Some(index);
    let supported = rules().enumerate().filter(move |(index, rule)| is_first(*index, rule.name)).map(|(_, rule)| {
        let mut contexts: Vec<Context> = Vec::new();
        for context in rules().filter(|other| other.name == rule.name).flat_map(|other| other.contexts) {
            if !contexts.contains(context) {
                contexts.push(*context);
            }
        }
        let own = NO_EFFECT.iter().map(|(name, reason)| (*name, *reason));
        let tuning = no_effect::NO_EFFECT.iter().map(|row| (row.rule.name, row.reason));
        let reason = own.chain(tuning).find(|(name, _)| *name == rule.name).map(|(_, reason)| reason);
        let support = reason.map_or(Support::Supported, |reason| Support::NoEffect { reason });
        Compatibility { directive: rule.name.to_owned(), contexts, support }
    });
    let gateways = no_effect::GATEWAYS.iter().map(|(prefix, reason)| Compatibility {
        directive: format!("{prefix}*"),
        contexts: vec![Context::Http, Context::Server, Context::Location],
        support: Support::NoEffect { reason },
    });
    let include =
        Compatibility { directive: "include".to_owned(), contexts: Context::ALL.to_vec(), support: Support::Supported };
    let refused = REFUSED.iter().flat_map(|group| {
        let names = group.names.iter().map(|name| (*name).to_owned());
        let directives = names.chain(group.prefixes.iter().map(|prefix| format!("{prefix}*")));
        directives.map(|directive| Compatibility {
            directive,
            contexts: Vec::new(),
            support: Support::Refused { reason: group.reason },
        })
    });
    supported.chain(gateways).chain([include]).chain(refused)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_directive_has_one_row() {
        let rows: Vec<Compatibility> = compatibility().collect();
        let names: BTreeSet<&str> = rows.iter().map(|row| row.directive.as_str()).collect();
        assert_eq!(names.len(), rows.len());
        assert!(NO_EFFECT.iter().all(|(name, _)| rules().any(|rule| rule.name == *name)));
        for row in &rows {
            let is_refused = matches!(row.support, Support::Refused { .. });
            assert_eq!(row.contexts.is_empty(), is_refused, "{}", row.directive);
        }
    }

    #[test]
    fn rules_of_one_directive_are_merged() {
        let server = compatibility().find(|row| row.directive == "server").unwrap();
        assert_eq!(server.contexts, [Context::Upstream, Context::Http]);
    }
}
