//! `proxy_set_header`, and sets of field names.

use crate::config::nginx_version::NginxVersion;
use crate::variables::{DefinedVariables, Template};

/// The fields that replace those of the client, with nginx's defaults.
#[derive(Debug, Clone)]
pub struct SetFields {
    /// Names and values in the order they are written: the file's, then the defaults. A line whose value is empty is
    /// left out, unless it is the Host of an HTTP/1.1 request.
    pub lines: Vec<(String, Template)>,
    /// Fields of the client that are not passed on: those above, and those of a single hop.
    pub replaced: FieldNames,
    /// How many of the lines precede the framing: those in front of a `Content-Length` of the file, or all.
    pub before_framing: usize,
    /// `Content-Length 0`, for requests whose body is not passed on.
    pub announces_empty_body: bool,
}

/// Whether it is the line that announces an empty body.
pub(crate) fn is_empty_length(name: &str, value: &str) -> bool {
    name.eq_ignore_ascii_case("Content-Length") && value == "0"
}

impl SetFields {
    /// Adds the defaults of a version of nginx: `Host: $proxy_host`, and `Connection: close` unless connections are kept.
    #[must_use]
    pub fn new(mut lines: Vec<(String, Template)>, version: NginxVersion) -> SetFields {
        let connection = if version.keeps_upstream_connections() { "" } else { "close" };
        for (name, value) in [("Host", "$proxy_host"), ("Connection", connection)] {
            if !lines.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
                // OK because the constants name only variables that exist
                lines.push((
                    name.to_owned(),
                    Template::compile(value, &DefinedVariables::default()).expect("a default is a template"),
                ));
            }
        }
        let own = lines.iter().map(|(name, _)| name.as_str());
        let replaced = own.chain(HOP_BY_HOP).chain(FRAMING).collect();
        let is_framing =
            |name: &str| ["Content-Length", "Transfer-Encoding"].iter().any(|own| name.eq_ignore_ascii_case(own));
        let framing = lines.iter().position(|(name, value)| is_framing(name) && value.constant() != Some(b""));
        let announces_empty_body = framing.is_some_and(|position| lines[position].1.constant() == Some(b"0"));
        let in_front = &lines[..framing.unwrap_or(lines.len())];
        let before_framing = in_front.iter().filter(|(name, _)| !is_framing(name)).count();
        lines.retain(|(name, _)| !is_framing(name));
        SetFields { lines, replaced, before_framing, announces_empty_body }
    }

    /// Whether every request has `Connection: close`.
    #[must_use]
    pub fn always_closes(&self) -> bool {
        let connection = self.lines.iter().find(|(name, _)| name.eq_ignore_ascii_case("connection"));
        connection.and_then(|(_, value)| value.constant()).is_some_and(|value| value.eq_ignore_ascii_case(b"close"))
    }
}

/// Fields that belong to a single hop, regardless of Connection (RFC 9110 §7.6.1; HTTP2-Settings by RFC 7540 §3.2.1).
pub(crate) const HOP_BY_HOP: [&str; 8] =
    ["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings"];

/// Fields that the proxy writes itself, by what the body and the client need.
const FRAMING: [&str; 3] = ["Content-Length", "Expect", "Max-Forwards"];

/// A set of field names. Case does not matter.
#[derive(Debug, Clone, Default)]
pub struct FieldNames {
    /// Lower-case names by length; the last bucket has all longer ones.
    by_length: [Vec<Box<[u8]>>; 32],
    /// The first letters of each bucket's names, one bit each. Most names that are not in the set end here.
    first_letters: [u32; 32],
}

impl FieldNames {
    pub fn insert(&mut self, name: &str) {
        if !self.contains(name.as_bytes()) {
            let bucket = name.len().min(31);
            self.first_letters[bucket] |= first_letter(name.as_bytes());
            self.by_length[bucket].push(name.to_ascii_lowercase().into_bytes().into());
        }
    }

    #[must_use]
    #[inline]
    pub fn contains(&self, name: &[u8]) -> bool {
        let bucket = name.len().min(31);
        self.first_letters[bucket] & first_letter(name) != 0
            && self.by_length[bucket].iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// The bit of a name's first letter. Both cases of a letter share their lowest five bits; other bytes share some letter's.
#[inline]
fn first_letter(name: &[u8]) -> u32 {
    name.first().map_or(0, |first| 1 << (first & 31))
}

impl<'a> FromIterator<&'a str> for FieldNames {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> FieldNames {
        let mut set = FieldNames::default();
        names.into_iter().for_each(|name| set.insert(name));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_any_case() {
        let long = "X-A-Very-Long-Name-That-Nobody-Would-Ever-Give-To-A-Field";
        let set: FieldNames = ["TE", "Keep-Alive", long].into_iter().collect();
        for (name, expected) in [("te", true), ("KEEP-ALIVE", true), (long, true), ("T", false), ("", false)] {
            assert_eq!(set.contains(name.as_bytes()), expected, "{name}");
        }
        assert!(!set.contains(&[b'x'; 57]));
    }

    #[test]
    fn defaults_follow_and_yield_to_the_file() {
        let line = |name: &str, value: &str| {
            (name.to_owned(), Template::compile(value, &DefinedVariables::default()).unwrap())
        };
        let set = SetFields::new(vec![line("X-A", "1"), line("connection", "")], NginxVersion::default());
        let names: Vec<&str> = set.lines.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["X-A", "connection", "Host"]);
        assert!(!set.always_closes());
        assert!(SetFields::new(Vec::new(), NginxVersion::default()).always_closes());
        assert!(!SetFields::new(Vec::new(), "1.29.7".parse().unwrap()).always_closes());
    }
}
