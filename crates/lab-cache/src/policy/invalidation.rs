//! What a request that changes something makes stale (RFC 9111 §4.4).

use lab_http::Headers;

/// Whether a method is known to change nothing (RFC 9110 §9.2.1).
#[must_use]
pub fn is_safe(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
}

/// The targets, beside its own, that a successful request of an unsafe method invalidates: those of `Location` and
/// `Content-Location`, if they have the origin of the request. They are in origin form.
///
/// `origin` is scheme and authority, as in `http://example.org`, and `target` the request's target in origin form.
#[must_use]
pub fn further_targets(status: u16, fields: &Headers, origin: &[u8], target: &[u8]) -> Vec<Vec<u8>> {
    if !is_successful(status) {
        return Vec::new();
    }
    let references = ["location", "content-location"].into_iter().filter_map(|name| fields.get(name));
    references.filter_map(|reference| resolve(reference, origin, target)).collect()
}

/// Whether a response with this status says that the request was carried out.
#[must_use]
pub fn is_successful(status: u16) -> bool {
    (200..400).contains(&status)
}

/// Whether a reference is to the target itself.
#[must_use]
pub fn is_own_target(reference: &[u8], origin: &[u8], target: &[u8]) -> bool {
    resolve(reference, origin, target).is_some_and(|resolved| resolved == without_dot_segments(target))
}

/// Resolves a reference (RFC 3986 §5.2) to a target of the same origin.
fn resolve(reference: &[u8], origin: &[u8], base: &[u8]) -> Option<Vec<u8>> {
    let reference = reference.split(|&byte| byte == b'#').next()?;
    let scheme_end = origin.windows(3).position(|window| window == b"://")?;
    let (scheme, authority) = (&origin[..scheme_end], &origin[scheme_end + 3..]);
    let (with_authority, is_relative) = match reference.strip_prefix(b"//") {
        Some(rest) => (rest, false),
        None => match reference.iter().position(|byte| matches!(byte, b':' | b'/' | b'?')) {
            Some(colon) if reference[colon] == b':' => {
                let rest = reference[colon + 1..].strip_prefix(b"//")?;
                reference[..colon].eq_ignore_ascii_case(scheme).then_some(())?;
                (rest, false)
            }
            _ => (reference, true),
        },
    };
    let base_path = base.split(|&byte| byte == b'?').next()?;
    let target = if is_relative {
        match reference {
            [] => base.to_vec(),
            [b'/', ..] => reference.to_vec(),
            [b'?', ..] => [base_path, reference].concat(),
            _ => {
                let folder = base_path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
                [&base_path[..folder], reference].concat()
            }
        }
    } else {
        let end = with_authority.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(with_authority.len());
        let (other, rest) = with_authority.split_at(end);
        is_same_authority(other, authority, scheme).then_some(())?;
        if rest.starts_with(b"/") { rest.to_vec() } else { [b"/", rest].concat() }
    };
    Some(without_dot_segments(&target))
}

/// Whether two authorities are the same, if the default port of the scheme counts as none.
fn is_same_authority(one: &[u8], other: &[u8], scheme: &[u8]) -> bool {
    let port: &[u8] = if scheme.eq_ignore_ascii_case(b"https") { b":443" } else { b":80" };
    let bare = |authority: &[u8]| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    bare(one) == bare(other)
}

/// Removes `.` and `..` from the path of a target (RFC 3986 §5.2.4).
fn without_dot_segments(target: &[u8]) -> Vec<u8> {
    let end = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at(end);
    let mut segments: Vec<&[u8]> = Vec::new();
    let parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').skip(1).collect();
    for (index, part) in parts.iter().enumerate() {
        let is_last = index + 1 == parts.len();
        match *part {
            b"." if is_last => segments.push(b""),
            b"." => {}
            b".." => {
                segments.pop();
                if is_last {
                    segments.push(b"");
                }
            }
            segment => segments.push(segment),
        }
    }
    let mut text = Vec::with_capacity(target.len());
    for segment in &segments {
        text.push(b'/');
        text.extend_from_slice(segment);
    }
    if text.is_empty() {
        text.push(b'/');
    }
    text.extend_from_slice(query);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_methods() {
        for (method, expected) in
            [("GET", true), ("HEAD", true), ("OPTIONS", true), ("TRACE", true), ("POST", false), ("get", false)]
        {
            assert_eq!(is_safe(method.as_bytes()), expected, "{method}");
        }
    }

    #[test]
    fn references_of_the_same_origin() {
        for (reference, expected) in [
            ("/x", Some("/x")),
            ("/x?y#z", Some("/x?y")),
            ("x", Some("/a/x")),
            ("../x", Some("/x")),
            ("../../x", Some("/x")),
            ("./", Some("/a/")),
            ("..", Some("/")),
            ("?y", Some("/a/b?y")),
            ("", Some("/a/b?c")),
            ("#z", Some("/a/b?c")),
            ("http://example.org/x", Some("/x")),
            ("HTTP://EXAMPLE.org:80/x/../y", Some("/y")),
            ("http://example.org", Some("/")),
            ("http://example.org?q", Some("/?q")),
            ("//example.org/x", Some("/x")),
            ("https://example.org/x", None),
            ("http://example.org:8080/x", None),
            ("http://other.org/x", None),
            ("//other.org/x", None),
            ("mailto:a@example.org", None),
        ] {
            let found = resolve(reference.as_bytes(), b"http://example.org", b"/a/b?c");
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{reference}");
            let is_own = is_own_target(reference.as_bytes(), b"http://example.org", b"/a/b?c");
            assert_eq!(is_own, expected == Some("/a/b?c"), "{reference}");
        }
    }

    #[test]
    fn only_successful_requests_invalidate() {
        let fields: Headers = [("Location", "/x"), ("Content-Location", "http://other.org/y")].into_iter().collect();
        for (status, expected) in [(200, 1), (201, 1), (303, 1), (400, 0), (500, 0)] {
            assert_eq!(further_targets(status, &fields, b"http://example.org", b"/").len(), expected, "{status}");
        }
    }
}
