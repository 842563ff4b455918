//! Collecting a request's body before an upstream is contacted (`proxy_request_buffering`).

use lab_http::{BodyLength, Version, write};

use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{RequestBodyError, RequestContext, RequestSource};
use crate::downstream::response_writer::ResponseWriter;
use crate::routing::route::BodyAdmission;
use crate::upstream::error::ForwardError;

/// Reads as much of the body as has to be known beforehand; returns how the body is announced to the upstream.
pub(crate) async fn collect(
    context: &mut RequestContext<'_>,
    pass: &ProxyPass,
    source: &mut RequestSource<'_, '_>,
    writer: &mut ResponseWriter<'_, '_>,
) -> Result<BodyLength, ForwardError> {
    if context.route.body == BodyAdmission::Refused {
        return Ok(BodyLength::Sized(0));
    }
    let (rules, request) = (context.config(), context.request);
    let limit = rules.client_max_body_size;
    if let BodyLength::Sized(length) = request.body
        && limit.is_some_and(|limit| length > limit)
    {
        let message = format!("client intended to send too large body: {length} bytes");
        context.log_error(Severity::Error, &message, None);
        return Err(ForwardError::RequestBody(413));
    }
    if request.body.is_empty() || !is_collected(context, pass) {
        return Ok(request.body);
    }
    if request.expects_continue {
        writer.outgoing.buffer().extend_from_slice(write::CONTINUE);
        if writer.flush().await.is_err() {
            return Err(ForwardError::ClientGone);
        }
    }
    let RequestSource { incoming, body, timer } = source;
    while !body.is_complete() {
        let collecting = body.collect(incoming, limit, &rules.buffering);
        let collected = timer.within(rules.client_body_timeout, collecting).await;
        if let Err(error) = collected.unwrap_or(Err(RequestBodyError::TimedOut)) {
            let severity = match error {
                RequestBodyError::File(_) => Severity::Crit,
                RequestBodyError::TooLarge => Severity::Error,
                _ => Severity::Info,
            };
            context.log_error(severity, &error.to_string(), None);
            return Err(ForwardError::request_body(&error));
        }
    }
    Ok(BodyLength::Sized(body.collected()))
}

fn is_collected(context: &RequestContext<'_>, pass: &ProxyPass) -> bool {
    let request = context.request;
    // the upstream decides itself whether it wants the body (RFC 9110 §10.1.1)
    if request.expects_continue && pass.version == Version::Http11 {
        return false;
    }
    // HTTP/1.0 has no chunks, so a body has to be there before its length can be announced
    let needs_length = pass.version == Version::Http10 && request.body == BodyLength::Chunked;
    context.config().buffering.requests || needs_length
}
