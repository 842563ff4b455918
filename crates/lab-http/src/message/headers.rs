//! Header fields as received: their order, number, case and bytes are kept.

use std::ops::Range;

use super::syntax::trim;

/// The field lines of one message.
///
/// All names and values are in one buffer, and a field is two of its spans, so reading a head takes two allocations for
/// any number of fields. Names compare case-insensitively (RFC 9110 §5.1).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    pub(crate) text: Vec<u8>,
    pub(crate) fields: Vec<Field>,
}

/// One field line, as spans of the text it was read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

/// A range of a message's text. `u32` keeps fields small; heads are bounded far below 4 GiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Headers {
    #[must_use]
    pub const fn new() -> Headers {
        Headers { text: Vec::new(), fields: Vec::new() }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The field lines in order, as (name, value). Values have no surrounding white space.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> + ExactSizeIterator + Clone {
        self.fields.iter().map(|field| (field.name.slice(&self.text), field.value.slice(&self.text)))
    }

    /// The value of the first line named `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.fields_named(name).next().map(|field| field.value.slice(&self.text))
    }

    /// The values of all lines named `name`, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields_named(name).map(|field| field.value.slice(&self.text))
    }

    /// Compares lengths first, which rules out most lines without reading the text.
    fn fields_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| {
            field.name.len() == name.len() && field.name.slice(&self.text).eq_ignore_ascii_case(name.as_bytes())
        })
    }

    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The non-empty elements of the comma-separated list that all lines named `name` form together (RFC 9110 §5.6.1).
    /// Commas in quoted strings separate as well, so this is only for lists of tokens such as `Connection`.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).flat_map(|value| value.split(|&byte| byte == b',')).map(trim).filter(|item| !item.is_empty())
    }

    /// Whether the list that all lines named `name` form contains `token`, case-insensitively.
    #[must_use]
    pub fn list_contains(&self, name: &str, token: &str) -> bool {
        self.list(name).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Makes room for `fields` more lines of `bytes` together.
    pub fn reserve(&mut self, fields: usize, bytes: usize) {
        self.fields.reserve(fields);
        self.text.reserve(bytes);
    }

    /// Appends a line without validation. Check untrusted bytes with [`is_clean`](Headers::is_clean) first.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = Span::append(&mut self.text, name.as_ref());
        let value = Span::append(&mut self.text, value.as_ref());
        self.fields.push(Field { name, value });
    }

    /// Inserts a line before the one at `index`, without validation as in [`push`](Headers::push).
    pub fn insert(&mut self, index: usize, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = Span::append(&mut self.text, name.as_ref());
        let value = Span::append(&mut self.text, value.as_ref());
        self.fields.insert(index, Field { name, value });
    }

    /// Removes all lines named `name` and returns their number.
    pub fn remove(&mut self, name: &str) -> usize {
        let before = self.fields.len();
        let text = &self.text;
        self.fields.retain(|field| !field.name.slice(text).eq_ignore_ascii_case(name.as_bytes()));
        before - self.fields.len()
    }

    /// Keeps only the lines for which `is_kept` returns true, given name and value.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&[u8], &[u8]) -> bool) {
        let text = &self.text;
        self.fields.retain(|field| is_kept(field.name.slice(text), field.value.slice(text)));
    }

    /// Replaces the value of the line at `index`.
    pub fn set_value(&mut self, index: usize, value: impl AsRef<[u8]>) {
        self.fields[index].value = Span::append(&mut self.text, value.as_ref());
    }

    /// Removes all lines and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
    }

    /// Whether `name` and `value` can be written as a field line: the name is a token, and the value has no control
    /// characters, which could inject another line (RFC 9110 §5.5).
    #[must_use]
    pub fn is_clean(name: &[u8], value: &[u8]) -> bool {
        super::syntax::is_token(name) && super::syntax::is_field_value(value)
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(name, value);
        }
        headers
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(
                self.iter().map(|(name, value)| (name.escape_ascii().to_string(), value.escape_ascii().to_string())),
            )
            .finish()
    }
}

impl Span {
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Span {
        // OK because a text with spans is either bounded by `Limits` or written by this program.
        let narrow = |position: usize| u32::try_from(position).expect("a head is smaller than 4 GiB");
        Span { start: narrow(start), end: narrow(end) }
    }

    /// Appends `bytes` to `text` and returns their span.
    pub(crate) fn append(text: &mut Vec<u8>, bytes: &[u8]) -> Span {
        let start = text.len();
        text.extend_from_slice(bytes);
        Span::new(start, text.len())
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    #[inline]
    pub(crate) fn slice(self, text: &[u8]) -> &[u8] {
        &text[self.range()]
    }

    #[inline]
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Headers {
        [("Host", "a"), ("Set-Cookie", "x=1"), ("set-cookie", "y=2"), ("Connection", "close, X-A ,,\tx-b")]
            .into_iter()
            .collect()
    }

    #[test]
    fn lines_keep_order_number_and_case() {
        let lines: Vec<_> = sample().iter().map(|(name, value)| [name, b"=", value].concat()).collect();
        assert_eq!(lines[1..3], [b"Set-Cookie=x=1".to_vec(), b"set-cookie=y=2".to_vec()]);
    }

    #[test]
    fn names_compare_case_insensitively() {
        let headers = sample();
        assert_eq!(headers.get("SET-COOKIE"), Some(&b"x=1"[..]));
        assert_eq!(headers.get_all("Set-Cookie").collect::<Vec<_>>(), [b"x=1", b"y=2"]);
        assert!(!headers.contains("Cookie"));
    }

    #[test]
    fn list_spans_lines_and_skips_empty_elements() {
        let mut headers = sample();
        headers.push("connection", "Keep-Alive");
        assert_eq!(headers.list("Connection").collect::<Vec<_>>(), [&b"close"[..], b"X-A", b"x-b", b"Keep-Alive"]);
        assert!(headers.list_contains("connection", "x-a"));
        assert!(!headers.list_contains("connection", "x"));
    }

    #[test]
    fn remove_takes_every_line_of_the_name() {
        let mut headers = sample();
        assert_eq!(headers.remove("Set-cookie"), 2);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers.remove("Set-cookie"), 0);
    }

    #[test]
    fn lines_are_edited_in_place() {
        let mut headers = sample();
        headers.retain(|name, value| name != b"Host" && value != b"y=2");
        headers.set_value(0, "longer than before");
        headers.insert(1, "X", "y");
        let lines: Vec<_> = headers.iter().map(|(name, value)| [name, b"=", value].concat()).collect();
        assert_eq!(lines, [&b"Set-Cookie=longer than before"[..], b"X=y", b"Connection=close, X-A ,,\tx-b"]);
    }

    #[test]
    fn line_break_is_not_clean() {
        assert!(Headers::is_clean(b"X-A", b"one\ttwo \xe9"));
        for (name, value) in [(&b"X A"[..], &b"v"[..]), (b"", b"v"), (b"X:", b"v"), (b"X", b"a\r\nB: c"), (b"X", b"\0")]
        {
            assert!(!Headers::is_clean(name, value), "{name:?} {value:?}");
        }
    }
}
