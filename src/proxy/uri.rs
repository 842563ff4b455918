//! Paths as nginx sees them: decoded, without dot segments and doubled slashes. What is compared with locations is
//! this; what is passed on is the target as it came, unless `proxy_pass` has a URI.

use std::borrow::Cow;

/// A path that leads out of the root, or has an escape that is none: 400 as in nginx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedPath;

/// Decodes a path and resolves `.`, `..` and `//`. The path begins with a slash, or is `*`.
pub fn normalise(path: &[u8]) -> Result<Cow<'_, [u8]>, MalformedPath> {
    let is_plain = memchr::memchr(b'%', path).is_none() && !has_dots_or_doubled_slashes(path);
    if is_plain {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode(path)?;
    let mut out = Vec::with_capacity(decoded.len());
    // where the segments written so far begin: their slashes
    let mut slashes: Vec<usize> = Vec::new();
    let segments = decoded.strip_prefix(b"/").unwrap_or(&decoded).split(|&byte| byte == b'/');
    let mut ends_open = true;
    for segment in segments {
        ends_open = matches!(segment, b"" | b"." | b"..");
        match segment {
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

/// Escapes what nginx escapes in a path it passes on: controls, space, `#`, `%`, `?` and everything beyond ASCII.
pub fn escape(path: &[u8], out: &mut Vec<u8>) {
    for &byte in path {
        if matches!(byte, 0..=0x20 | b'#' | b'%' | b'?' | 0x7f..) {
            let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        } else {
            out.push(byte);
        }
    }
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
    fn paths_are_normalised_as_nginx_does() {
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
            let found = normalise(path.as_bytes()).ok().map(|path| String::from_utf8(path.into_owned()).unwrap());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn escaping_leaves_plain_paths_alone() {
        let mut out = Vec::new();
        escape(b"/a b?c#d%e\xffz~", &mut out);
        assert_eq!(out, b"/a%20b%3Fc%23d%25e%FFz~");
    }
}
