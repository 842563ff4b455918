//! Comma-separated header fields, parsed like `werkzeug.http.parse_list_header` of 3.1.9.

use std::borrow::Cow;

use http::HeaderValue;
use http::header::GetAll;

use crate::environ::latin1;

/// The Nth value from the right of all lines of a field; `None` if there are fewer.
///
/// A WSGI server joins the lines with commas, so the last line's last value is the first from the right. Empty values
/// are skipped, quotes around a value are removed, and a field with an unclosed quote has no values.
pub fn nth_from_right<'v>(lines: &GetAll<'v, HeaderValue>, n: usize) -> Option<Cow<'v, str>> {
    let position = n.checked_sub(1)?;
    if lines.iter().any(|line| line.as_bytes().contains(&b'"')) {
        let joined: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
        let mut values = parse(&latin1(&joined.join(&b',')));
        let index = values.len().checked_sub(n)?;
        return Some(Cow::Owned(values.swap_remove(index)));
    }
    let values = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    values.map(trim).filter(|value| !value.is_empty()).nth(position).map(latin1)
}

/// All values of a field.
#[must_use]
pub fn parse(field: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for character in field.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(item) = items.last_mut() {
            item.push(character);
        }
    }
    if quoted {
        return Vec::new();
    }
    let items = items.iter().map(|item| item.trim_matches(char::is_whitespace)).filter(|item| !item.is_empty());
    items.map(unquote).collect()
}

/// Removes the quotes around an item, and the backslash of each quoted pair (RFC 9110 §5.6.4). The backslash may escape
/// any character, itself included.
fn unquote(item: &str) -> String {
    let Some(inner) = item.strip_prefix('"').and_then(|item| item.strip_suffix('"')) else { return item.to_owned() };
    let mut unquoted = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        unquoted.push(if character == '\\' { characters.next().unwrap_or(character) } else { character });
    }
    unquoted
}

/// Removes what Python's `str.strip` takes for white space, as far as a field can have it. As Latin-1, 0x85 and 0xA0 are
/// white space too.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | 0x85 | 0xa0, rest @ ..] | [rest @ .., b' ' | b'\t' | 0x85 | 0xa0] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn quoted_pairs_are_unescaped_like_werkzeug() {
        // the results of werkzeug 3.1.9
        let cases: &[(&str, &[&str])] = &[
            (r#""a\"b, c\\d", e"f,g""#, &[r#"a"b, c\d"#, r#"e"f,g""#]),
            (r#""x\yz""#, &["xyz"]),
            (r#""a\,b""#, &["a,b"]),
            (r"a\,b", &[r"a\", "b"]),
            (r#"a"b\"c""#, &[r#"a"b\"c""#]),
            (r#" "q\\" "#, &[r"q\"]),
            (r#""\\\"x""#, &[r#"\"x"#]),
            (r#""\n""#, &["n"]),
            (r#"a "b\c" d"#, &[r#"a "b\c" d"#]),
            (r#""1", ""2"""#, &["1", r#""2""#]),
            (r#""a" "b""#, &[r#"a" "b"#]),
            (r#""""#, &[""]),
            (r#"""#, &[]),
            (r#""a\"#, &[]),
            (r#""\""#, &[]),
            (" \" x \" ,\ty\t", &[" x ", "y"]),
        ];
        for (field, expected) in cases {
            assert_eq!(parse(field), *expected, "{field}");
        }
    }

    #[test]
    fn white_space_is_that_of_latin_1() {
        let mut headers = HeaderMap::new();
        headers.append("x", HeaderValue::from_bytes(b"a,\xa0 \x85,b\xa0,\x85").unwrap());
        let from_right = |n| nth_from_right(&headers.get_all("x"), n);
        assert_eq!((from_right(1).as_deref(), from_right(2).as_deref(), from_right(3)), (Some("b"), Some("a"), None));
        assert_eq!(parse("a,\u{a0} \u{85},b\u{a0}"), ["a", "b"]);
    }
}
