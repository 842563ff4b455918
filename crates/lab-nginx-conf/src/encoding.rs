//! The encoding of a configuration: UTF-8, and anything in comments.

use thiserror::Error;

/// A file has bytes outside its comments that are not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("it is not UTF-8: line {line} has other bytes outside a comment")]
pub struct NotText {
    /// Counted from 1.
    pub line: usize,
}

/// The text of a configuration. nginx reads bytes, so that comments in another encoding do not matter to it. Here their
/// characters that are not UTF-8 are replaced.
///
/// # Errors
/// There are others outside comments.
pub fn decode(bytes: Vec<u8>) -> Result<String, NotText> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let valid = std::str::from_utf8(line).map_or_else(|error| error.valid_up_to(), str::len);
        if valid < line.len() && !has_comment(&line[..valid]) {
            return Err(NotText { line: index + 1 });
        }
        text.push_str(&String::from_utf8_lossy(line));
    }
    Ok(text)
}

/// Whether a comment begins in a part of a line: a `#` where a word could begin.
fn has_comment(part: &[u8]) -> bool {
    part.iter().enumerate().any(|(at, byte)| {
        let before = at.checked_sub(1).map(|before| part[before]);
        *byte == b'#' && before.is_none_or(|before| b" \t\r;{}".contains(&before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_have_any_encoding() {
        assert_eq!(
            decode(b"a; # caf\xe9\n#\xd6\xd0\nb \xc3\xa9;\n".to_vec()).unwrap(),
            "a; # caf\u{fffd}\n#\u{fffd}\u{fffd}\nb é;\n"
        );
        assert_eq!(decode(b"a;\nreturn 200 caf\xe9;\n".to_vec()), Err(NotText { line: 2 }));
        assert_eq!(decode(b"a x#\xe9;".to_vec()), Err(NotText { line: 1 }));
    }
}
