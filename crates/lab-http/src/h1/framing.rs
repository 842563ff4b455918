//! The length of a message's body (RFC 9112 §6). Disagreement about it between two parties allows request smuggling, so
//! ambiguous framing is refused.

use crate::message::head::{RequestHead, ResponseHead, Version, is_bodyless};
use crate::message::headers::Headers;
use crate::message::refusal::Refusal;
use crate::message::syntax::trim;

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    None,
    /// The length in Content-Length, possibly 0.
    Sized(u64),
    Chunked,
    /// Until the connection ends; responses only.
    UntilClose,
}

impl BodyLength {
    /// Whether the body has no content.
    #[must_use]
    pub fn is_empty(self) -> bool {
        matches!(self, BodyLength::None | BodyLength::Sized(0))
    }
}

/// How the body of a request is delimited (RFC 9112 §6.3).
pub fn request_body(head: &RequestHead) -> Result<BodyLength, Refusal> {
    Ok(declared_length(&head.headers, head.version)?.unwrap_or(BodyLength::None))
}

/// How the body of a response to `method` is delimited (RFC 9112 §6.3). The fields must be valid even if there is no
/// body: after HEAD, and for 1xx, 204 and 304.
pub fn response_body(method: &[u8], head: &ResponseHead) -> Result<BodyLength, Refusal> {
    let declared = declared_length(&head.headers, head.version)?;
    if method == b"HEAD" || is_bodyless(head.status) {
        return Ok(BodyLength::None);
    }
    Ok(declared.unwrap_or(BodyLength::UntilClose))
}

/// The length that Content-Length and Transfer-Encoding declare together.
fn declared_length(headers: &Headers, version: Version) -> Result<Option<BodyLength>, Refusal> {
    let length = content_length(headers)?;
    let mut codings = headers.get_all("transfer-encoding");
    let Some(coding) = codings.next() else { return Ok(length.map(BodyLength::Sized)) };
    if version == Version::Http10 {
        return Err(Refusal::TransferEncodingInHttp10);
    }
    if length.is_some() {
        return Err(Refusal::ContentLengthAndTransferEncoding);
    }
    if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() {
        return Ok(Some(BodyLength::Chunked));
    }
    Err(codings_refusal(headers))
}

/// The single Content-Length, digits only.
fn content_length(headers: &Headers) -> Result<Option<u64>, Refusal> {
    let mut lines = headers.get_all("content-length");
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(Refusal::ContentLengthRepeated);
    }
    if line.is_empty() {
        return Err(Refusal::ContentLength);
    }
    line.iter()
        .try_fold(0_u64, |sum, digit| match digit {
            b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
            _ => None,
        })
        .map(Some)
        .ok_or(Refusal::ContentLength)
}

/// The transfer codings of RFC 9112 §7.2 with their aliases, and one of RFC 2616.
const KNOWN_CODINGS: [&[u8]; 6] = [b"gzip", b"x-gzip", b"compress", b"x-compress", b"deflate", b"identity"];

/// Why the codings are refused: chunked twice, not last or missing, or another coding.
fn codings_refusal(headers: &Headers) -> Refusal {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let elements = |line: &'_ [u8]| line.split(|&byte| byte == b',').map(trim).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let codings: Vec<Vec<u8>> = headers.get_all("transfer-encoding").flat_map(elements).collect();
    let misplaced = codings.iter().position(|coding| is_chunked(coding)).is_some_and(|at| at + 1 < codings.len());
    if misplaced || codings.iter().any(Vec::is_empty) {
        return Refusal::TransferEncoding;
    }
    let is_known = |coding: &[u8]| KNOWN_CODINGS.iter().any(|known| coding.eq_ignore_ascii_case(known));
    if codings.iter().all(|coding| is_known(coding)) {
        return Refusal::ChunkedMissing;
    }
    Refusal::TransferCodingUnknown
}
