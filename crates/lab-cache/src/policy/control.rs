//! `Cache-Control` (RFC 9111 §5.2), of responses and of requests.

use lab_http::Headers;

/// Seconds beyond which a larger number makes no difference (RFC 9111 §1.2.2).
pub const MAX_DELTA: u32 = 1 << 31;

/// The fields that a `no-cache` or `private` concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FieldScope {
    #[default]
    Absent,
    /// The whole response.
    Whole,
    /// The named fields, in lower case.
    Fields(Vec<Vec<u8>>),
}

/// The directives of a response that concern a shared cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseControl {
    pub no_store: bool,
    pub no_cache: FieldScope,
    pub private: FieldScope,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    /// 0 if the value is invalid, as in all the following (RFC 9111 §4.2.1).
    pub max_age: Option<u32>,
    pub s_maxage: Option<u32>,
    pub stale_while_revalidate: Option<u32>,
    pub stale_if_error: Option<u32>,
}

/// The directives of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestControl {
    pub no_store: bool,
    pub no_cache: bool,
    pub only_if_cached: bool,
    pub max_age: Option<u32>,
    pub min_fresh: Option<u32>,
    /// How many seconds a response may be stale; [`MAX_DELTA`] for any number.
    pub max_stale: Option<u32>,
    /// How many seconds it may be stale if a new one cannot be had (RFC 5861 §4).
    pub stale_if_error: Option<u32>,
}

impl FieldScope {
    /// Adds a directive with this argument. The whole response prevails over single fields.
    pub(super) fn add(&mut self, argument: Option<&[u8]>) {
        let names = argument.map(|names| names.split(|&byte| byte == b',').map(<[u8]>::trim_ascii));
        let names: Vec<Vec<u8>> =
            names.into_iter().flatten().filter(|name| !name.is_empty()).map(<[u8]>::to_ascii_lowercase).collect();
        match self {
            FieldScope::Whole => {}
            _ if names.is_empty() => *self = FieldScope::Whole,
            FieldScope::Absent => *self = FieldScope::Fields(names),
            FieldScope::Fields(own) => own.extend(names),
        }
    }

    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == FieldScope::Whole
    }

    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        matches!(self, FieldScope::Fields(names) if names.iter().any(|own| own.eq_ignore_ascii_case(name)))
    }
}

impl ResponseControl {
    /// Reads all `Cache-Control` lines of a response.
    #[must_use]
    pub fn parse(fields: &Headers) -> ResponseControl {
        ResponseControl::from_lines(fields.get_all("cache-control"))
    }

    /// Reads lines of directives. Of a directive that occurs twice, the more restrictive value counts.
    pub fn from_lines<'a>(lines: impl Iterator<Item = &'a [u8]>) -> ResponseControl {
        let mut control = ResponseControl::default();
        for_each_directive(lines, |name, argument| match name {
            b"no-store" => control.no_store = true,
            b"no-cache" => control.no_cache.add(argument),
            b"private" => control.private.add(argument),
            b"public" => control.public = true,
            b"must-revalidate" => control.must_revalidate = true,
            b"proxy-revalidate" => control.proxy_revalidate = true,
            b"must-understand" => control.must_understand = true,
            b"max-age" => lower(&mut control.max_age, argument),
            b"s-maxage" => lower(&mut control.s_maxage, argument),
            b"stale-while-revalidate" => lower(&mut control.stale_while_revalidate, argument),
            b"stale-if-error" => lower(&mut control.stale_if_error, argument),
            _ => {}
        });
        control
    }
}

impl RequestControl {
    /// Reads `Cache-Control` of a request, or `Pragma` without one (RFC 9111 §5.4).
    #[must_use]
    pub fn parse(fields: &Headers) -> RequestControl {
        let mut control = RequestControl::default();
        if !fields.contains("cache-control") {
            control.no_cache = fields.list_contains("pragma", "no-cache");
            return control;
        }
        for_each_directive(fields.get_all("cache-control"), |name, argument| match name {
            b"no-store" => control.no_store = true,
            b"no-cache" => control.no_cache = true,
            b"only-if-cached" => control.only_if_cached = true,
            b"max-age" => lower(&mut control.max_age, argument),
            b"min-fresh" => {
                // an invalid one is ignored, for it would only make a response less fresh
                if let Some(seconds) = argument.and_then(delta) {
                    control.min_fresh = Some(control.min_fresh.map_or(seconds, |own| own.max(seconds)));
                }
            }
            b"max-stale" => {
                let seconds = argument.map_or(Some(MAX_DELTA), delta);
                if let Some(seconds) = seconds {
                    control.max_stale = Some(control.max_stale.map_or(seconds, |own| own.min(seconds)));
                }
            }
            b"stale-if-error" => lower(&mut control.stale_if_error, argument),
            _ => {}
        });
        control
    }
}

/// Keeps the lower of two values. An invalid one is 0.
fn lower(own: &mut Option<u32>, argument: Option<&[u8]>) {
    let seconds = argument.and_then(delta).unwrap_or(0);
    *own = Some(own.map_or(seconds, |own| own.min(seconds)));
}

/// A number of seconds (RFC 9111 §1.2.2). A number that is too large is [`MAX_DELTA`].
#[must_use]
pub fn delta(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number =
        text.iter().fold(0_u64, |number, digit| (number * 10 + u64::from(digit - b'0')).min(u64::from(MAX_DELTA)));
    u32::try_from(number).ok()
}

/// Calls `visit` with each directive, its name in lower case and its argument without quotes.
fn for_each_directive<'a>(lines: impl Iterator<Item = &'a [u8]>, mut visit: impl FnMut(&[u8], Option<&[u8]>)) {
    for line in lines {
        let mut rest = line;
        while !rest.is_empty() {
            let (directive, behind) = split_at_comma(rest);
            rest = behind;
            let directive = directive.trim_ascii();
            let (name, argument) = match directive.iter().position(|&byte| byte == b'=') {
                Some(equals) => (&directive[..equals], Some(&directive[equals + 1..])),
                None => (directive, None),
            };
            // a name with a space is not the directive that it resembles
            if !name.is_empty() {
                visit(&name.to_ascii_lowercase(), argument.map(unquote).as_deref());
            }
        }
    }
}

/// Splits at the first comma outside of quotes.
fn split_at_comma(text: &[u8]) -> (&[u8], &[u8]) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (position, &byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return (&text[..position], &text[position + 1..]),
            _ => {}
        }
    }
    (text, b"")
}

/// The text of a token or of a quoted string, which mean the same (RFC 9111 §5.2).
fn unquote(text: &[u8]) -> Vec<u8> {
    let Some(quoted) = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")) else { return text.to_vec() };
    let mut plain = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(lines: &[&str]) -> ResponseControl {
        ResponseControl::from_lines(lines.iter().map(|line| line.as_bytes()))
    }

    fn request(lines: &[(&str, &str)]) -> RequestControl {
        RequestControl::parse(&lines.iter().copied().collect())
    }

    #[test]
    fn ages_of_responses_in_all_forms() {
        for (line, expected) in [
            ("max-age=3600", Some(3600)),
            ("MaX-aGe=3600", Some(3600)),
            ("foobar, max-age=3600", Some(3600)),
            ("foo=\"max-age=1\", max-age=3600", Some(3600)),
            ("max-age=\"3600\"", Some(3600)),
            ("max-age=003600", Some(3600)),
            ("max-age=0", Some(0)),
            ("max-age=2147483647", Some(2_147_483_647)),
            ("max-age=2147483648", Some(MAX_DELTA)),
            ("max-age=99999999999999999999999", Some(MAX_DELTA)),
            ("max-age=-3600", Some(0)),
            ("max-age=3600.0", Some(0)),
            ("max-age=100a", Some(0)),
            ("max-age=a100", Some(0)),
            ("max-age='3600'", Some(0)),
            ("max-age= 3600", Some(0)),
            ("max-age=", Some(0)),
            ("max-age", Some(0)),
            ("max-age =3600", None),
            ("max-age:3600", None),
            ("x-max-age=3600", None),
            ("max-age=3600, max-age=1", Some(1)),
            ("max-age=1, max-age=3600", Some(1)),
            ("", None),
            (",,max-age=5,", Some(5)),
        ] {
            assert_eq!(response(&[line]).max_age, expected, "{line}");
        }
        assert_eq!(response(&["max-age=3600", "max-age=1"]).max_age, Some(1));
        assert_eq!(response(&["s-maxage=7, max-age=1"]).s_maxage, Some(7));
    }

    #[test]
    fn other_directives_of_responses() {
        let expected = ResponseControl {
            no_store: true,
            public: true,
            must_revalidate: true,
            proxy_revalidate: true,
            must_understand: true,
            stale_while_revalidate: Some(3),
            stale_if_error: Some(0),
            ..ResponseControl::default()
        };
        let line = "NO-STORE,public , must-revalidate, proxy-revalidate=x, must-understand, stale-while-revalidate=3";
        assert_eq!(response(&[line, "stale-if-error=soon"]), expected);
        assert_eq!(response(&["foo=\"no-store, public\""]), ResponseControl::default());
    }

    #[test]
    fn fields_of_no_cache_and_private() {
        let scope = |line: &str| response(&[line]).no_cache;
        let fields = |names: &[&str]| FieldScope::Fields(names.iter().map(|name| name.as_bytes().to_vec()).collect());
        assert_eq!(scope("no-cache"), FieldScope::Whole);
        assert_eq!(scope("no-cache=\"Set-Cookie, A\""), fields(&["set-cookie", "a"]));
        assert_eq!(scope("no-cache=a"), fields(&["a"]));
        assert_eq!(scope("no-cache=\"\""), FieldScope::Whole);
        assert_eq!(scope("no-cache=a, no-cache"), FieldScope::Whole);
        assert_eq!(scope("no-cache=a, no-cache=b"), fields(&["a", "b"]));
        assert_eq!(scope("public"), FieldScope::Absent);
        assert!(response(&["private=\"X-A\""]).private.contains(b"x-a"));
        assert!(!response(&["private"]).private.contains(b"x-a"));
    }

    #[test]
    fn directives_of_requests() {
        let with = |value| request(&[("Cache-Control", value)]);
        let nothing = RequestControl::default();
        for (value, expected) in [
            ("no-store", RequestControl { no_store: true, ..nothing.clone() }),
            ("no-cache=x", RequestControl { no_cache: true, ..nothing.clone() }),
            ("only-if-cached", RequestControl { only_if_cached: true, ..nothing.clone() }),
            ("max-age=5", RequestControl { max_age: Some(5), ..nothing.clone() }),
            ("max-age=x", RequestControl { max_age: Some(0), ..nothing.clone() }),
            ("min-fresh=5", RequestControl { min_fresh: Some(5), ..nothing.clone() }),
            ("min-fresh=x", nothing.clone()),
            ("max-stale", RequestControl { max_stale: Some(MAX_DELTA), ..nothing.clone() }),
            ("max-stale=9", RequestControl { max_stale: Some(9), ..nothing.clone() }),
            ("max-stale=x", nothing.clone()),
            ("stale-if-error=7, stale-if-error=9", RequestControl { stale_if_error: Some(7), ..nothing.clone() }),
            ("stale-if-error=x", RequestControl { stale_if_error: Some(0), ..nothing.clone() }),
        ] {
            assert_eq!(with(value), expected, "{value}");
        }
        assert!(request(&[("Pragma", "foo, No-Cache")]).no_cache);
        assert_eq!(request(&[("Pragma", "no-cache"), ("Cache-Control", "max-age=5")]).max_age, Some(5));
        assert!(!request(&[("Pragma", "no-cache"), ("Cache-Control", "foo")]).no_cache);
    }
}
