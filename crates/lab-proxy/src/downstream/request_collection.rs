//! Collects a request's body before an upstream is contacted (`proxy_request_buffering`).

use std::path::Path;

use lab_http::h1::write;
use lab_http::{BodyLength, Version};

use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{RequestBodyError, RequestContext, RequestSource};
use crate::downstream::response_writer::ResponseWriter;
use crate::routing::route::BodyAdmission;
use crate::upstream::error::ForwardError;
use lab_net::turn::TurnBudget;

/// Collects the body if necessary. Returns how the head announces it to the upstream.
pub(crate) async fn collect(
    context: &mut RequestContext<'_>,
    pass: &ProxyPass,
    source: &mut RequestSource<'_, '_>,
    writer: &mut ResponseWriter<'_, '_>,
) -> Result<BodyLength, ForwardError> {
    if context.route.body == BodyAdmission::Refused {
        return Ok(BodyLength::Sized(0));
    }
    if !pass.request.passes_body && pass.request.body.is_none() {
        return Ok(pass.length_without_body());
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
    collect_body(context, source, writer).await?;
    Ok(BodyLength::Sized(source.body.collected()))
}

/// Collects the whole body, and asks the client for it if it waits for that.
pub(crate) async fn collect_body(
    context: &mut RequestContext<'_>,
    source: &mut RequestSource<'_, '_>,
    writer: &mut ResponseWriter<'_, '_>,
) -> Result<(), ForwardError> {
    let (rules, request) = (context.config(), context.request);
    let limit = rules.client_max_body_size;
    if request.expects_continue && source.body.received() == 0 {
        writer.outgoing.buffer().extend_from_slice(write::CONTINUE);
        if writer.flush().await.is_err() {
            return Err(ForwardError::ClientGone);
        }
    }
    let RequestSource { incoming, body, timer } = source;
    let Some(incoming) = incoming else { return Ok(()) };
    let mut turn = TurnBudget::default();
    while !body.is_complete() {
        let received = body.received();
        let collecting = body.collect(incoming, limit, &rules.buffering);
        let collected = timer.within(rules.client_body_timeout, collecting).await;
        if let Err(error) = collected.unwrap_or(Err(RequestBodyError::TimedOut)) {
            let severity = match error {
                RequestBodyError::File(_) => Severity::Crit,
                RequestBodyError::TooLarge => Severity::Error,
                _ => Severity::Info,
            };
            context.log_error(severity, &error.to_string(), None);
            // the client may take its time to read the response
            body.release();
            return Err(ForwardError::request_body(&error));
        }
        turn.spend(usize::try_from(body.received() - received).unwrap_or(usize::MAX)).await;
    }
    // for `$content_length` of a body that arrived in chunks
    context.outcome.request_body_bytes = body.received();
    context.outcome.request_body_file = body.file_path().map(Path::to_owned);
    if context.outcome.keeps_request_body
        && let Some(content) = body.in_memory()
    {
        context.outcome.request_body = content.to_vec();
    }
    Ok(())
}

fn is_collected(context: &RequestContext<'_>, pass: &ProxyPass) -> bool {
    // HTTP/1.0 has no chunks, so the whole body must arrive before its length can be announced
    let needs_length = pass.version == Version::Http10 && context.request.body == BodyLength::Chunked;
    context.config().buffering.requests || needs_length || pass.request.body.is_some()
}
