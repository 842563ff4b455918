//! Proxied requests, from the collected body to the response: that of the cache or that of an upstream.

use lab_http::BodyLength;

use crate::config::proxy::pass::ProxyPass;
use crate::context::{ConnectionDisposition, RequestBody, RequestContext, RequestSource};
use crate::downstream::cache_reception;
use crate::downstream::cached::{self, CacheLookup};
use crate::downstream::cached_response;
use crate::downstream::client_io::ClientIo;
use crate::downstream::delivery::{Delivery, Undelivered};
use crate::downstream::request_collection::collect;
use crate::downstream::response_writer::ResponseWriter;
use crate::response::local::{self, LocalContent};
use crate::response::{Response, ResponseOverride};
use crate::routing::route::{BodyAdmission, ConnectionReuse};
use crate::upstream::Upstreams;
use crate::upstream::error::ForwardError;
use crate::upstream::forwarding::{Forwarding, Received};

/// What has become of a request that was passed to an upstream.
#[derive(Debug)]
pub(crate) enum Forwarded {
    /// The client got the response.
    Delivered(ConnectionDisposition),
    /// The response is complete: it comes from the cache, or it was collected, because other content is assembled with it.
    Collected(Box<Response>),
}

/// Passes a request to an upstream, and the response to the client.
///
/// # Errors
/// The substitute for the response, of which the client got nothing.
pub(crate) async fn forward(
    client: &mut ClientIo<'_>,
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    pass: &ProxyPass,
    body: &mut RequestBody,
) -> Result<Forwarded, ResponseOverride> {
    (context.cache, context.outcome.cache) = (None, None);
    // boxed, so that requests without a cache stay small
    if pass.cache.is_some()
        && let Some(response) = Box::pin(look_up(context, pass)).await?
    {
        return Ok(Forwarded::Collected(response));
    }
    let ClientIo { incoming, outgoing, read_timer, write_timer } = client;
    let is_unused = !pass.request.passes_body && pass.request.body.is_none();
    if is_unused && !body.is_complete() {
        // the next request follows the body that the upstream does not get
        let draining = body.drain(incoming, u64::MAX);
        let is_read = !context.request.expects_continue
            && matches!(read_timer.within(context.config().client_body_timeout, draining).await, Ok(true));
        if !is_read {
            context.route.connection = ConnectionReuse::Forbidden;
        }
    }
    let mut refused = RequestBody::new(BodyLength::None);
    let is_left_out = context.route.body == BodyAdmission::Refused || is_unused;
    let body = if is_left_out { &mut refused } else { body };
    if body.is_spent() {
        // it was streamed to another upstream, which did not respond
        return Err(ResponseOverride::page(502));
    }
    let mut source = RequestSource { incoming: Some(incoming), body, timer: read_timer };
    let mut writer = ResponseWriter::new(outgoing, write_timer, context.config().send_timeout);
    match exchange(context, upstreams, pass, &mut source, &mut writer).await {
        Ok(disposition) => Ok(Forwarded::Delivered(disposition)),
        Err(Undelivered::Collected(response)) => Ok(Forwarded::Collected(response)),
        Err(Undelivered::Override(substitute)) => Err(substitute),
        Err(Undelivered::Failed(error)) => without_response(context, error).map(Forwarded::Delivered),
    }
}

/// The response of the cache, if it has one that may be used.
async fn look_up(
    context: &mut RequestContext<'_>,
    pass: &ProxyPass,
) -> Result<Option<Box<Response>>, ResponseOverride> {
    let Some(config) = pass.cache.as_deref() else { return Ok(None) };
    let has_body = !context.request.body.is_empty();
    let (stored, update) = match cached::look_up(context, config, has_body).await.map_err(ResponseOverride::page)? {
        CacheLookup::Forward => return Ok(None),
        CacheLookup::Respond(stored) => (stored, None),
        CacheLookup::RespondAndUpdate(stored, update) => (stored, Some(update)),
        CacheLookup::Purged(key) => {
            let content = LocalContent::Text([b"purged ", &*key.text, b"\n"].concat());
            return local::respond(context, 200, content).map(|response| Some(Box::new(response)));
        }
    };
    let response = cached_response::respond(context, pass, *stored)?;
    context.update = update;
    Ok(Some(Box::new(response)))
}

/// What becomes of a request whose upstream failed with this status: the cache may have a stale response.
fn after_failure(context: &mut RequestContext<'_>, pass: &ProxyPass, error: ForwardError) -> Undelivered {
    let stored = match error {
        ForwardError::Status(status) => cache_reception::after_failure(context, pass, status),
        _ => None,
    };
    match stored {
        Some(stored) => Undelivered::stored(context, pass, *stored),
        None => error.into(),
    }
}

/// Obtains a response and delivers it. The request is sent again if the cache must have another response.
async fn exchange(
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    pass: &ProxyPass,
    source: &mut RequestSource<'_, '_>,
    writer: &mut ResponseWriter<'_, '_>,
) -> Result<ConnectionDisposition, Undelivered> {
    let mut length = collect(context, pass, source, writer).await?;
    let mut own_body = pass.request.body.as_ref().map(|body| RequestBody::of_bytes(body.value(&context.scope())));
    let RequestSource { incoming, body, timer } = source;
    let source = &mut match &mut own_body {
        Some(own) => {
            length = BodyLength::Sized(own.collected());
            RequestSource { incoming: incoming.as_deref_mut(), body: own, timer }
        }
        None => RequestSource { incoming: incoming.as_deref_mut(), body, timer },
    };
    loop {
        if let Some(disposition) = exchange_once(context, upstreams, pass, length, source, writer).await? {
            return Ok(disposition);
        }
    }
}

/// Obtains a response and delivers it. None if the request must be sent again.
async fn exchange_once(
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    pass: &ProxyPass,
    length: BodyLength,
    source: &mut RequestSource<'_, '_>,
    writer: &mut ResponseWriter<'_, '_>,
) -> Result<Option<ConnectionDisposition>, Undelivered> {
    let mut forwarding = match Forwarding::new(context, upstreams, pass, length).await {
        Ok(forwarding) => forwarding,
        Err(error) => return Err(after_failure(context, pass, error)),
    };
    loop {
        let received = match forwarding.receive(context, source).await {
            Ok(received) => received,
            Err(error) => return Err(after_failure(context, pass, error)),
        };
        let head = match received {
            Received::Final(response) => {
                let mut delivery = Delivery { forwarding: &mut forwarding, pass, source, writer };
                return delivery.deliver(context, response).await;
            }
            Received::Switching(head) => {
                let mut delivery = Delivery { forwarding: &mut forwarding, pass, source, writer };
                return Ok(Some(delivery.tunnel(context, head).await));
            }
            Received::Interim(head) => head,
        };
        let mut delivery = Delivery { forwarding: &mut forwarding, pass, source, writer };
        if let Err(disposition) = delivery.interim(context, head).await {
            return Ok(Some(disposition));
        }
    }
}

/// The fate of a request without a response.
pub(crate) fn without_response(
    context: &mut RequestContext<'_>,
    error: ForwardError,
) -> Result<ConnectionDisposition, ResponseOverride> {
    match error {
        ForwardError::Status(status) => Err(ResponseOverride::page(status)),
        ForwardError::RequestBody(status) => {
            context.route.body = BodyAdmission::Refused;
            Err(ResponseOverride::page(status))
        }
        ForwardError::ClientGone => {
            // as nginx logs a client that did not wait for its response
            context.outcome.status = 499;
            Ok(ConnectionDisposition::Abort)
        }
        ForwardError::Aborted => Ok(ConnectionDisposition::Abort),
    }
}
