//! `add_trailer`: fields behind a body (RFC 9110 §6.5), in HTTP/1.1 behind its last chunk.

use lab_http::message::is_bodyless;
use lab_http::{Headers, Version};

use crate::context::{RequestContext, replace_control_characters};
use crate::eval::Scope;
use crate::response::Response;

/// Prepares the response for trailers, if it gets any: in HTTP/1.1 its body is sent in chunks, also if its length is known.
pub(crate) fn prepare(context: &RequestContext<'_>, response: &mut Response) {
    let rules = context.config();
    let status = response.head.status;
    // as in nginx, a value with variables may turn out to be empty
    let has_any = || rules.trailers.for_status(status).any(|line| line.value.constant() != Some(b""));
    let can_carry = match context.request.head.version {
        Version::Http10 => false,
        Version::Http11 => rules.chunks,
        Version::Http2 => true,
    };
    if can_carry && !context.is_head() && !is_bodyless(status) && has_any() {
        if context.request.head.version == Version::Http11 {
            response.head.fields_mut().remove("Content-Length");
        }
        response.has_trailers = true;
    }
}

/// The trailers at the end of the body.
pub(crate) fn evaluate(scope: &Scope<'_>, status: u16) -> Headers {
    let mut trailers = Headers::new();
    for line in scope.route.location.config.trailers.for_status(status) {
        let mut value = line.value.value(scope);
        if !value.is_empty() {
            replace_control_characters(&mut value);
            trailers.push(&line.name, value);
        }
    }
    trailers
}
