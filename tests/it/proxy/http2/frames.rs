//! Frames of HTTP/2 (RFC 9113 section 4) as bytes, valid or not.

use std::io::{self, Read};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// END_STREAM of DATA and HEADERS, ACK of SETTINGS and PING.
pub(crate) const END: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

const ERRORS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
        Frame { kind, flags, stream, payload: payload.into() }
    }

    /// A HEADERS frame with all fields, in the order given.
    pub(crate) fn headers(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Frame {
        Frame::new(HEADERS, flags | END_HEADERS, stream, block(fields))
    }

    /// A GET of `/` on a stream.
    pub(crate) fn get(stream: u32) -> Frame {
        Frame::headers(END, stream, &pseudo_fields("GET", "/"))
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The name of the error in RST_STREAM and GOAWAY.
    pub(crate) fn error(&self) -> &'static str {
        let code = self.payload.get(if self.kind == GOAWAY { 4..8 } else { 0..4 });
        let code = code.and_then(|code| code.try_into().ok()).map_or(u32::MAX, u32::from_be_bytes);
        ERRORS.get(code as usize).copied().unwrap_or("(unknown)")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a short payload").to_be_bytes();
        let head = [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes()].concat();
        [&head[..], &self.payload].concat()
    }

    pub(crate) fn read(from: &mut impl Read) -> io::Result<Frame> {
        let mut head = [0; 9];
        from.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        from.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & (u32::MAX >> 1);
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }
}

/// The code of an error.
pub(crate) fn error_code(name: &str) -> u32 {
    let position = ERRORS.iter().position(|own| *own == name);
    u32::try_from(position.unwrap_or_else(|| panic!("unknown error {name:?}"))).expect("a small number")
}

pub(crate) fn pseudo_fields<'f>(method: &'f str, path: &'f str) -> [(&'f str, &'f str); 4] {
    [(":method", method), (":scheme", "http"), (":path", path), (":authority", "example.org")]
}

/// A block of literals without index and Huffman code (RFC 7541 section 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            integer(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn integer(out: &mut Vec<u8>, value: usize) {
    if value < 127 {
        out.push(u8::try_from(value).expect("below 127"));
        return;
    }
    out.push(127);
    let mut left = value - 127;
    while left >= 128 {
        out.push(u8::try_from(left % 128).expect("below 128") | 128);
        left /= 128;
    }
    out.push(u8::try_from(left).expect("below 128"));
}
