//! Looks for a stored response before an upstream is contacted.

use std::sync::Arc;
use std::time::Duration;

use lab_cache::policy::control::RequestControl;
use lab_cache::policy::invalidation;
use lab_cache::policy::reuse::{self, Reuse};
use lab_cache::store::{Flight, FlightOutcome, FlightRole, Key, StoredResponse, Zone};
use lab_http::Headers;
use tokio::time::{Instant, timeout_at};

use crate::cache::now;
use crate::clock;
use crate::config::logs::Severity;
use crate::config::proxy::cache::{CacheConfig, CacheLock, ZoneChoice};
use crate::context::{CachedExchange, PendingUpdate, RequestContext};
use crate::eval::{CacheOutcome, CacheStatus};
use crate::routing::uri;

/// What follows from a look into the cache.
#[derive(Debug)]
pub(crate) enum CacheLookup {
    /// The request goes to the upstream.
    Forward,
    /// The stored response is used.
    Respond(Box<StoredResponse>),
    /// The stored response is used, and a request of the proxy's own updates it.
    RespondAndUpdate(Box<StoredResponse>, Box<PendingUpdate>),
    /// What was stored for the key is removed.
    Purged(Key),
}

/// Looks for a stored response. Without one, or with one that must be validated, the request is prepared for the
/// upstream. `has_body` is whether the request has a body.
///
/// # Errors
/// The status in place of a response: the client accepts stored responses only, and there is none; the zone does not
/// exist.
pub(crate) async fn look_up(
    context: &mut RequestContext<'_>,
    config: &CacheConfig,
    has_body: bool,
) -> Result<CacheLookup, u16> {
    let Some(zone) = find_zone(context, config)? else { return Ok(CacheLookup::Forward) };
    let method = context.route.method;
    if let Some(purge) = config.purge.as_ref().filter(|purge| purge.method == method) {
        if !purge.allows(context.scope().client_ip()) {
            return Err(403);
        }
        let key = key(context, config);
        let is_removed = zone.remove(&key);
        return if is_removed { Ok(CacheLookup::Purged(key)) } else { Err(404) };
    }
    let is_cached_method = config.methods.iter().any(|own| own == method);
    let invalidates = config.follows_rfc && !is_cached_method && !invalidation::is_safe(method);
    // the key says nothing of a body, by which an application may decide
    let has_body = has_body && config.follows_rfc && method != b"POST";
    if !is_cached_method && !invalidates {
        return Ok(CacheLookup::Forward);
    }
    let key = key(context, config);
    let fields = &context.request.head.headers;
    let control = if config.follows_rfc { RequestControl::parse(fields) } else { RequestControl::default() };
    // the key has told
    let is_for_slice = context.outcome.is_sliced.get();
    let mut exchange =
        CachedExchange { zone, key, control, sent: now(), stored: None, flight: None, invalidates, is_for_slice };
    if !is_cached_method {
        context.cache = Some(Box::new(exchange));
        return Ok(CacheLookup::Forward);
    }
    let mut outcome = CacheOutcome::new(&exchange.key.text);
    let is_bypassed = config.is_bypassed(&context.scope()) || has_body || exchange.control.no_store;
    outcome.status = Some(if is_bypassed { CacheStatus::Bypass } else { CacheStatus::Miss });
    let is_passed_on = !is_for_slice && is_behind_offset(fields, config);
    outcome.is_storable = !has_body && !exchange.control.no_store && !is_passed_on;
    outcome.converts_head = outcome.is_storable && config.converts_head && context.is_head();
    // a HEAD that is sent as one has no content; nginx stores its response under the key of a GET
    outcome.is_storable &= outcome.converts_head || !context.is_head() || !config.follows_rfc;
    if config.min_uses > 1 {
        outcome.is_storable &= exchange.zone.count_request(&exchange.key, exchange.sent) >= config.min_uses;
    }
    let lookup = match is_bypassed {
        true => Ok(CacheLookup::Forward),
        false => find_response(context, config, &mut exchange, &mut outcome).await,
    };
    if matches!(lookup, Ok(CacheLookup::Forward)) {
        exchange.sent = now();
        context.cache = Some(Box::new(exchange));
    }
    context.outcome.cache = Some(Box::new(outcome));
    lookup
}

/// Removes the entries for a request.
pub(crate) fn remove(context: &RequestContext<'_>, config: &CacheConfig) {
    if let Ok(Some(zone)) = find_zone(context, config) {
        zone.remove(&key(context, config));
    }
}

/// The key of a request.
fn key(context: &RequestContext<'_>, config: &CacheConfig) -> Key {
    let mut text = config.key.value(&context.scope());
    if config.is_target_in_key {
        let (route, request) = (&context.route, context.request);
        match route.resolved_pass.as_ref().and_then(|resolved| resolved.uri.as_deref()) {
            Some(uri) => text.extend_from_slice(uri),
            None if route.origin.is_client() && !route.is_subrequest => {
                text.extend_from_slice(&request.target.origin_form(request.head));
            }
            None => {
                uri::escape(&route.uri, &mut text);
                if route.has_args() {
                    text.push(b'?');
                    text.extend_from_slice(route.args());
                }
            }
        }
    }
    Key::new(text)
}

/// The zone of the location; none if it is `off`.
fn find_zone(context: &RequestContext<'_>, config: &CacheConfig) -> Result<Option<Arc<Zone>>, u16> {
    let caches = &context.worker.caches;
    let index = match &config.zone {
        ZoneChoice::Fixed(index) => *index,
        ZoneChoice::Variable(name) => {
            let name = name.value(&context.scope());
            if name.is_empty() || name == b"off" {
                return Ok(None);
            }
            let zones = &context.worker.config.cache_zones;
            let Some(index) = zones.iter().position(|zone| zone.name.as_bytes() == name) else {
                let message = format!("cache \"{}\" not found", String::from_utf8_lossy(&name));
                context.log_error(Severity::Error, &message, None);
                return Err(500);
            };
            index
        }
    };
    Ok(caches.get(index).map(Arc::clone))
}

/// `proxy_cache_max_range_offset`: whether the request is for a range that begins behind it.
fn is_behind_offset(fields: &Headers, config: &CacheConfig) -> bool {
    let Some(limit) = config.max_range_offset else { return false };
    let Some(ranges) = fields.get("range").and_then(|value| value.strip_prefix(b"bytes=")) else { return false };
    let first = ranges.split(|&byte| byte == b',').next().unwrap_or_default();
    // as in nginx: one of the last bytes is behind any offset
    match first.split(|&byte| byte == b'-').next().map(<[u8]>::trim_ascii) {
        Some(start) if !start.is_empty() => {
            let start = std::str::from_utf8(start).ok().and_then(lab_nginx_conf::parse_number::<u64>);
            start.is_some_and(|start| start >= limit)
        }
        _ => true,
    }
}

/// Looks for a response, and waits for that of another request if the configuration says so.
async fn find_response(
    context: &RequestContext<'_>,
    config: &CacheConfig,
    exchange: &mut CachedExchange,
    outcome: &mut CacheOutcome,
) -> Result<CacheLookup, u16> {
    let deadline = config.lock.map(|lock| Instant::now() + lock.timeout);
    loop {
        let now = now();
        let found = exchange.zone.find(&exchange.key, &context.request.head.headers, now);
        let stored = found.unwrap_or_else(|error| {
            context.log_error(Severity::Crit, &format!("a stored response cannot be read ({error})"), None);
            None
        });
        if let Some(stored) = stored {
            match use_stored(config, exchange, outcome, stored, now) {
                Some(lookup) => return Ok(lookup),
                None if exchange.control.only_if_cached => return Err(504),
                None => {}
            }
        } else if exchange.control.only_if_cached {
            return Err(504);
        }
        let Some((lock, deadline)) = config.lock.zip(deadline) else { break };
        if !may_wait(config, exchange) {
            break;
        }
        match wait_for_others(exchange, lock, deadline).await {
            WaitOutcome::Leader(flight) => {
                exchange.flight = Some(flight);
                break;
            }
            WaitOutcome::Stored => exchange.stored = None,
            WaitOutcome::NotStorable => break,
            WaitOutcome::TimedOut => {
                outcome.is_storable = false;
                break;
            }
        }
    }
    // a 304 to another response repeats the request, which a body does not survive
    let may_repeat = !config.follows_rfc || context.request.body.is_empty();
    if let Some(stored) = exchange.stored.as_ref().filter(|_| config.revalidates && outcome.is_storable && may_repeat) {
        outcome.validate(&stored.head.response);
    }
    Ok(CacheLookup::Forward)
}

/// Whether the response of another request would do.
fn may_wait(config: &CacheConfig, exchange: &CachedExchange) -> bool {
    let stored = exchange.stored.as_ref();
    let is_validated_always = stored.is_some_and(|stored| stored.head.terms.is_validated_always);
    // as in nginx: only those wait that find nothing
    let is_waiting_kind = config.follows_rfc || stored.is_none();
    is_waiting_kind && exchange.flight.is_none() && !exchange.control.no_cache && !is_validated_always
}

/// How a request has waited for others with its key.
enum WaitOutcome {
    /// There was none, so others wait for this one.
    Leader(Flight),
    /// A response was stored.
    Stored,
    /// The response of another one is not stored.
    NotStorable,
    TimedOut,
}

async fn wait_for_others(exchange: &CachedExchange, lock: CacheLock, deadline: Instant) -> WaitOutcome {
    loop {
        let waiter = match exchange.zone.flights().join(exchange.key.digest, clock::now(), lock.age) {
            FlightRole::Leader(flight) => return WaitOutcome::Leader(flight),
            FlightRole::Follower(waiter) => waiter,
        };
        // a flight that takes too long gets a successor
        let until = deadline.min(Instant::now() + lock.age);
        match timeout_at(until, waiter.outcome()).await {
            Ok(FlightOutcome::Stored) => return WaitOutcome::Stored,
            Ok(FlightOutcome::NotStorable) => return WaitOutcome::NotStorable,
            Ok(FlightOutcome::None) => {}
            Err(_) if Instant::now() >= deadline => return WaitOutcome::TimedOut,
            Err(_) => {}
        }
    }
}

/// Uses a stored response, or keeps it for the exchange with the upstream.
fn use_stored(
    config: &CacheConfig,
    exchange: &mut CachedExchange,
    outcome: &mut CacheOutcome,
    stored: Box<StoredResponse>,
    now: i64,
) -> Option<CacheLookup> {
    let terms = stored.head.terms;
    let reuse = reuse::decide(&terms, &exchange.control, now);
    let may_be_stale = config.use_stale.is_updating && !(config.follows_rfc && terms.is_never_stale);
    let is_while_updating = match reuse {
        Reuse::Fresh => {
            outcome.status = Some(CacheStatus::Hit);
            return Some(CacheLookup::Respond(stored));
        }
        Reuse::Stale => {
            outcome.status = Some(CacheStatus::Stale);
            return Some(CacheLookup::Respond(stored));
        }
        Reuse::WhileRevalidating => true,
        Reuse::Validate => may_be_stale && !exchange.control.no_cache && terms.staleness(now).is_some(),
    };
    outcome.status = Some(CacheStatus::Expired);
    outcome.is_fresh_refused = terms.staleness(now).is_none() && !terms.is_validated_always;
    if is_while_updating {
        let age = config.lock.map_or(UPDATE_AGE, |lock| lock.age);
        match exchange.zone.flights().join(exchange.key.digest, clock::now(), age) {
            FlightRole::Follower(_) => {
                outcome.status = Some(CacheStatus::Updating);
                return Some(CacheLookup::Respond(stored));
            }
            FlightRole::Leader(flight) if config.updates_in_background => {
                outcome.status = Some(CacheStatus::Stale);
                let (zone, key) = (Arc::clone(&exchange.zone), exchange.key.clone());
                return Some(CacheLookup::RespondAndUpdate(stored, Box::new(PendingUpdate { zone, key, flight })));
            }
            FlightRole::Leader(flight) => exchange.flight = Some(flight),
        }
    }
    exchange.stored = Some(stored);
    None
}

/// How long one update keeps others from beginning.
const UPDATE_AGE: Duration = Duration::from_secs(60);
