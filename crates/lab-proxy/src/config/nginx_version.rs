//! The version of nginx whose defaults apply.

use std::fmt;
use std::str::FromStr;

use lab_nginx_conf::Directive;

/// A version of nginx, which decides the values of directives that a configuration does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NginxVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

/// Since this version connections to upstreams are kept: `proxy_http_version 1.1`, no `Connection` field, and `keepalive
/// 32` in `upstream`.
const KEEPS_UPSTREAM_CONNECTIONS: NginxVersion = NginxVersion::new(1, 29, 7);

/// Since this version the directive `http2` turns HTTP/2 on, and connections in the clear may begin with either version.
const HAS_HTTP2_DIRECTIVE: NginxVersion = NginxVersion::new(1, 25, 1);

impl NginxVersion {
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> NginxVersion {
        NginxVersion { major, minor, patch }
    }

    /// Whether connections to upstreams are kept unless the configuration says otherwise.
    #[must_use]
    pub fn keeps_upstream_connections(self) -> bool {
        self >= KEEPS_UPSTREAM_CONNECTIONS
    }

    /// Whether `http2` is a directive, and not only a parameter of `listen`.
    #[must_use]
    pub fn has_http2_directive(self) -> bool {
        self >= HAS_HTTP2_DIRECTIVE
    }

    /// The version whose behaviour a configuration gets: this one, or the first that knows its directives.
    pub(super) fn for_directives(self, tree: &[Directive]) -> NginxVersion {
        let has_http2 = lab_nginx_conf::walk(tree).any(|directive| directive.name == "http2");
        if has_http2 { self.max(HAS_HTTP2_DIRECTIVE) } else { self }
    }

    /// The defaults that depend on the version, in the words of a configuration.
    #[must_use]
    pub fn defaults(self) -> &'static str {
        match self.keeps_upstream_connections() {
            true => "proxy_http_version 1.1; proxy_set_header Connection \"\"; keepalive 32;",
            false => "proxy_http_version 1.0; proxy_set_header Connection close; keepalive 0;",
        }
    }
}

impl Default for NginxVersion {
    /// The version whose behaviour lab is compared with.
    fn default() -> NginxVersion {
        NginxVersion::new(1, 22, 1)
    }
}

impl FromStr for NginxVersion {
    type Err = String;

    /// Parses `1.22`, `1.22.1`, or `nginx/1.22.1`.
    fn from_str(text: &str) -> Result<NginxVersion, String> {
        let invalid = || format!("\"{text}\" is no version of nginx; accepted: a version such as 1.22.1 or 1.29.7");
        let mut numbers = [0; 3];
        let mut words = text.strip_prefix("nginx/").unwrap_or(text).split('.');
        for (index, number) in numbers.iter_mut().enumerate() {
            match words.next() {
                Some(word) => *number = word.parse().map_err(|_| invalid())?,
                None if index == 2 => {}
                None => return Err(invalid()),
            }
        }
        match words.next() {
            None => Ok(NginxVersion::new(numbers[0], numbers[1], numbers[2])),
            Some(_) => Err(invalid()),
        }
    }
}

impl fmt::Display for NginxVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed_and_compared() {
        for (text, keeps) in [("1.22", false), ("1.22.1", false), ("1.29.6", false), ("1.29.7", true), ("1.30", true)] {
            let version: NginxVersion = text.parse().unwrap();
            assert_eq!(version.keeps_upstream_connections(), keeps, "{text}");
        }
        for text in ["", "1", "1.x", "1.2.3.4", "1.-2", "latest"] {
            assert!(text.parse::<NginxVersion>().is_err(), "{text}");
        }
    }
}
