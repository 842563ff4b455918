//! Normalised paths, as nginx makes them: decoded, without dot segments and doubled slashes. They are compared with
//! locations. Upstreams get the target as it arrived, unless `proxy_pass` has a URI.

use std::borrow::Cow;

/// A path that leads above the root or has an invalid escape. As in nginx, the response is 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedPath;

/// Decodes a path and resolves `.`, `..` and, with nginx's `merge_slashes`, `//`. The path begins with a slash, or is
/// `*`.
///
/// # Errors
/// The path leads above the root, or has an invalid escape.
pub fn normalise(path: &[u8], merge_slashes: bool) -> Result<Cow<'_, [u8]>, MalformedPath> {
    let is_plain = memchr::memchr(b'%', path).is_none() && !has_dots_or_doubled_slashes(path);
    if is_plain {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode(path)?;
    let mut out = Vec::with_capacity(decoded.len());
    // the positions of the slashes before the segments written so far
    let mut slashes: Vec<usize> = Vec::new();
    let segments = decoded.strip_prefix(b"/").unwrap_or(&decoded).split(|&byte| byte == b'/');
    let mut ends_open = true;
    for segment in segments {
        ends_open = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" if !merge_slashes => {
                slashes.push(out.len());
                out.push(b'/');
                ends_open = false;
            }
            b"" | b"." => {}
            b".." => out.truncate(slashes.pop().ok_or(MalformedPath)?),
            _ => {
                slashes.push(out.len());
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    if ends_open {
        out.push(b'/');
    }
    Ok(Cow::Owned(out))
}

/// Escapes a path that is passed on or redirected to, as nginx does: control characters, space, `"#%<>?\^`, the
/// backquote, braces, bars and everything beyond ASCII.
pub fn escape(path: &[u8], out: &mut Vec<u8>) {
    escape_where(path, out, |byte| {
        matches!(
            byte,
            0..=0x20 | b'"' | b'#' | b'%' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f..
        )
    });
}

/// Escapes a path that becomes an argument, as nginx does: what [`escape`] escapes, and `&`, `+` and `;`.
pub fn escape_argument(text: &[u8], out: &mut Vec<u8>) {
    escape_where(text, out, |byte| {
        matches!(
            byte,
            0..=0x20 | b'"' | b'#' | b'%' | b'&' | b'+' | b';' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|'
                | b'}' | 0x7f..
        )
    });
}

/// Escapes a file's name for a link: everything but letters, digits, `-`, `.`, `_` and `~`.
pub fn escape_component(text: &[u8], out: &mut Vec<u8>) {
    escape_where(text, out, |byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'.' | b'_' | b'~'));
}

fn escape_where(text: &[u8], out: &mut Vec<u8>, needs: impl Fn(u8) -> bool) {
    for &byte in text {
        if needs(byte) {
            out.extend_from_slice(&[b'%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        } else {
            out.push(byte);
        }
    }
}

/// An upper-case hexadecimal digit.
pub(crate) fn hex_digit(nibble: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(nibble & 15)]
}

/// Decodes those escapes in the target of a `rewrite` that stand for printable characters after `%`, up to the first
/// question mark. As in nginx.
pub fn unescape_redirect(target: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(target.len());
    let mut rest = target;
    loop {
        rest = match rest {
            [] => return out,
            [b'?', ..] => {
                out.extend_from_slice(rest);
                return out;
            }
            [b'%', high, low, behind @ ..] => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let byte = digit(high).zip(digit(low)).map(|(high, low)| (high * 16 + low) as u8);
                match byte.filter(|byte| matches!(byte, b'&'..0x7f)) {
                    Some(byte) => out.push(byte),
                    None => out.extend_from_slice(&rest[..3]),
                }
                if byte == Some(b'?') {
                    out.extend_from_slice(behind);
                    return out;
                }
                behind
            }
            [byte, behind @ ..] => {
                out.push(*byte);
                behind
            }
        };
    }
}

/// Splits a URI of the configuration at its first `?`.
pub fn split_args(uri: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'?', uri) {
        Some(mark) => (&uri[..mark], Some(&uri[mark + 1..])),
        None => (uri, None),
    }
}

/// Splits a URI from an upstream into its decoded path and its arguments. None if it leads above the root or has a NUL.
/// As in nginx, dot segments are not resolved.
pub fn safe(uri: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let (path, args) = split_args(uri);
    let is_safe = |path: &[u8]| !path.contains(&0) && path.split(|&byte| byte == b'/').all(|segment| segment != b"..");
    let unescaped = unescape(path);
    let is_one = !path.is_empty() && is_safe(path) && is_safe(&unescaped);
    is_one.then(|| (unescaped, args.map(<[u8]>::to_vec)))
}

/// Decodes a path. As in nginx, an invalid escape loses its `%`.
fn unescape(path: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let Some((&high, behind)) = rest.split_first() else { break };
        rest = behind;
        let Some(high) = digit(high) else {
            out.push(high);
            continue;
        };
        let Some((&low, behind)) = rest.split_first() else { break };
        rest = behind;
        out.extend(digit(low).map(|low| high << 4 | low));
    }
    out
}

/// What follows the last dot of the last segment. A dot at the start of the segment begins no extension.
pub fn extension(path: &[u8]) -> Option<&[u8]> {
    let segment = memchr::memrchr(b'/', path).map_or(path, |slash| &path[slash + 1..]);
    let dot = memchr::memrchr(b'.', segment).filter(|dot| *dot > 0)?;
    Some(&segment[dot + 1..])
}

fn has_dots_or_doubled_slashes(path: &[u8]) -> bool {
    memchr::memchr_iter(b'/', path).any(|slash| matches!(path.get(slash + 1), Some(b'/' | b'.')))
}

fn decode(path: &[u8]) -> Result<Vec<u8>, MalformedPath> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2).ok_or(MalformedPath)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+')).ok_or(MalformedPath)?;
        match u8::from_str_radix(digits, 16) {
            Ok(0) | Err(_) => return Err(MalformedPath),
            Ok(byte) => out.push(byte),
        }
        rest = behind;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_as_in_nginx() {
        for (path, expected) in [
            ("/", Some("/")),
            ("/a/b", Some("/a/b")),
            ("/a%20b", Some("/a b")),
            ("/a//b///c", Some("/a/b/c")),
            ("//", Some("/")),
            ("/a/./b", Some("/a/b")),
            ("/a/.", Some("/a/")),
            ("/a/..", Some("/")),
            ("/a/../", Some("/")),
            ("/a/b/../c", Some("/a/c")),
            ("/a//../b", Some("/b")),
            ("/a/%2e%2e/b", Some("/b")),
            ("/a%2fb", Some("/a/b")),
            ("/a%3Fb", Some("/a?b")),
            ("/.a", Some("/.a")),
            ("/..a", Some("/..a")),
            ("/...", Some("/...")),
            ("/a/", Some("/a/")),
            ("/a//", Some("/a/")),
            ("*", Some("*")),
            ("/..", None),
            ("/a/../..", None),
            ("/%2e%2e", None),
            ("/%", None),
            ("/%4", None),
            ("/%zz", None),
            ("/%+1", None),
            ("/%00", None),
        ] {
            let found = normalise(path.as_bytes(), true).ok().map(|path| String::from_utf8(path.into_owned()).unwrap());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn slashes_stay_without_merge_slashes() {
        for (path, expected) in [("//a///b//", "//a///b//"), ("/a//../b", "/a/b"), ("/a/.//b", "/a//b"), ("/%2f", "//")]
        {
            assert_eq!(normalise(path.as_bytes(), false).as_deref(), Ok(expected.as_bytes()), "{path}");
        }
    }

    #[test]
    fn escapes_of_paths_and_arguments() {
        let mut out = Vec::new();
        escape(b"/a b?c#d%e\xff;&z~", &mut out);
        assert_eq!(out, b"/a%20b%3Fc%23d%25e%FF;&z~");
        let mut out = Vec::new();
        escape_argument(b"/a b&c+d;e=f", &mut out);
        assert_eq!(out, b"/a%20b%26c%2Bd%3Be=f");
    }

    #[test]
    fn redirects_are_unescaped_as_in_nginx() {
        for (escaped, expected) in [
            ("http://e/a%20b%2Bc%26", "http://e/a%20b+c&"),
            ("/%22%25%FF%7E", "/%22%25%FF~"),
            ("/%3C?%3C", "/<?%3C"),
            ("/%3C%3F%3C", "/<?%3C"),
            ("/%", "/%"),
            ("/%zz", "/%zz"),
        ] {
            assert_eq!(unescape_redirect(escaped.as_bytes()), expected.as_bytes(), "{escaped}");
        }
    }

    #[test]
    fn upstream_uris_are_unescaped_and_safe() {
        for (uri, expected) in [
            ("/a%20b?c%20d", Some(("/a b", Some("c%20d")))),
            ("/a", Some(("/a", None))),
            ("/a..b/..c", Some(("/a..b/..c", None))),
            ("/%4", Some(("/", None))),
            ("/%zz%", Some(("/zz", None))),
            ("", None),
            ("?a", None),
            ("..", None),
            ("/a/../b", None),
            ("/a/..", None),
            ("/%2e%2e/b", None),
            ("/%2e.", None),
            ("/%00", None),
        ] {
            let expected =
                expected.map(|(path, args)| (path.as_bytes().to_vec(), args.map(|args| args.as_bytes().to_vec())));
            assert_eq!(safe(uri.as_bytes()), expected, "{uri}");
        }
    }

    #[test]
    fn extensions_of_paths() {
        for (path, expected) in
            [("/a.html", Some("html")), ("/a.b/c", None), ("/.html", None), ("/a.", Some("")), ("/a.b.c", Some("c"))]
        {
            assert_eq!(extension(path.as_bytes()), expected.map(str::as_bytes), "{path}");
        }
    }
}
