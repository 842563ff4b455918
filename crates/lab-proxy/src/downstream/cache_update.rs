//! `proxy_cache_background_update`: a request of the proxy's own, which updates a stored response that a client got
//! although it is stale.

use lab_cache::policy::control::RequestControl;
use lab_http::BodyLength;

use crate::cache::now;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{CachedExchange, PendingUpdate, RequestBody, RequestContext, RequestSource};
use crate::downstream::subrequest_exchange::{self, SubrequestResponse, store_and_discard};
use crate::eval::{CacheOutcome, CacheStatus};
use crate::upstream::Upstreams;
use lab_net::deadline::Timer;

/// Sends the request, and stores its response.
pub(crate) async fn send(context: &RequestContext<'_>, upstreams: &Upstreams, pass: &ProxyPass, update: PendingUpdate) {
    let Some(config) = pass.cache.as_deref() else { return };
    let PendingUpdate { zone, key, flight } = update;
    let Ok(Some(stored)) = zone.find(&key, &context.request.head.headers, now()) else { return };
    let mut inner = context.subrequest();
    inner.route.repeat(&context.route);
    inner.outcome.slice_start = context.scope().slice_start();
    let mut outcome = CacheOutcome::new(&key.text);
    outcome.status = Some(CacheStatus::Expired);
    outcome.is_storable = true;
    outcome.converts_head = context.is_head();
    if config.revalidates {
        outcome.validate(&stored.head.response);
    }
    inner.outcome.cache = Some(Box::new(outcome));
    inner.cache = Some(Box::new(CachedExchange {
        zone,
        key,
        control: RequestControl::default(),
        sent: now(),
        stored: Some(stored),
        flight: Some(flight),
        invalidates: false,
        is_for_slice: context.outcome.is_sliced.get(),
    }));
    let mut body = RequestBody::new(BodyLength::None);
    let mut timer = Timer::new();
    let mut source = RequestSource { incoming: None, body: &mut body, timer: &mut timer };
    let length = pass.length_without_body();
    match subrequest_exchange::exchange(&mut inner, upstreams, pass, length, &mut source).await {
        Ok(SubrequestResponse::Received(forwarding, response)) => {
            store_and_discard(&mut inner, pass, forwarding, response).await;
        }
        // a failure is in the error log
        Ok(SubrequestResponse::Stored(_)) | Err(_) => {}
    }
}
