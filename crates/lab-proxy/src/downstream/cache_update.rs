//! `proxy_cache_background_update`: a request of the proxy's own, which updates a stored response that a client got
//! although it is stale.

use lab_cache::policy::control::RequestControl;
use lab_http::BodyLength;

use crate::cache::now;
use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{CachedExchange, PendingUpdate, RequestBody, RequestContext, RequestSource};
use crate::downstream::cache_reception::{self, CacheReception};
use crate::downstream::cached_response;
use crate::eval::{CacheOutcome, CacheStatus};
use crate::response::Response;
use crate::upstream::Upstreams;
use crate::upstream::forwarding::{Forwarding, Received};
use lab_net::deadline::Timer;

/// Sends the request, and stores its response.
pub(crate) async fn send(context: &RequestContext<'_>, upstreams: &Upstreams, pass: &ProxyPass, update: PendingUpdate) {
    let Some(config) = pass.cache.as_deref() else { return };
    let PendingUpdate { zone, key, flight } = update;
    let Ok(Some(stored)) = zone.find(&key, &context.request.head.headers, now()) else { return };
    let mut inner = context.subrequest();
    inner.route.repeat(&context.route);
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
    }));
    let mut body = RequestBody::new(BodyLength::None);
    let mut timer = Timer::new();
    let mut source = RequestSource { incoming: None, body: &mut body, timer: &mut timer };
    let Ok(mut forwarding) = Forwarding::new(&inner, upstreams, pass, pass.length_without_body()).await else { return };
    loop {
        match forwarding.receive(&mut inner, &mut source).await {
            Ok(Received::Interim(_)) => {}
            Ok(Received::Final(mut response)) => {
                if let CacheReception::Own = cache_reception::receive(&mut inner, pass, &response) {
                    cache_reception::store(&mut inner, pass, &mut response);
                    read_to_end(&inner, &mut response).await;
                }
                return forwarding.finish(&mut inner, response.body);
            }
            // a failure is in the error log
            Ok(Received::Switching(_)) | Err(_) => return,
        }
    }
}

/// Reads a body that is stored, to its end.
async fn read_to_end(context: &RequestContext<'_>, response: &mut Response) {
    match cached_response::read_rest(&mut response.body).await {
        Ok(()) => cached_response::finish_copy(context, &mut response.body),
        Err(message) => context.log_error(Severity::Error, &message, None),
    }
}
