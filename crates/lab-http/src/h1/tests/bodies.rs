//! Bodies, most of them chunked.

use super::small_limits;
use crate::{BodyDecoder, BodyLength, Headers, Limits, Refusal};

/// A decoded body: its content, its trailers if it ended, and the number of bytes left after it.
#[derive(Debug, PartialEq, Eq)]
struct DecodedBody {
    content: Vec<u8>,
    trailers: Option<Headers>,
    ended: bool,
    left: usize,
}

/// Decodes `text`, at most `step` bytes at a time.
fn decode(length: BodyLength, text: &[u8], step: usize, limits: &Limits) -> Result<DecodedBody, Refusal> {
    let mut decoder = BodyDecoder::new(length, limits);
    let (mut content, mut at) = (Vec::new(), 0);
    while at < text.len() && !decoder.is_finished() {
        let piece = decoder.decode(&text[at..text.len().min(at + step)])?;
        content.extend_from_slice(&text[at + piece.framing..][..piece.content]);
        at += piece.framing + piece.content;
    }
    let ended = decoder.is_finished();
    Ok(DecodedBody { content, trailers: decoder.trailers().cloned(), ended, left: text.len() - at })
}

/// Decodes `text` whole and in small_limits steps, asserts that the results agree, and returns the result.
fn chunked(text: &str, limits: &Limits) -> Result<DecodedBody, Refusal> {
    let whole = decode(BodyLength::Chunked, text.as_bytes(), text.len().max(1), limits);
    for step in 1..4 {
        let stepped = decode(BodyLength::Chunked, text.as_bytes(), step, limits);
        assert_eq!(whole, stepped, "{text:?} in steps of {step}");
    }
    whole
}

#[test]
fn valid_chunks_are_joined() {
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
    for (text, content, left) in cases {
        let read = chunked(text, &small_limits()).unwrap();
        assert_eq!((read.content.as_slice(), read.ended, read.left), (content.as_bytes(), true, left), "{text:?}");
        assert!(read.trailers.unwrap().is_empty(), "{text:?}");
    }
}

#[test]
fn trailers_are_kept_apart() {
    let read = chunked("1\r\nx\r\n0\r\nX-Sum: 1\r\nx-sum:2\r\n\r\nGET", &small_limits()).unwrap();
    let expected: Headers = [("X-Sum", "1"), ("x-sum", "2")].into_iter().collect();
    assert!(read.trailers.unwrap().iter().eq(expected.iter()));
    assert_eq!((read.ended, read.left), (true, 3));
}

#[test]
fn malformed_chunks_are_refused() {
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
        assert_eq!(chunked(text, &small_limits()), Err(refusal), "{text:?}");
    }
}

#[test]
fn chunked_content_is_limited() {
    let limits = Limits { body: 5, ..small_limits() };
    assert!(chunked("2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n", &limits).is_ok());
    for text in ["6\r\n", "5\r\nHello\r\n1\r\n", "5\r\nHello\r\nffffffffffffffff\r\n"] {
        assert_eq!(chunked(text, &limits), Err(Refusal::BodyTooLarge), "{text:?}");
    }
}

#[test]
fn early_eof_is_truncation() {
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
        assert_eq!(decoder.handle_eof(), Err(Refusal::Truncated), "{text:?}");
    }
}

#[test]
fn sized_body_leaves_following_bytes() {
    let read = decode(BodyLength::Sized(5), b"HelloGET /", 100, &Limits::default()).unwrap();
    assert_eq!((read.content.as_slice(), read.ended, read.left), (&b"Hello"[..], true, 5));
    assert_eq!(decode(BodyLength::None, b"GET", 100, &Limits::default()).unwrap().left, 3);
    assert_eq!(BodyDecoder::new(BodyLength::Sized(7), &Limits::default()).remaining(), Some(7));
}

#[test]
fn body_until_close_ends_with_the_connection() {
    let mut decoder = BodyDecoder::new(BodyLength::UntilClose, &Limits::default());
    assert_eq!(decoder.decode(b"abc").unwrap().content, 3);
    assert!(!decoder.is_finished());
    assert_eq!(decoder.handle_eof(), Ok(()));
    assert!(decoder.is_finished());
}
