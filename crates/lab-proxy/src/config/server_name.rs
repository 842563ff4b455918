//! `server_name`: exact names, wildcards and regular expressions, in nginx's order of precedence.

use std::collections::HashMap;

use crate::config::reader::ConfigReader;
use crate::variables::VariableValues;
use crate::variables::pattern::Pattern;
use lab_nginx_conf::{ConfError, Directive};

/// One name of a server, in lower case.
#[derive(Debug, Clone)]
pub enum ServerName {
    /// `www.example.org`. `""` matches a request without a host.
    Exact(String),
    /// `*.example.org`: any name with this end, which is kept with its leading dot.
    LeadingWildcard(String),
    /// `.example.org`: the name itself, and any name below it.
    LeadingDot(String),
    /// `www.example.*`: any name with this start, which is kept with its final dot.
    TrailingWildcard(String),
    /// `~^www\d+\.example\.org$`
    Regex(Pattern),
}

impl ServerName {
    /// Reads one argument of `server_name`. `$hostname` is the name of this machine.
    pub(crate) fn read(directive: &Directive, text: &str, reader: &ConfigReader<'_>) -> Result<ServerName, ConfError> {
        const ACCEPTED: &str =
            "names such as example.org, *.example.org, .example.org, www.example.*, ~REGEX, and $hostname";
        if text == "~" {
            return Err(directive.invalid(text, ACCEPTED));
        }
        if let Some(pattern) = text.strip_prefix('~') {
            // as in nginx: hosts are lower-case, so the case of the pattern does not matter
            return reader.pattern(directive, pattern, true).map(ServerName::Regex);
        }
        if text == "$hostname" {
            return Ok(ServerName::Exact(hostname().to_owned()));
        }
        let name = text.to_ascii_lowercase();
        let (kind, rest): (fn(String) -> ServerName, &str) = if let Some(rest) = name.strip_prefix("*.") {
            (|rest| ServerName::LeadingWildcard(format!(".{rest}")), rest)
        } else if let Some(rest) = name.strip_prefix('.') {
            (ServerName::LeadingDot, rest)
        } else if let Some(rest) = name.strip_suffix(".*") {
            (|rest| ServerName::TrailingWildcard(format!("{rest}.")), rest)
        } else {
            return if name.contains('*') {
                Err(directive.invalid(text, ACCEPTED))
            } else {
                Ok(ServerName::Exact(name))
            };
        };
        if rest.is_empty() || rest.contains('*') || rest.starts_with('.') {
            return Err(directive.invalid(text, ACCEPTED));
        }
        Ok(kind(rest.to_owned()))
    }

    /// `$server_name` of a server whose first name this is. As in nginx, without a leading dot.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            ServerName::Exact(name) => name.clone(),
            ServerName::LeadingWildcard(tail) => format!("*{tail}"),
            ServerName::LeadingDot(name) => name.clone(),
            ServerName::TrailingWildcard(head) => format!("{head}*"),
            ServerName::Regex(pattern) => format!("~{}", pattern.as_str()),
        }
    }
}

/// The names of all servers of one address.
///
/// nginx's order: the exact name, the longest wildcard at the front, the longest wildcard at the end, the first regular
/// expression. If two servers have the same name, the first one gets it.
#[derive(Debug, Default)]
pub struct ServerNameIndex {
    /// The server with the name `""`, apart because most configurations have no other names.
    nameless: Option<usize>,
    exact: HashMap<Vec<u8>, usize>,
    /// Ends of names, with a leading dot, longest first.
    tails: Vec<(String, usize)>,
    /// Starts of names, with a final dot, longest first.
    heads: Vec<(String, usize)>,
    patterns: Vec<(Pattern, usize)>,
}

/// The name of this machine, in lower case.
pub(crate) fn hostname() -> &'static str {
    static NAME: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    NAME.get_or_init(|| rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase())
}

impl ServerNameIndex {
    /// The server of requests without a host: the first with the name `""`, which is also the name of a server without
    /// one.
    #[must_use]
    pub fn nameless(&self) -> Option<usize> {
        self.nameless
    }

    /// The server with this host among its names. The host is lower-case and has no port. The captures of a regular
    /// expression are kept in `values`.
    #[must_use]
    pub fn find(&self, host: &[u8], values: &VariableValues) -> Option<usize> {
        let longer = |pattern: &str| host.len() > pattern.len();
        let tail = || self.tails.iter().find(|(tail, _)| longer(tail) && host.ends_with(tail.as_bytes()));
        let head = || self.heads.iter().find(|(head, _)| longer(head) && host.starts_with(head.as_bytes()));
        let pattern = || self.patterns.iter().find(|(pattern, _)| pattern.matches(host, values));
        let exact = match host {
            [] => self.nameless,
            // hashing costs time
            _ if self.exact.is_empty() => None,
            _ => self.exact.get(host).copied(),
        };
        exact
            .or_else(|| tail().or_else(head).map(|(_, server)| *server))
            .or_else(|| pattern().map(|(_, server)| *server))
    }
}

impl<'a> FromIterator<(&'a ServerName, usize)> for ServerNameIndex {
    fn from_iter<I: IntoIterator<Item = (&'a ServerName, usize)>>(names: I) -> ServerNameIndex {
        let mut index = ServerNameIndex::default();
        for (name, server) in names {
            match name {
                ServerName::Exact(name) if name.is_empty() => _ = index.nameless.get_or_insert(server),
                ServerName::Exact(name) => {
                    index.exact.entry(name.clone().into_bytes()).or_insert(server);
                }
                ServerName::LeadingWildcard(tail) => index.tails.push((tail.clone(), server)),
                ServerName::LeadingDot(name) => {
                    index.exact.entry(name.clone().into_bytes()).or_insert(server);
                    index.tails.push((format!(".{name}"), server));
                }
                ServerName::TrailingWildcard(head) => index.heads.push((head.clone(), server)),
                ServerName::Regex(pattern) => index.patterns.push((pattern.clone(), server)),
            }
        }
        // stable sorts: the first of two equal names stays first
        index.tails.sort_by_key(|(tail, _)| std::cmp::Reverse(tail.len()));
        index.heads.sort_by_key(|(head, _)| std::cmp::Reverse(head.len()));
        index
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn names(text: &str) -> Result<Vec<ServerName>, String> {
        let tree = lab_nginx_conf::parse(&format!("server_name {text};"), Path::new("c")).unwrap();
        let reader = ConfigReader::new(Path::new(""));
        let read = |arg: &lab_nginx_conf::Arg| ServerName::read(&tree[0], &arg.value, &reader);
        tree[0].args.iter().map(read).collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    fn find(index: &ServerNameIndex, host: &str) -> Option<usize> {
        index.find(host.as_bytes(), &VariableValues::default())
    }

    #[test]
    fn most_specific_name_wins() {
        let listed = names(
            "www.example.* *.example.org *.a.example.org .b.org Exact.example.org mail.* \
                            ~^[a-z]$ ~^.$",
        )
        .unwrap();
        let index: ServerNameIndex = listed.iter().zip(0..).collect();
        for (host, expected) in [
            ("exact.example.org", Some(4)),
            ("x.a.example.org", Some(2)),
            ("a.example.org", Some(1)),
            ("www.example.org", Some(1)),
            ("www.example.com", Some(0)),
            ("example.org", None),
            ("b.org", Some(3)),
            ("c.b.org", Some(3)),
            ("cb.org", None),
            ("mail.", None),
            ("mail.net", Some(5)),
            ("x", Some(6)),
            ("0", Some(7)),
        ] {
            assert_eq!(find(&index, host), expected, "{host}");
        }
    }

    #[test]
    fn first_of_equal_names_wins() {
        let listed = names("a.org *.b.org").unwrap();
        let index: ServerNameIndex = listed.iter().zip([7, 7]).chain(listed.iter().zip([8, 8])).collect();
        assert_eq!((find(&index, "a.org"), find(&index, "x.b.org")), (Some(7), Some(7)));
    }

    #[test]
    fn malformed_names_are_refused() {
        for text in ["a.*.b", "*a.org", "*.", ".", "~(a", "~", "*..a", "*.*"] {
            assert!(names(text).is_err(), "{text}");
        }
    }
}
