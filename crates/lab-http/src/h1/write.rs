//! Writers of heads. They append to the caller's buffer, so a head and a small body are sent in one write. Bytes are
//! not validated; see [`Headers::is_clean`](crate::Headers::is_clean).

use crate::message::head::{RequestHead, ResponseHead, Version};
use crate::message::headers::Headers;

/// The interim response that requests the body (RFC 9110 §15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Appends a whole request head, its final empty line included.
pub fn request_head(out: &mut Vec<u8>, head: &RequestHead) {
    request_line(out, head.method(), head.target(), head.version);
    fields(out, &head.headers);
    end(out);
}

/// Appends a whole response head, its final empty line included.
pub fn response_head(out: &mut Vec<u8>, head: &ResponseHead) {
    status_line(out, head.version, head.status, head.reason());
    fields(out, &head.headers);
    end(out);
}

pub fn request_line(out: &mut Vec<u8>, method: &[u8], target: &[u8], version: Version) {
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(target);
    out.push(b' ');
    out.extend_from_slice(version.text().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a status line, with a space even before an empty reason (RFC 9112 §4).
pub fn status_line(out: &mut Vec<u8>, version: Version, status: u16, reason: &[u8]) {
    out.extend_from_slice(version.text().as_bytes());
    out.push(b' ');
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Appends all field lines, without the empty line.
pub fn fields(out: &mut Vec<u8>, headers: &Headers) {
    for (name, value) in headers.iter() {
        field(out, name, value);
    }
}

#[inline]
pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    // once for the line instead of once for each part
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

pub fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

/// Appends the empty line that ends a head.
#[inline]
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

pub fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

pub fn hexadecimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 16];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_written_unchanged() {
        let mut head = RequestHead::new("GET", "/%7e?a=b", Version::Http11);
        head.headers.push("HOST", "a");
        head.headers.push("x-A", "");
        let mut out = Vec::new();
        request_head(&mut out, &head);
        assert_eq!(out, b"GET /%7e?a=b HTTP/1.1\r\nHOST: a\r\nx-A: \r\n\r\n");

        let mut out = Vec::new();
        response_head(&mut out, &ResponseHead::new(Version::Http10, 299, ""));
        assert_eq!(out, b"HTTP/1.0 299 \r\n\r\n");
    }

    #[test]
    fn smallest_and_largest_numbers() {
        for number in [0, 9, 10, 65_535, u64::MAX] {
            let mut out = Vec::new();
            decimal(&mut out, number);
            assert_eq!(String::from_utf8(out).expect("ASCII"), number.to_string());
            let mut out = Vec::new();
            hexadecimal(&mut out, number);
            assert_eq!(String::from_utf8(out).expect("ASCII"), format!("{number:x}"));
        }
    }
}
