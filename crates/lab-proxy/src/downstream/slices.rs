//! `slice`: the client gets a whole response, or a part of it, that is fetched in slices. Each of them may come from the
//! cache.
//!
//! The request itself gets the first slice, which names the length of the whole. The others follow each other while the
//! client reads.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::pin;

use lab_http::message::is_bodyless;
use lab_http::{BodyLength, Headers};
use lab_net::deadline::Timer;
use lab_net::spool::SpoolReader;

use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{RequestBody, RequestContext, RequestSource};
use crate::downstream::assembly;
use crate::downstream::cache_reception;
use crate::downstream::cache_update;
use crate::downstream::cached;
use crate::downstream::cached_response;
use crate::downstream::first_slice::{check_length, check_range, open, stored_content};
use crate::downstream::subrequest_exchange::{self, SubrequestResponse};
use crate::response::body::{FetchedSlice, SliceContent, SlicePlan};
use crate::response::content_range::ContentRange;
use crate::response::{Body, BodyError, Response, ResponseOverride, filters, rewrite};
use crate::upstream::Upstreams;

/// The response for the client that the first slice becomes, which an upstream has sent.
///
/// # Errors
/// What replaces the response.
pub(crate) fn respond(
    context: &RequestContext<'_>,
    pass: &ProxyPass,
    response: Response,
    content: SpoolReader,
    charset: Option<&[u8]>,
) -> Result<Response, ResponseOverride> {
    let mut response = response;
    open(context, &mut response, SliceContent::spooled(content))?;
    if context.outcome.is_storable() {
        let follows_rfc = pass.cache.as_ref().is_some_and(|config| config.follows_rfc);
        cached_response::evaluate_conditions(context, follows_rfc, &mut response)?;
    }
    rewrite::rewrite(&mut response.head, pass, &context.scope());
    if context.is_head() || is_bodyless(response.head.status) {
        response.body = Body::Empty;
    }
    if !is_bodyless(response.head.status) {
        filters::apply(context, &mut response, charset)?;
    }
    Ok(response)
}

/// Awaits `serving`, and fetches the other slices meanwhile. `context` is that of a subrequest.
pub(crate) async fn fetch_alongside<T>(
    context: RequestContext<'_>,
    upstreams: &Upstreams,
    plan: SlicePlan,
    serving: impl Future<Output = T>,
) -> T {
    let fetching = async {
        fetch_all(&context, upstreams, plan).await;
        pending::<Infallible>().await
    };
    let serving = pin!(serving);
    let fetching = pin!(fetching);
    tokio::select! {
        biased;
        served = serving => served,
        never = fetching => match never {},
    }
}

/// Fetches slices in order, until the client does not want any more.
async fn fetch_all(context: &RequestContext<'_>, upstreams: &Upstreams, plan: SlicePlan) {
    let SlicePlan { first, mut start, end, total, tag, sender } = plan;
    let Some(pass) = context.route.pass else { return };
    while start < end {
        let mut inner = context.subrequest();
        inner.route.repeat(&context.route);
        inner.outcome.slice_start = Some(start);
        let fetched = fetch(&mut inner, upstreams, pass, SliceKind { first, start, total, tag: tag.as_deref() }).await;
        match &fetched {
            Ok(content) => start += content.length(),
            Err(_) => start = end,
        }
        if sender.send(fetched).await.is_err() {
            return;
        }
        if let Some(update) = inner.update.take() {
            cache_update::send(&inner, upstreams, pass, *update).await;
        }
    }
}

/// What a slice must have in common with the others.
#[derive(Debug, Clone, Copy)]
struct SliceKind<'k> {
    /// Where the first one begins.
    first: u64,
    start: u64,
    total: u64,
    tag: Option<&'k [u8]>,
}

async fn fetch(
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    pass: &ProxyPass,
    kind: SliceKind<'_>,
) -> FetchedSlice {
    let mut body = RequestBody::new(BodyLength::None);
    let mut timer = Timer::new();
    let mut source = RequestSource { incoming: None, body: &mut body, timer: &mut timer };
    let length = pass.length_without_body();
    let mut fetched = subrequest_exchange::fetch(context, upstreams, pass, length, &mut source).await;
    if let (Ok(SubrequestResponse::Stored(stored)), Some(config)) = (&fetched, pass.cache.as_deref())
        && kind.check(stored.head.response.status, &stored.head.response.headers).is_err()
    {
        // the slice belongs to an earlier version of the whole
        cached::remove(context, config);
        fetched = subrequest_exchange::fetch(context, upstreams, pass, length, &mut source).await;
    }
    let (range, content) = match fetched {
        // the reason is in the error log
        Err(_) => return Err(BodyError::Slice("a slice cannot be fetched".to_owned())),
        Ok(SubrequestResponse::Stored(stored)) => {
            let head = &stored.head.response;
            let range = kind.check(head.status, &head.headers).map_err(BodyError::Slice)?;
            (range, stored_content(stored.content))
        }
        Ok(SubrequestResponse::Received(mut forwarding, mut response)) => {
            let range = match kind.check(response.head.received_status(), response.head.fields()) {
                Ok(range) => range,
                Err(message) => {
                    forwarding.finish(context, response.body);
                    remove_first(context, pass, kind.first);
                    return Err(BodyError::Slice(message));
                }
            };
            if pass.cache.is_some() {
                cache_reception::store(context, pass, &mut response);
            }
            let content = match assembly::collect(context, &mut response.body, None).await {
                Ok(content) => content,
                Err(error) => {
                    let message = error.message();
                    forwarding.abort(context, Some(&response.body), Severity::Error, &message);
                    return Err(BodyError::Slice(message));
                }
            };
            cached_response::finish_copy(context, &mut response.body);
            forwarding.finish(context, response.body);
            (range, SliceContent::spooled(content))
        }
    };
    check_length(range, &content).map_err(BodyError::Slice)?;
    Ok(content)
}

/// Removes the first slice from the cache, so that the next request gets one that matches the others.
fn remove_first(context: &mut RequestContext<'_>, pass: &ProxyPass, first: u64) {
    if let Some(config) = pass.cache.as_deref() {
        context.outcome.slice_start = Some(first);
        cached::remove(context, config);
    }
}

impl SliceKind<'_> {
    /// The range of a response that fits; otherwise the reason why it does not.
    fn check(&self, status: u16, fields: &Headers) -> Result<ContentRange, String> {
        if status != 206 {
            return Err(format!("unexpected status code {status} in slice response"));
        }
        if fields.get("etag") != self.tag {
            return Err("etag mismatch in slice response".to_owned());
        }
        check_range(fields, self.start, Some(self.total))
    }
}
