//! Converts content from one charset to another.

use std::sync::Arc;

use super::progress::Progress;
use crate::config::charset_map::{CharsetTable, REPLACEMENT};

/// Converts content that arrives in pieces.
#[derive(Debug)]
pub(crate) struct Recoding {
    table: Arc<CharsetTable>,
    /// The beginning of a character of UTF-8, at the end of the content so far.
    held: Vec<u8>,
}

impl Recoding {
    pub(super) fn new(table: Arc<CharsetTable>) -> Recoding {
        Recoding { table, held: Vec::new() }
    }

    /// Whether content is as long afterwards as it was.
    pub(super) fn keeps_length(&self) -> bool {
        matches!(*self.table, CharsetTable::Bytes(_))
    }

    /// Appends the converted form of a piece of content.
    pub(super) fn push(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) {
        match &*self.table {
            CharsetTable::Bytes(table) => out.extend(input.iter().map(|byte| table[usize::from(*byte)])),
            CharsetTable::ToUtf8(table) => {
                for byte in input {
                    out.extend_from_slice(table[usize::from(*byte)].encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            CharsetTable::FromUtf8(_) => self.push_utf8(input, progress, out),
        }
    }

    fn push_utf8(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) {
        let CharsetTable::FromUtf8(table) = &*self.table else { return };
        let mut content = std::mem::take(&mut self.held);
        content.extend_from_slice(input);
        let mut chunks = content.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for character in chunk.valid().chars() {
                match (u8::try_from(character), table.get(&character)) {
                    (Ok(byte), _) if byte.is_ascii() => out.push(byte),
                    (_, Some(byte)) => out.push(*byte),
                    // as in nginx: a character that the other charset lacks becomes a character reference
                    (_, None) => out.extend_from_slice(format!("&#{};", u32::from(character)).as_bytes()),
                }
            }
            let invalid = chunk.invalid();
            let is_cut = chunks.peek().is_none() && is_beginning(invalid);
            if is_cut && progress != Progress::Finish {
                self.held = invalid.to_vec();
            } else if !invalid.is_empty() {
                out.push(REPLACEMENT);
            }
        }
    }
}

/// Whether more bytes could make a character of these.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn recode(table: CharsetTable, pieces: &[&[u8]]) -> Vec<u8> {
        let mut recoding = Recoding::new(Arc::new(table));
        let mut out = Vec::new();
        for piece in pieces {
            recoding.push(piece, Progress::AsConvenient, &mut out);
        }
        recoding.push(b"", Progress::Finish, &mut out);
        out
    }

    #[test]
    fn characters_may_be_cut_between_pieces() {
        let text = "a€б😀".as_bytes();
        for position in 0..=text.len() {
            let table = CharsetTable::FromUtf8(HashMap::from([('€', 0x80)]));
            let (before, behind) = text.split_at(position);
            assert_eq!(recode(table, &[before, behind]), b"a\x80&#1073;&#128512;", "{position}");
        }
    }

    #[test]
    fn invalid_bytes_are_replaced() {
        let table = || CharsetTable::FromUtf8(HashMap::new());
        assert_eq!(recode(table(), &[b"a\xffb\xe2\x82"]), b"a?b?");
        assert_eq!(recode(table(), &[b"\xe2", b"x"]), b"?x");
    }
}
