//! Escaping for HTML, with the entities of Python's MarkupSafe.

use std::borrow::Cow;

/// Replaces `&`, `<`, `>`, `"` and `'` by entities, but no slash.
#[must_use]
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let entity = |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&#34;"),
        b'\'' => Some("&#39;"),
        _ => None,
    };
    let Some(first) = text.bytes().position(|byte| entity(byte).is_some()) else { return Cow::Borrowed(text) };
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str(&text[..first]);
    let mut copied = first;
    for (index, byte) in text.bytes().enumerate().skip(first) {
        if let Some(entity) = entity(byte) {
            escaped.push_str(&text[copied..index]);
            escaped.push_str(entity);
            copied = index + 1;
        }
    }
    escaped.push_str(&text[copied..]);
    Cow::Owned(escaped)
}
