//! The head of an entry's file: the metadata of a response, in front of its content.
//!
//! ```text
//! 0    magic                     8 bytes
//! 8    checksum of all that follows in the head (CRC-32)
//! 12   kind                      1 a response, 2 a vary record
//! 16   length of the head, of the key, of the variant, of the text    4 bytes each
//! 32   length of the content     8 bytes
//! 40   terms
//! 80   generation                8 bytes
//! 88   key, variant, text
//! ```
//!
//! Numbers are little-endian. The text of a response is its head as HTTP/1.1 writes it, so that the parser of responses
//! reads it. A vary record has the digests of its variants in place of a variant. A file with another magic is of another
//! version, and no entry.

use lab_http::h1::Limits;
use lab_http::h1::parse::ResponseParser;
use lab_http::{Headers, ResponseHead};

use super::digest::{self, Digest};
use crate::policy::terms::Terms;

const MAGIC: &[u8; 8] = b"labcach1";
const CHECKED_FROM: usize = 12;
pub(super) const FIXED: usize = 88;
/// The longest head. Keys and heads are bounded far below this by what a proxy accepts.
const MAX_LENGTH: usize = 1 << 20;
const RESPONSE: u32 = 1;
const VARY: u32 = 2;

/// A stored response without its content.
#[derive(Debug, Clone)]
pub struct EntryHead {
    pub key: Vec<u8>,
    /// What [`vary::variant`](crate::policy::vary::variant) made of its request; empty if the response does not vary.
    pub variant: Vec<u8>,
    pub terms: Terms,
    pub response: ResponseHead,
}

/// The fields by which the responses of a key vary, in place of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VaryRecord {
    pub key: Vec<u8>,
    /// A part of the digests of the responses, so that none is found once the record is gone.
    pub generation: u64,
    /// Sorted names in lower case, the set of the latest response first.
    pub sets: Vec<Vec<Vec<u8>>>,
    /// The responses, in the order in which they were stored first.
    pub variants: Vec<Digest>,
}

/// What a file holds.
#[derive(Debug)]
pub(super) enum Record {
    Response(Box<EntryHead>),
    Vary(VaryRecord),
}

/// The lengths in the fixed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) head: usize,
    pub(super) content: u64,
}

/// The lengths that the beginning of a file announces. None if it is no entry.
pub(super) fn lengths(text: &[u8]) -> Option<Lengths> {
    let fixed = text.get(..FIXED)?;
    let head = number(fixed, 16) as usize;
    let is_valid = fixed.starts_with(MAGIC) && (FIXED..=MAX_LENGTH).contains(&head);
    is_valid.then(|| Lengths { head, content: long(fixed, 32) })
}

/// Reads a whole head. None if it is damaged.
pub(super) fn decode(head: &[u8]) -> Option<Record> {
    lengths(head).filter(|lengths| lengths.head == head.len())?;
    (crc32fast::hash(&head[CHECKED_FROM..]) == number(head, 8)).then_some(())?;
    let [key, variant, text] = [20, 24, 28].map(|at| number(head, at) as usize);
    let (key, rest) = head[FIXED..].split_at_checked(key)?;
    let (variant, rest) = rest.split_at_checked(variant)?;
    (rest.len() == text).then_some(())?;
    match number(head, 12) {
        RESPONSE => {
            let (response, _) = ResponseParser::default().advance(rest, &LIMITS).ok()??;
            let terms = decode_terms(head);
            Some(Record::Response(Box::new(EntryHead {
                key: key.to_vec(),
                variant: variant.to_vec(),
                terms,
                response,
            })))
        }
        VARY => {
            let names = |set: &[u8]| set.split(|&byte| byte == b',').map(<[u8]>::to_vec).collect();
            let sets = rest.split(|&byte| byte == b'\n').filter(|set| !set.is_empty()).map(names).collect();
            let (variants, []) = variant.as_chunks::<{ digest::LENGTH }>() else { return None };
            let variants = variants.iter().map(|bytes| Digest::from_bytes(*bytes)).collect();
            Some(Record::Vary(VaryRecord { key: key.to_vec(), generation: long(head, 80), sets, variants }))
        }
        _ => None,
    }
}

/// The bounds were checked when the response arrived.
const LIMITS: Limits = Limits {
    start_line: MAX_LENGTH,
    field: MAX_LENGTH,
    fields: usize::MAX,
    head: MAX_LENGTH,
    chunk_extension: 0,
    chunk_extensions: 0,
    trailers: 0,
    body: 0,
    allows_bare_lf: false,
};

impl EntryHead {
    /// The head in front of `content` bytes; None if it is too long.
    pub(super) fn encode(&self, content: u64) -> Option<Vec<u8>> {
        let mut text = Vec::with_capacity(self.response.headers.len() * 32 + 64);
        text.extend_from_slice(b"HTTP/1.1 ");
        text.extend_from_slice(self.response.status.to_string().as_bytes());
        text.push(b' ');
        text.extend_from_slice(self.response.reason());
        text.extend_from_slice(b"\r\n");
        write_fields(&self.response.headers, &mut text);
        text.extend_from_slice(b"\r\n");
        encode(RESPONSE, [&self.key, &self.variant, &text], content, &self.terms, 0)
    }
}

impl VaryRecord {
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let lines: Vec<Vec<u8>> = self.sets.iter().map(|names| names.join(&b',')).collect();
        let variants: Vec<u8> = self.variants.iter().flat_map(Digest::bytes).collect();
        encode(VARY, [&self.key, &variants, &lines.join(&b'\n')], 0, &Terms::default(), self.generation)
    }
}

fn write_fields(fields: &Headers, text: &mut Vec<u8>) {
    for (name, value) in fields.iter() {
        text.extend_from_slice(name);
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
    }
}

fn encode(kind: u32, parts: [&[u8]; 3], content: u64, terms: &Terms, generation: u64) -> Option<Vec<u8>> {
    let length = FIXED + parts.iter().map(|part| part.len()).sum::<usize>();
    (length <= MAX_LENGTH).then_some(())?;
    let mut head = Vec::with_capacity(length);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&[0; 4]);
    for number in [kind as usize, length, parts[0].len(), parts[1].len(), parts[2].len()] {
        // OK because all of them are below `MAX_LENGTH`
        head.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    }
    head.extend_from_slice(&content.to_le_bytes());
    encode_terms(terms, &mut head);
    head.extend_from_slice(&generation.to_le_bytes());
    parts.iter().for_each(|part| head.extend_from_slice(part));
    let checksum = crc32fast::hash(&head[CHECKED_FROM..]);
    head[8..CHECKED_FROM].copy_from_slice(&checksum.to_le_bytes());
    Some(head)
}

fn encode_terms(terms: &Terms, head: &mut Vec<u8>) {
    head.extend_from_slice(&terms.received.to_le_bytes());
    for seconds in [terms.initial_age, terms.lifetime, terms.stale_while_revalidate, terms.stale_if_error] {
        head.extend_from_slice(&seconds.to_le_bytes());
    }
    let flags = u32::from(terms.is_validated_always) | u32::from(terms.is_never_stale) << 1;
    head.extend_from_slice(&flags.to_le_bytes());
    head.extend_from_slice(&[0; 12]);
}

fn decode_terms(head: &[u8]) -> Terms {
    let flags = number(head, 64);
    Terms {
        received: long(head, 40).cast_signed(),
        initial_age: number(head, 48),
        lifetime: number(head, 52),
        stale_while_revalidate: number(head, 56),
        stale_if_error: number(head, 60),
        is_validated_always: flags & 1 != 0,
        is_never_stale: flags & 2 != 0,
    }
}

/// The number of four bytes at a position, which must exist.
fn number(text: &[u8], at: usize) -> u32 {
    text[at..at + 4].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn long(text: &[u8], at: usize) -> u64 {
    u64::from(number(text, at)) | u64::from(number(text, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use lab_http::Version;

    use super::*;

    fn sample() -> EntryHead {
        let mut response = ResponseHead::new(Version::Http11, 203, "Odd Reason");
        response.headers.push("ETag", "\"a\"");
        response.headers.push("Set-Cookie", "x=1");
        response.headers.push("set-cookie", "");
        let terms = Terms {
            received: -5,
            initial_age: 1,
            lifetime: 2,
            stale_while_revalidate: 3,
            stale_if_error: u32::MAX,
            is_validated_always: false,
            is_never_stale: true,
        };
        EntryHead { key: b"httpexample.org/\xff".to_vec(), variant: b"foo:1\n".to_vec(), terms, response }
    }

    #[test]
    fn heads_of_responses_survive_encoding() {
        let own = sample();
        let text = own.encode(7).unwrap();
        assert_eq!(lengths(&text), Some(Lengths { head: text.len(), content: 7 }));
        let Some(Record::Response(read)) = decode(&text) else { panic!("a response") };
        assert_eq!((&read.key, &read.variant, read.terms), (&own.key, &own.variant, own.terms));
        assert_eq!((read.response.status, read.response.reason()), (203, &b"Odd Reason"[..]));
        let lines = |head: &ResponseHead| -> Vec<(Vec<u8>, Vec<u8>)> {
            head.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
        };
        assert_eq!(lines(&read.response), lines(&own.response));
    }

    #[test]
    fn vary_records_survive_encoding() {
        let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        let sets = vec![names(&["accept", "foo"]), names(&["foo"])];
        let variants = vec![Digest::of_key(b"a"), Digest::of_key(b"b")];
        let own = VaryRecord { key: b"k".to_vec(), generation: u64::MAX - 1, sets, variants };
        let Some(Record::Vary(read)) = decode(&own.encode().unwrap()) else { panic!("a vary record") };
        assert_eq!(read, own);
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let text = sample().encode(7).unwrap();
        for position in 0..text.len() {
            let mut damaged = text.clone();
            damaged[position] ^= 0x10;
            assert!(decode(&damaged).is_none(), "{position}");
        }
        for length in 0..text.len() {
            assert!(decode(&text[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn other_files_are_no_entries() {
        for text in [&b""[..], b"labcach", &[0; 200], &[0xff; 200], b"labcach1"] {
            assert!(lengths(text).is_none() && decode(text).is_none());
        }
        let mut long = sample();
        long.key = vec![b'a'; MAX_LENGTH];
        assert!(long.encode(0).is_none());
    }
}
