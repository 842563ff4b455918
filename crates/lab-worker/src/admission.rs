//! Which requests a worker hands to its application: those that `lab-http` finds valid, and that gunicorn accepts. Pure.

use lab_http::h1::request::{ValidRequest, validate_request};
use lab_http::{BodyDecoder, BodyLength, Limits, Refusal, RequestHead};

/// Fields that concern framing, routing or authentication, so that a trailer section must not have them (RFC 9110 §6.5.1);
/// gunicorn's list.
const FORBIDDEN_TRAILERS: [&str; 6] = ["host", "content-length", "transfer-encoding", "trailer", "authorization", "te"];

/// Validates a request before its body is read.
///
/// # Errors
/// The request is invalid, its target has bytes that are not ASCII (RFC 3986 §2), it has an expectation other than
/// `100-continue` (RFC 9110 §10.1.1), or its Content-Length is beyond the limit.
pub fn admit<'h>(head: &'h RequestHead, limits: &Limits) -> Result<ValidRequest<'h>, Refusal> {
    let valid = validate_request(head)?;
    if !head.target().is_ascii() {
        return Err(Refusal::Target);
    }
    if head.headers.list("expect").any(|expectation| !expectation.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Refusal::ExpectationUnknown);
    }
    match valid.body {
        BodyLength::Sized(length) if length > limits.body => Err(Refusal::BodyTooLarge),
        _ => Ok(valid),
    }
}

/// Checks the trailer fields of a body that was read to its end.
///
/// # Errors
/// A trailer field is forbidden.
pub fn check_trailers(body: &BodyDecoder) -> Result<(), Refusal> {
    let Some(trailers) = body.trailers() else { return Ok(()) };
    if FORBIDDEN_TRAILERS.iter().any(|name| trailers.contains(name)) { Err(Refusal::TrailerForbidden) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use lab_http::Version;

    use super::*;

    fn admitted(target: &str, fields: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut head = RequestHead::new("POST", target, Version::Http11);
        head.headers.push("Host", "a");
        for (name, value) in fields {
            head.headers.push(name, value);
        }
        admit(&head, &Limits { body: 5, ..Limits::default() }).map(drop)
    }

    #[test]
    fn requests_that_gunicorn_refuses_are_refused() {
        assert_eq!(admitted("/caf%C3%A9", &[]), Ok(()));
        assert_eq!(admitted("/caf\u{e9}", &[]), Err(Refusal::Target));
        assert_eq!(admitted("/", &[("Expect", "100-Continue")]), Ok(()));
        assert_eq!(admitted("/", &[("Expect", "")]), Ok(()));
        assert_eq!(admitted("/", &[("Expect", "200-ok")]), Err(Refusal::ExpectationUnknown));
        assert_eq!(admitted("/", &[("Expect", "100-continue, x")]), Err(Refusal::ExpectationUnknown));
    }

    #[test]
    fn announced_length_is_limited() {
        assert_eq!(admitted("/", &[("Content-Length", "5")]), Ok(()));
        assert_eq!(admitted("/", &[("Content-Length", "6")]), Err(Refusal::BodyTooLarge));
        assert_eq!(admitted("/", &[("Transfer-Encoding", "chunked")]), Ok(()));
    }

    #[test]
    fn trailers_must_not_change_the_message() {
        let checked = |trailer: &str| {
            let mut body = BodyDecoder::new(BodyLength::Chunked, &Limits::default());
            body.decode(format!("0\r\n{trailer}\r\n").as_bytes()).unwrap();
            assert!(body.is_finished());
            check_trailers(&body)
        };
        assert_eq!(checked(""), Ok(()));
        assert_eq!(checked("X-Sum: 1\r\n"), Ok(()));
        for name in ["Host", "content-length", "Transfer-Encoding", "Trailer", "AUTHORIZATION", "TE"] {
            assert_eq!(checked(&format!("{name}: 1\r\n")), Err(Refusal::TrailerForbidden), "{name}");
        }
    }
}
