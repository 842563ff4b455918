//! Receives an upstream's response on behalf of the cache: it is stored, brings a stored one up to date, or makes others
//! unusable.

use lab_cache::policy::{invalidation, reuse, update};
use lab_cache::store::{Key, StoredResponse};
use lab_http::Headers;

use crate::cache::now;
use crate::config::proxy::cache::CacheConfig;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{CachedExchange, RequestContext};
use crate::downstream::cached_response;
use crate::eval::{CacheOutcome, CacheStatus};
use crate::response::{Head, Response};

/// What becomes of an upstream's response.
#[derive(Debug)]
pub(crate) enum CacheReception {
    /// It goes to the client.
    Own,
    /// The client gets a stored one.
    Stored(Box<StoredResponse>),
    /// The request is sent again, without conditions.
    Repeat,
}

/// Receives an upstream's response on behalf of the cache: a 304 to a validation, a failure in place of which a stale
/// response is used, or a change that makes others unusable.
pub(crate) fn receive(context: &mut RequestContext<'_>, pass: &ProxyPass, response: &Response) -> CacheReception {
    let (Some(config), Some(mut exchange)) = (pass.cache.as_deref(), context.cache.take()) else {
        return CacheReception::Own;
    };
    let status = response.head.received_status();
    if exchange.invalidates {
        receive_change(context, pass, config, exchange, &response.head);
        return CacheReception::Own;
    }
    let is_validation = context.outcome.cache.as_ref().is_some_and(|cache| cache.is_validation());
    if status == 304
        && is_validation
        && let Some(stored) = exchange.stored.take()
    {
        if config.follows_rfc && !update::is_confirmed(&stored.head.response.headers, response.head.fields()) {
            // it is about a response that is not stored here (RFC 9111 §4.3.4)
            if let Some(cache) = &mut context.outcome.cache {
                cache.forget_validators();
            }
            (exchange.stored, exchange.sent) = (Some(stored), now());
            context.cache = Some(exchange);
            return CacheReception::Repeat;
        }
        set_status(context, CacheStatus::Revalidated);
        return CacheReception::Stored(cached_response::update(context, pass, *exchange, stored, &response.head));
    }
    let is_plain_head = context.is_head() && !context.route.is_subrequest && !context.outcome.converts_head();
    if status == 200
        && is_plain_head
        && config.follows_rfc
        && pass.request.method.is_none()
        && let Some(stored) = exchange.stored.take_if(|stored| stored.head.response.status == 200)
    {
        cached_response::update_by_head(context, pass, *exchange, stored, &response.head);
        return CacheReception::Own;
    }
    if let Some(stored) = stale_for(context, config, &mut exchange, status) {
        return CacheReception::Stored(stored);
    }
    context.cache = Some(exchange);
    CacheReception::Own
}

/// Receives the response to a request that may change its target. What was stored is not used again, but the response
/// itself may be stored.
fn receive_change(
    context: &mut RequestContext<'_>,
    pass: &ProxyPass,
    config: &CacheConfig,
    exchange: Box<CachedExchange>,
    head: &Head,
) {
    let status = head.received_status();
    if !invalidation::is_successful(status) {
        return;
    }
    invalidate(context, pass, &exchange, status, head.fields());
    if is_representation(context, pass, status, head.fields()) && config.min_uses == 1 {
        let mut outcome = CacheOutcome::new(&exchange.key.text);
        outcome.is_storable = true;
        context.outcome.cache = Some(Box::new(outcome));
        context.cache = Some(exchange);
    }
}

/// Whether the response to a POST is what a GET of the same target would get (RFC 9110 §9.3.3).
fn is_representation(context: &RequestContext<'_>, pass: &ProxyPass, status: u16, fields: &Headers) -> bool {
    if context.route.method != b"POST" || status != 200 {
        return false;
    }
    let Some(reference) = fields.get("content-location") else { return false };
    let target = context.request.target.origin_form(context.request.head);
    origins(context, pass).iter().any(|origin| invalidation::is_own_target(reference, origin, &target))
}

/// The origins by which an upstream may name its resources: the client's name for it, and its own.
fn origins(context: &RequestContext<'_>, pass: &ProxyPass) -> [Vec<u8>; 2] {
    let client = (context.connection.scheme(), context.request.target.host.unwrap_or_default());
    let own = (pass.scheme(), pass.host.as_bytes());
    [client, own].map(|(scheme, authority)| [scheme.as_bytes(), b"://", authority].concat())
}

/// Has a response that goes to the client stored, if it may be stored.
pub(crate) fn store(context: &mut RequestContext<'_>, pass: &ProxyPass, response: &mut Response) {
    match context.cache.take() {
        Some(exchange) => cached_response::store(context, pass, *exchange, response),
        None => cached_response::report_status(context, pass, response, None, false),
    }
}

/// The stored response for a request whose upstream failed with this status, if it may be used.
pub(crate) fn after_failure(
    context: &mut RequestContext<'_>,
    pass: &ProxyPass,
    status: u16,
) -> Option<Box<StoredResponse>> {
    let config = pass.cache.as_deref()?;
    let mut exchange = context.cache.take()?;
    let stored = stale_for(context, config, &mut exchange, status);
    if stored.is_none() {
        context.cache = Some(exchange);
    }
    stored
}

/// The stored response, if a stale one may be used because the upstream responded with this status, or not at all.
fn stale_for(
    context: &mut RequestContext<'_>,
    config: &CacheConfig,
    exchange: &mut CachedExchange,
    status: u16,
) -> Option<Box<StoredResponse>> {
    let failures = config.use_stale.failures;
    let has_failed = context.outcome.attempts.last().is_none_or(|attempt| attempt.head_took.is_none());
    let is_allowed = match status {
        504 if has_failed => failures.on_timeout,
        502 if has_failed => failures.on_error || failures.on_invalid_header,
        status => failures.on_status(status),
    };
    let stored = exchange.stored.as_ref()?;
    let may_use = if config.follows_rfc {
        // RFC 5861 §4
        matches!(status, 500 | 502 | 503 | 504)
            && reuse::may_use_after_error(&stored.head.terms, &exchange.control, is_allowed, now())
            || is_allowed && !stored.head.terms.is_never_stale
    } else {
        let staleness = stored.head.terms.staleness(now()).unwrap_or(0);
        // nginx looks at it only if there is no response at all
        is_allowed || (has_failed && stored.head.terms.stale_if_error > staleness)
    };
    if !may_use {
        return None;
    }
    set_status(context, CacheStatus::Stale);
    exchange.stored.take()
}

fn set_status(context: &mut RequestContext<'_>, status: CacheStatus) {
    if let Some(cache) = &mut context.outcome.cache {
        cache.status = Some(status);
    }
}

/// Invalidates the entries for the targets of a successful request (RFC 9111 §4.4).
fn invalidate(
    context: &RequestContext<'_>,
    pass: &ProxyPass,
    exchange: &CachedExchange,
    status: u16,
    fields: &Headers,
) {
    exchange.zone.remove(&exchange.key);
    let target = context.request.target.origin_form(context.request.head);
    // the key of another target ends in that
    let Some(prefix) = exchange.key.text.strip_suffix(&*target) else { return };
    for origin in origins(context, pass) {
        for other in invalidation::further_targets(status, fields, &origin, &target) {
            exchange.zone.remove(&Key::new([prefix, &other].concat()));
        }
    }
}
