//! Decodes the content codings of a response's body (RFC 9110, section 8.4). Pure.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::observed::Observed;

/// More than a response of an application has; a small body can decode to any size.
const LARGEST: u64 = 64 << 20;

/// A body as text, as [`Observed`] has it.
pub(super) struct Content {
    pub(super) text: String,
    /// Whether each character of `text` stands for a byte.
    pub(super) is_binary: bool,
}

impl Content {
    fn from_bytes(bytes: Vec<u8>) -> Content {
        match String::from_utf8(bytes) {
            Ok(text) => Content { text, is_binary: false },
            Err(error) => Content { text: error.into_bytes().into_iter().map(char::from).collect(), is_binary: true },
        }
    }
}

/// The content of a body with a content coding; None without one.
///
/// # Errors
/// Why the body cannot be decoded.
pub(super) fn decoded(observed: &Observed) -> Result<Option<Content>, String> {
    let codings = observed.lines("content-encoding").flat_map(|line| line.split(',')).map(str::trim);
    let codings: Vec<String> = codings.map(str::to_ascii_lowercase).filter(|coding| coding != "identity").collect();
    if codings.is_empty() || observed.body.is_empty() {
        return Ok(None);
    }
    let mut bytes = observed.body_bytes().into_owned();
    // They are listed in the order in which they were applied.
    for coding in codings.iter().rev() {
        bytes = decode(coding, &bytes)?;
    }
    Ok(Some(Content::from_bytes(bytes)))
}

fn decode(coding: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let decoded = match coding {
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(bytes)),
        // RFC 9110, section 8.4.1.2: zlib's format, which some servers leave out.
        "deflate" => read(ZlibDecoder::new(bytes)).or_else(|_| read(DeflateDecoder::new(bytes))),
        "br" => read(brotli_decompressor::Decompressor::new(bytes, 4096)),
        "zstd" => ruzstd::decoding::StreamingDecoder::new(bytes).map_err(|error| error.to_string()).and_then(read),
        other => return Err(format!("lab cannot decode `{other}`")),
    };
    decoded.map_err(|error| format!("the body is not {coding}: {error}"))
}

fn read(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    reader.take(LARGEST + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    match content.len() as u64 > LARGEST {
        true => Err(format!("it decodes to more than {LARGEST} bytes")),
        false => Ok(content),
    }
}
