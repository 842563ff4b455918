//! Ordered names and values with duplicates (werkzeug's `MultiDict`), and the parser of query strings.

use percent_encoding::percent_decode;

use crate::url::utf8_or_quoted;

/// Names and values in the order of arrival. A lookup returns the first value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MultiDict(Vec<(String, String)>);

impl MultiDict {
    /// Parses a query string or an urlencoded form like `urllib.parse.parse_qsl` with `keep_blank_values`: `+` is a
    /// space, empty pieces are skipped, and bytes that are not UTF-8 stay percent-encoded.
    #[must_use]
    pub fn parse(encoded: &[u8]) -> Self {
        let pieces = encoded.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty());
        Self(
            pieces
                .map(|piece| match piece.iter().position(|byte| *byte == b'=') {
                    Some(index) => (decode(&piece[..index]), decode(&piece[index + 1..])),
                    None => (decode(piece), String::new()),
                })
                .collect(),
        )
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.getlist(name).next()
    }

    /// All values of a name, in order.
    pub fn getlist(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    /// All names and values in order (werkzeug's `items(multi=True)` groups them by name).
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<(String, String)>> for MultiDict {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

fn decode(text: &[u8]) -> String {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    utf8_or_quoted(&percent_decode(&spaced).collect::<Vec<u8>>())
}
