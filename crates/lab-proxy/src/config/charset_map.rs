//! `charset_map`: how texts of one charset become texts of another.

use std::collections::HashMap;
use std::sync::Arc;

use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// The conversions of a configuration, each in both directions.
#[derive(Debug, Clone, Default)]
pub struct CharsetMaps(Vec<CharsetMap>);

#[derive(Debug, Clone)]
struct CharsetMap {
    from: String,
    to: String,
    table: Arc<CharsetTable>,
}

/// How the characters of one charset are written in another. Those below 0x80 are the same in both.
#[derive(Debug, PartialEq, Eq)]
pub enum CharsetTable {
    /// A byte for each byte.
    Bytes(Box<[u8; 256]>),
    /// A character of UTF-8 for each byte.
    ToUtf8(Box<[char; 256]>),
    /// A byte for each character of UTF-8 beyond ASCII.
    FromUtf8(HashMap<char, u8>),
}

/// Stands for characters without a counterpart.
pub const REPLACEMENT: u8 = b'?';

impl CharsetMaps {
    /// The conversion between two charsets. Case does not matter.
    #[must_use]
    pub fn find(&self, from: &[u8], to: &[u8]) -> Option<&Arc<CharsetTable>> {
        let is_same = |own: &str, name: &[u8]| name.eq_ignore_ascii_case(own.as_bytes());
        self.0.iter().find(|map| is_same(&map.from, from) && is_same(&map.to, to)).map(|map| &map.table)
    }

    /// Adds those of a block.
    pub(crate) fn add(&mut self, directive: &Directive) -> Result<(), ConfError> {
        let (from, to) = (directive.first(), directive.arg(1).unwrap_or_default());
        if from.eq_ignore_ascii_case(to) {
            let message = format!("\"charset_map\" between the same charsets \"{from}\" and \"{to}\"");
            return Err(directive.error(ConfErrorKind::Conflict(message)));
        }
        if self.find(from.as_bytes(), to.as_bytes()).is_some() {
            let message = format!("duplicate \"charset_map\" between \"{from}\" and \"{to}\"");
            return Err(directive.error(ConfErrorKind::Conflict(message)));
        }
        let (forward, backward) = match to.eq_ignore_ascii_case("utf-8") {
            true => tables_of_utf8(directive)?,
            false => tables_of_bytes(directive)?,
        };
        let mut push = |from: &str, to: &str, table| {
            self.0.push(CharsetMap { from: from.to_owned(), to: to.to_owned(), table: Arc::new(table) });
        };
        push(from, to, forward);
        push(to, from, backward);
        Ok(())
    }
}

fn tables_of_bytes(directive: &Directive) -> Result<(CharsetTable, CharsetTable), ConfError> {
    let ascii = |byte: usize| u8::try_from(byte).ok().filter(u8::is_ascii).unwrap_or(REPLACEMENT);
    let mut forward: Box<[u8; 256]> = Box::new(std::array::from_fn(ascii));
    let mut backward = forward.clone();
    for entry in directive.children() {
        let (from, to) = (byte(entry, &entry.name)?, byte(entry, entry.first())?);
        forward[usize::from(from)] = to;
        backward[usize::from(to)] = from;
    }
    Ok((CharsetTable::Bytes(forward), CharsetTable::Bytes(backward)))
}

fn tables_of_utf8(directive: &Directive) -> Result<(CharsetTable, CharsetTable), ConfError> {
    let ascii = |byte: usize| u8::try_from(byte).ok().filter(u8::is_ascii).map_or(char::from(REPLACEMENT), char::from);
    let mut forward: Box<[char; 256]> = Box::new(std::array::from_fn(ascii));
    let mut backward = HashMap::new();
    for entry in directive.children() {
        let from = byte(entry, &entry.name)?;
        let to = character(entry, entry.first())?;
        forward[usize::from(from)] = to;
        backward.insert(to, from);
    }
    Ok((CharsetTable::ToUtf8(forward), CharsetTable::FromUtf8(backward)))
}

fn byte(entry: &Directive, text: &str) -> Result<u8, ConfError> {
    let is_hexadecimal = text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let value = u8::from_str_radix(text, 16).ok().filter(|_| is_hexadecimal);
    value.ok_or_else(|| entry.invalid(text, "a byte in hexadecimal digits, such as 80"))
}

/// A character by the hexadecimal digits of its bytes in UTF-8. As in nginx, it has two or three of them.
fn character(entry: &Directive, text: &str) -> Result<char, ConfError> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    let bytes: Result<Vec<u8>, ConfError> = digits.map(|pair| byte(entry, pair)).collect();
    let decoded = String::from_utf8(bytes?).unwrap_or_default();
    let mut characters = decoded.chars();
    let only = characters.next().filter(|first| matches!(first.len_utf8(), 2 | 3) && characters.next().is_none());
    only.ok_or_else(|| entry.invalid(text, "a character in UTF-8 by hexadecimal digits, such as E282AC"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::read_configuration_text;

    fn maps(http: &str) -> Result<CharsetMaps, String> {
        let text = format!("events {{ }} http {{ {http} server {{ listen 127.0.0.1:1; }} }}");
        let config = read_configuration_text(&text, Path::new("nginx.conf")).map_err(|error| error.to_string())?;
        Ok(config.charset_maps)
    }

    #[test]
    fn maps_have_both_directions() {
        let maps = maps("charset_map koi8-r utf-8 { C1 D0B0; 80 e282ac; } charset_map a b { e0 e1; e2 41; }").unwrap();
        let found = |from: &str, to: &str| maps.find(from.as_bytes(), to.as_bytes()).map(|table| &**table);
        let Some(CharsetTable::ToUtf8(forward)) = found("KOI8-R", "UTF-8") else { panic!("a table to UTF-8") };
        assert_eq!([0x41, 0xc1, 0x80, 0xc2].map(|byte: usize| forward[byte]), ['A', 'а', '€', '?']);
        let expected = HashMap::from([('а', 0xc1), ('€', 0x80)]);
        assert_eq!(found("utf-8", "koi8-r"), Some(&CharsetTable::FromUtf8(expected)));
        let (Some(CharsetTable::Bytes(forward)), Some(CharsetTable::Bytes(backward))) =
            (found("a", "b"), found("b", "a"))
        else {
            panic!("tables of bytes")
        };
        assert_eq!([forward[0xe0], forward[0xe2], forward[0xe1], forward[0x41]], [0xe1, 0x41, b'?', 0x41]);
        assert_eq!([backward[0xe1], backward[0x41], backward[0xe0]], [0xe0, 0xe2, b'?']);
        assert!(found("koi8-r", "a").is_none());
    }

    #[test]
    fn bad_maps_are_refused() {
        for http in [
            "charset_map a A { 80 80; }",
            "charset_map a b { 80 80; } charset_map B a { 80 80; }",
            "charset_map a b { 100 80; }",
            "charset_map a b { 80 x; }",
            "charset_map a b { 80; }",
            "charset_map a utf-8 { 80 80; }",
            "charset_map a utf-8 { 80 C3A; }",
            "charset_map a utf-8 { 80 F09F9880; }",
            "charset_map a utf-8 { 80 4142; }",
            "charset_map a utf-8 { 80 41; }",
            "charset a; source_charset b;",
        ] {
            assert!(maps(http).is_err(), "{http}");
        }
        assert!(maps("charset a; source_charset A;").is_ok());
    }
}
