//! Bodies, above all chunked ones.

use super::small;
use crate::{BodyDecoder, BodyLength, Headers, Limits, Refusal};

/// What became of a body: its content, its trailers if it ended, and what was left behind it.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    content: Vec<u8>,
    trailers: Option<Headers>,
    ended: bool,
    behind: usize,
}

/// Decodes `text`, handing out at most `step` bytes at a time.
fn decode(length: BodyLength, text: &[u8], step: usize, limits: &Limits) -> Result<Read, Refusal> {
    let mut decoder = BodyDecoder::new(length, limits);
    let (mut content, mut at) = (Vec::new(), 0);
    while at < text.len() && !decoder.is_at_end() {
        let piece = decoder.decode(&text[at..text.len().min(at + step)])?;
        content.extend_from_slice(&text[at + piece.framing..][..piece.content]);
        at += piece.framing + piece.content;
    }
    let ended = decoder.is_at_end();
    Ok(Read { content, trailers: decoder.trailers().cloned(), ended, behind: text.len() - at })
}

/// Decodes `text` whole and in small steps, asserts that all agree, and returns the outcome.
fn chunked(text: &str, limits: &Limits) -> Result<Read, Refusal> {
    let whole = decode(BodyLength::Chunked, text.as_bytes(), text.len().max(1), limits);
    for step in 1..4 {
        let stepped = decode(BodyLength::Chunked, text.as_bytes(), step, limits);
        assert_eq!(whole, stepped, "{text:?} in steps of {step}");
    }
    whole
}

#[test]
fn sound_chunks_are_put_together() {
    let cases = [
        ("0\r\n\r\n", "", 0),
        ("5\r\nHello\r\n0\r\n\r\n", "Hello", 0),
        ("5\r\nHello\r\n00a\r\n, world...\r\n0\r\n\r\nGET /", "Hello, world...", 5),
        ("A\r\n0123456789\r\n000\r\n\r\n", "0123456789", 0),
        ("0000000000000001\r\nx\r\n0\r\n\r\n", "x", 0),
        ("1;a\r\nx\r\n0;b=c\r\n\r\n", "x", 0),
        ("1;a=\"b;\\\"\"\r\nx\r\n0\r\n\r\n", "x", 0),
        ("1 ; a = b\r\nx\r\n0\r\n\r\n", "x", 0),
    ];
    for (text, content, behind) in cases {
        let read = chunked(text, &small()).unwrap();
        assert_eq!((read.content.as_slice(), read.ended, read.behind), (content.as_bytes(), true, behind), "{text:?}");
        assert!(read.trailers.unwrap().is_empty(), "{text:?}");
    }
}

#[test]
fn trailers_are_kept_apart() {
    let read = chunked("1\r\nx\r\n0\r\nX-Sum: 1\r\nx-sum:2\r\n\r\nGET", &small()).unwrap();
    let expected: Headers = [("X-Sum", "1"), ("x-sum", "2")].into_iter().collect();
    assert!(read.trailers.unwrap().iter().eq(expected.iter()));
    assert_eq!((read.ended, read.behind), (true, 3));
}

#[test]
fn unsound_chunks_are_refused() {
    use Refusal::*;
    let cases = [
        // sizes
        ("\r\n", ChunkSize),
        (" 5\r\nHello", ChunkSize),
        ("0x5\r\nHello", ChunkSize),
        ("+5\r\nHello", ChunkSize),
        ("-1\r\n", ChunkSize),
        ("5_\r\n", ChunkSize),
        ("g\r\n", ChunkSize),
        (";a\r\n", ChunkSize),
        ("10000000000000000\r\n", ChunkSize),
        ("00000000000000005\r\n", ChunkSize),
        // line ends
        ("5\nHello", BareLf),
        ("5\rHello", BareCr),
        ("5;a\nHello", BareLf),
        ("5\r\nHello\n0\r\n\r\n", ChunkEnd),
        ("5\r\nHello\rX", ChunkEnd),
        ("5\r\nHello0\r\n\r\n", ChunkEnd),
        ("5\r\nHello!\r\n0\r\n\r\n", ChunkEnd),
        ("0\r\n\n", BareLf),
        ("0\r\nX: y\n\r\n", BareLf),
        // extensions
        ("5;\r\nHello", ChunkExtension),
        ("5;;a\r\nHello", ChunkExtension),
        ("5 \r\nHello", ChunkExtension),
        ("5 a\r\nHello", ChunkExtension),
        ("5;a=\r\nHello", ChunkExtension),
        ("5;a=\"b\r\nHello", ChunkExtension),
        ("5;a b\r\nHello", ChunkExtension),
        ("5;a\0\r\nHello", ChunkExtension),
        ("5;aaaaaaaaaaaa\r\nHello", ChunkExtensionTooLong),
        ("1;aaaaaaaaa\r\nx\r\n1;bbbbbbbbbbb\r\nx", ChunkExtensionTooLong),
        // trailers
        ("0\r\nX\r\n\r\n", FieldName),
        ("0\r\nX : y\r\n\r\n", SpaceBeforeColon),
        ("0\r\nX: y\r\n z\r\n\r\n", Folded),
        ("0\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n", FieldTooLong),
        ("0\r\nX: aaaaaaaaaaaaaaaaaaaaaaaa\r\nY: aaaaaaaaaaaaaaaaaaaaaaaa\r\nZ: a\r\n\r\n", TrailersTooLong),
        ("0\r\nA:\r\nB:\r\nC:\r\nD:\r\nE:\r\n\r\n", TooManyFields),
    ];
    for (text, refusal) in cases {
        assert_eq!(chunked(text, &small()), Err(refusal), "{text:?}");
    }
}

#[test]
fn an_early_end_is_no_end() {
    let cases = [
        (BodyLength::Chunked, "5\r\nHello\r\n0\r\n"),
        (BodyLength::Chunked, "5\r\nHel"),
        (BodyLength::Sized(5), "Hel"),
    ];
    for (length, text) in cases {
        let mut decoder = BodyDecoder::new(length, &Limits::default());
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let piece = decoder.decode(rest).unwrap();
            rest = &rest[piece.framing + piece.content..];
        }
        assert_eq!(decoder.end_of_connection(), Err(Refusal::Truncated), "{text:?}");
    }
}

#[test]
fn a_sized_body_leaves_what_follows() {
    let read = decode(BodyLength::Sized(5), b"HelloGET /", 100, &Limits::default()).unwrap();
    assert_eq!((read.content.as_slice(), read.ended, read.behind), (&b"Hello"[..], true, 5));
    assert_eq!(decode(BodyLength::None, b"GET", 100, &Limits::default()).unwrap().behind, 3);
    assert_eq!(BodyDecoder::new(BodyLength::Sized(7), &Limits::default()).left(), Some(7));
}

#[test]
fn a_body_until_close_ends_with_the_connection() {
    let mut decoder = BodyDecoder::new(BodyLength::UntilClose, &Limits::default());
    assert_eq!(decoder.decode(b"abc").unwrap().content, 3);
    assert!(!decoder.is_at_end());
    assert_eq!(decoder.end_of_connection(), Ok(()));
    assert!(decoder.is_at_end());
}
