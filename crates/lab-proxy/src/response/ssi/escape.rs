//! How `echo` writes values.

use crate::routing::uri;

pub(super) fn escape_url(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        let is_kept = !matches!(
            byte,
            0..=0x20 | b'"' | b'#' | b'%' | b'\'' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f..
        );
        if !is_kept {
            out.extend([b'%', uri::hex_digit(byte >> 4), uri::hex_digit(byte & 15)]);
        } else {
            out.push(byte);
        }
    }
    out
}

pub(super) fn escape_entities(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            other => out.push(other),
        }
    }
    out
}
