//! The exchange of a subrequest with the cache and an upstream. The client does not get its response as it is.

use std::task::Poll;

use lab_cache::store::StoredResponse;
use lab_http::BodyLength;
use lab_net::deadline::now_or_pending;

use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{RequestContext, RequestSource};
use crate::downstream::cache_reception::{self, CacheReception};
use crate::downstream::cached::{self, CacheLookup};
use crate::downstream::cached_response;
use crate::response::{Body, Response};
use crate::upstream::Upstreams;
use crate::upstream::error::ForwardError;
use crate::upstream::forwarding::{Forwarding, Received};

/// A response is read up to this many bytes, so that its connection can be used again.
const DRAINED: usize = 64 * 1024;

/// The response to a subrequest.
pub(crate) enum SubrequestResponse<'f> {
    /// It comes from the cache.
    Stored(Box<StoredResponse>),
    /// It comes from an upstream; the exchange ends with its body.
    Received(Box<Forwarding<'f>>, Box<Response>),
}

/// Obtains the response to a subrequest, whose head announces a body of this length.
///
/// # Errors
/// There is none.
pub(crate) async fn fetch<'f>(
    context: &mut RequestContext<'_>,
    upstreams: &'f Upstreams,
    pass: &'f ProxyPass,
    length: BodyLength,
    source: &mut RequestSource<'_, '_>,
) -> Result<SubrequestResponse<'f>, ForwardError> {
    (context.cache, context.outcome.cache) = (None, None);
    if let Some(config) = pass.cache.as_deref() {
        // boxed, so that subrequests without a cache stay small
        let looking_up = Box::pin(cached::look_up(context, config, !length.is_empty()));
        match looking_up.await.map_err(ForwardError::Status)? {
            CacheLookup::Forward => {}
            CacheLookup::Respond(stored) => return Ok(SubrequestResponse::Stored(stored)),
            CacheLookup::RespondAndUpdate(stored, update) => {
                context.update = Some(update);
                return Ok(SubrequestResponse::Stored(stored));
            }
            CacheLookup::Purged(_) => return Err(ForwardError::Aborted),
        }
    }
    exchange(context, upstreams, pass, length, source).await
}

/// Sends a request that the cache has no response for.
///
/// # Errors
/// No upstream responds, and the cache has nothing to use instead.
pub(crate) async fn exchange<'f>(
    context: &mut RequestContext<'_>,
    upstreams: &'f Upstreams,
    pass: &'f ProxyPass,
    length: BodyLength,
    source: &mut RequestSource<'_, '_>,
) -> Result<SubrequestResponse<'f>, ForwardError> {
    loop {
        let received = match Forwarding::new(context, upstreams, pass, length).await {
            Ok(forwarding) => receive(forwarding, context, source).await,
            Err(error) => Err(error),
        };
        let (mut forwarding, response) = match received {
            Ok(received) => received,
            Err(ForwardError::Status(status)) => {
                let stored = cache_reception::after_failure(context, pass, status);
                return stored.map(SubrequestResponse::Stored).ok_or(ForwardError::Status(status));
            }
            Err(error) => return Err(error),
        };
        context.outcome.keep_upstream(response.head.fields());
        match cache_reception::receive(context, pass, &response) {
            CacheReception::Own => return Ok(SubrequestResponse::Received(Box::new(forwarding), Box::new(response))),
            CacheReception::Stored(stored) => {
                forwarding.finish(context, response.body);
                return Ok(SubrequestResponse::Stored(stored));
            }
            CacheReception::Repeat => forwarding.finish(context, response.body),
        }
    }
}

/// Receives the final response. One with status 101 has no body.
async fn receive<'f>(
    mut forwarding: Forwarding<'f>,
    context: &mut RequestContext<'_>,
    source: &mut RequestSource<'_, '_>,
) -> Result<(Forwarding<'f>, Response), ForwardError> {
    loop {
        match forwarding.receive(context, source).await? {
            Received::Final(response) => return Ok((forwarding, response)),
            Received::Switching(head) => return Ok((forwarding, Response::new(head, Body::Empty))),
            Received::Interim(_) => {}
        }
    }
}

/// Stores a response if it may be stored, and discards it.
pub(crate) async fn store_and_discard(
    context: &mut RequestContext<'_>,
    pass: &ProxyPass,
    mut forwarding: Box<Forwarding<'_>>,
    mut response: Box<Response>,
) {
    if pass.cache.is_some() {
        cache_reception::store(context, pass, &mut response);
        match cached_response::read_rest(&mut response.body).await {
            Ok(()) => cached_response::finish_copy(context, &mut response.body),
            Err(message) => context.log_error(Severity::Error, &message, None),
        }
    }
    drain(&mut response.body).await;
    forwarding.finish(context, response.body);
}

/// Reads the rest of a body, if it is short.
async fn drain(body: &mut Body) {
    let mut read = 0;
    while read < DRAINED {
        match now_or_pending(body.next_piece()).await {
            Poll::Ready(Ok(Some(piece))) => read += piece.len(),
            Poll::Ready(Ok(None) | Err(_)) => return,
            Poll::Pending => {
                let Body::Stream(stream) = body else { return };
                if stream.wait().await.is_err() {
                    return;
                }
            }
        }
    }
}
