//! Comma-separated header fields, read as `werkzeug.http.parse_list_header` of 3.1.9 reads them.

use std::borrow::Cow;

use http::HeaderValue;
use http::header::GetAll;

use crate::environ::latin1;

/// The Nth value from the right of all lines of a field; `None` if there are fewer.
///
/// A WSGI server joins the lines with commas, so the last line's last value is the first from the right. Empty values
/// do not count, quotes around a value are removed, and a field with a quote that is never closed has no values.
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
    let items = items.iter().map(|item| item.trim_matches([' ', '\t'])).filter(|item| !item.is_empty());
    items.map(unquote).collect()
}

fn unquote(item: &str) -> String {
    match item.strip_prefix('"').and_then(|item| item.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\\", "\\").replace("\\\"", "\""),
        None => item.to_owned(),
    }
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
