//! Where a message's body ends (RFC 9112 §6). Two parties that disagree on it can be made to smuggle a request, so
//! whatever could be read in two ways is refused.

use crate::head::{RequestHead, ResponseHead, Version};
use crate::headers::Headers;
use crate::refusal::Refusal;
use crate::syntax::trim;

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body.
    None,
    /// So many bytes, as Content-Length says; possibly 0.
    Sized(u64),
    /// Chunks, up to the last one.
    Chunked,
    /// Everything up to the end of the connection: responses only.
    UntilClose,
}

impl BodyLength {
    /// Whether no byte of content can follow.
    #[must_use]
    pub fn is_empty(self) -> bool {
        matches!(self, BodyLength::None | BodyLength::Sized(0))
    }
}

/// How the body of a request is delimited (RFC 9112 §6.3).
pub fn request_body(head: &RequestHead) -> Result<BodyLength, Refusal> {
    Ok(declared(&head.headers, head.version)?.unwrap_or(BodyLength::None))
}

/// How the body of a response to `method` is delimited (RFC 9112 §6.3). The fields must be right even where there is
/// no body: after HEAD, and in 1xx, 204 and 304.
pub fn response_body(method: &[u8], head: &ResponseHead) -> Result<BodyLength, Refusal> {
    let declared = declared(&head.headers, head.version)?;
    if method == b"HEAD" || is_bodyless(head.status) {
        return Ok(BodyLength::None);
    }
    Ok(declared.unwrap_or(BodyLength::UntilClose))
}

/// Whether a response with this status never has a body (RFC 9110 §6.4.1).
#[must_use]
pub const fn is_bodyless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

/// What Content-Length and Transfer-Encoding say together.
fn declared(headers: &Headers, version: Version) -> Result<Option<BodyLength>, Refusal> {
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
    Err(judge_codings(headers))
}

/// The one Content-Length, digits only.
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

/// Says what is wrong with codings that are not one plain `chunked`: chunked twice or not last, or another coding.
fn judge_codings(headers: &Headers) -> Refusal {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let elements = |line: &'_ [u8]| line.split(|&byte| byte == b',').map(trim).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let codings: Vec<Vec<u8>> = headers.get_all("transfer-encoding").flat_map(elements).collect();
    let misplaced = codings.iter().position(|coding| is_chunked(coding)).is_some_and(|at| at + 1 < codings.len());
    if misplaced || codings.iter().any(Vec::is_empty) {
        return Refusal::TransferEncoding;
    }
    Refusal::TransferCodingUnknown
}
