//! Looks up fields, arguments, cookies and credentials by name.

use lab_http::Headers;

/// Fields whose lines nginx joins, each with its separator. Of any other field, the first line counts.
type Joined = [(&'static [u8], &'static [u8])];

pub(super) const JOINED_REQUEST_FIELDS: &Joined = &[(b"cookie", b"; "), (b"x_forwarded_for", b", "), (b"via", b", ")];
pub(super) const JOINED_RESPONSE_FIELDS: &Joined = &[(b"cache_control", b", "), (b"link", b", ")];

/// Appends a field by the name of its variable, in which dashes are underscores. False if there is none.
pub(super) fn write_field<'h>(
    lines: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    name: &str,
    joined: &Joined,
    out: &mut Vec<u8>,
) -> bool {
    let name = name.as_bytes();
    let is_same = |byte: (&u8, &u8)| byte.0.eq_ignore_ascii_case(byte.1) || (*byte.0 == b'-' && *byte.1 == b'_');
    let mut values =
        lines.filter(|(own, _)| own.len() == name.len() && own.iter().zip(name).all(is_same)).map(|(_, value)| value);
    let Some(first) = values.next() else { return false };
    out.extend_from_slice(first);
    let joint = joined.iter().find(|(own, _)| *own == name);
    if let Some((_, joint)) = joint {
        for value in values {
            out.extend_from_slice(joint);
            out.extend_from_slice(value);
        }
    }
    true
}

/// The fields of a serialised head.
pub(super) fn lines(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|&byte| byte == b'\n').skip(1).filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr::memchr(b':', line)?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// The value of an argument, not decoded. If there are several, the first counts.
pub(super) fn argument<'a>(args: &'a [u8], name: &str) -> Option<&'a [u8]> {
    args.split(|&byte| byte == b'&').find_map(|argument| {
        let (own, rest) = argument.split_at_checked(name.len())?;
        if own.eq_ignore_ascii_case(name.as_bytes()) { rest.strip_prefix(b"=") } else { None }
    })
}

/// The value of a cookie. As in nginx, case does not matter in names, nor does white space around `=`.
pub(super) fn cookie<'h>(headers: &'h Headers, name: &str) -> Option<&'h [u8]> {
    headers.get_all("cookie").flat_map(|line| line.split(|byte| matches!(byte, b';'))).find_map(|pair| {
        let pair = pair.trim_ascii_start();
        let (own, rest) = pair.split_at_checked(name.len())?;
        if !own.eq_ignore_ascii_case(name.as_bytes()) {
            return None;
        }
        rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii_start)
    })
}

/// The value of a cookie in the `Set-Cookie` fields of a response. As in nginx, case does not matter in names, and spaces
/// around `=` are left out.
pub(super) fn set_cookie<'h>(headers: &'h Headers, name: &str) -> Option<&'h [u8]> {
    let trim_start = |text: &'h [u8]| {
        let start = text.iter().position(|byte| *byte != b' ').unwrap_or(text.len());
        &text[start..]
    };
    headers.get_all("set-cookie").find_map(|line| {
        let pair = line.split(|&byte| byte == b';').next()?;
        let (own, rest) = pair.split_at_checked(name.len())?;
        let rest = trim_start(rest).strip_prefix(b"=").filter(|_| own.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(trim_start(rest))
    })
}

/// The user name of `Basic` credentials (RFC 7617).
pub(super) fn basic_user(authorization: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let (scheme, credentials) = authorization.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let mut decoded = base64::engine::general_purpose::STANDARD.decode(credentials.trim_ascii()).ok()?;
    let colon = memchr::memchr(b':', &decoded)?;
    decoded.truncate(colon);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_not_decoded() {
        for (args, name, expected) in [
            ("a=1&b=2", "b", Some("2")),
            ("A=1", "a", Some("1")),
            ("aa=1&a=2", "a", Some("2")),
            ("a", "a", None),
            ("a=", "a", Some("")),
            ("a=1&a=2", "a", Some("1")),
            ("a=%20=", "a", Some("%20=")),
            ("", "a", None),
        ] {
            assert_eq!(argument(args.as_bytes(), name), expected.map(str::as_bytes), "{args}");
        }
    }

    #[test]
    fn cookies_are_found_in_all_lines() {
        let headers: Headers = [("Cookie", "a=1;  b = 2; ab=3"), ("cookie", "c=4")].into_iter().collect();
        for (name, expected) in
            [("a", Some("1")), ("B", Some("2")), ("ab", Some("3")), ("c", Some("4")), ("d", None), ("", None)]
        {
            assert_eq!(cookie(&headers, name), expected.map(str::as_bytes), "{name}");
        }
        let headers: Headers = [("Set-Cookie", "sid = 7 ; Path=/")].into_iter().collect();
        assert_eq!(set_cookie(&headers, "SID"), Some(&b"7 "[..]));
    }

    #[test]
    fn fields_are_joined_as_in_nginx() {
        let headers: Headers =
            [("X-Forwarded-For", "a"), ("x-forwarded-for", "b"), ("X-A", "1"), ("X-A", "2"), ("x_b", "3")]
                .into_iter()
                .collect();
        for (name, expected) in [("x_forwarded_for", "a, b"), ("x_a", "1"), ("x_b", "3"), ("x_c", "")] {
            let mut out = Vec::new();
            assert_eq!(write_field(headers.iter(), name, JOINED_REQUEST_FIELDS, &mut out), !expected.is_empty());
            assert_eq!(out, expected.as_bytes(), "{name}");
        }
        assert_eq!(lines(b"HTTP/1.1 200 OK\r\nA: b\r\nC:d\r\n\r\n").count(), 2);
    }
}
