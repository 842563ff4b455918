//! Writes responses to the cache, and reads them from it.

use std::io;
use std::task::Poll;

use lab_cache::policy::status::{self, ForwardReason, StatusReport};
use lab_cache::policy::{update, vary};
use lab_cache::store::{EntryHead, EntryWriter, FlightOutcome, StoredContent, StoredResponse};
use lab_http::message::{date, is_bodyless};
use lab_http::{BodyLength, Headers, ResponseHead};

use crate::cache::now;
use crate::cache::terms::{self, CachedRequest, left_out};
use crate::clock::parse_http_date;
use crate::config::location::static_files::IfModifiedSince;
use crate::config::logs::Severity;
use crate::config::proxy::cache::CacheConfig;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{CachedExchange, RequestContext};
use crate::downstream::first_slice;
use crate::eval::CacheStatus;
use crate::phases::conditional::{self, Precondition, Validators};
use crate::response::accel::AccelHeaders;
use crate::response::head::reason;
use crate::response::{Body, ContentCopy, Head, RangeValidators, Response, ResponseOverride, filters, rewrite};
use lab_net::deadline::{TimedOut, now_or_pending};

/// The response for the client that a stored one becomes. It passes the steps of an upstream's response.
///
/// # Errors
/// What replaces the response.
pub(crate) fn respond(
    context: &mut RequestContext<'_>,
    pass: &ProxyPass,
    stored: StoredResponse,
) -> Result<Response, ResponseOverride> {
    let StoredResponse { head: EntryHead { response: head, terms, .. }, content, .. } = stored;
    let follows_rfc = pass.cache.as_ref().is_some_and(|config| config.follows_rfc);
    let mut response = Response::new(Head::received(head), Body::Empty);
    context.outcome.keep_upstream(response.head.fields());
    let accel = AccelHeaders::parse(response.head.fields(), pass);
    if let Some(rate) = accel.rate {
        context.route.limit_rate = Some(rate);
    }
    if let Some(substitute) = ResponseOverride::decide(context, pass, &response.head, &accel) {
        return Err(substitute);
    }
    let charset = accel.charset.map(<[u8]>::to_vec);
    if first_slice::is_first(context, &response.head) {
        first_slice::open(context, &mut response, first_slice::stored_content(content))?;
    } else {
        let length = content.length();
        response.body = match content {
            StoredContent::Memory(content) => Body::bytes(content),
            StoredContent::File { file, start, length } => Body::file_part(file, start, length),
        };
        if !is_bodyless(response.head.status) {
            set_length(context, follows_rfc, &mut response, length);
        }
        allow_ranges(pass, &mut response, length);
    }
    if follows_rfc {
        response.head.fields_mut().remove("Age");
        response.head.fields_mut().push("Age", terms.age(now()).to_string());
    }
    evaluate_conditions(context, follows_rfc, &mut response)?;
    report_status(context, pass, &mut response, Some(terms.remaining(now())), false);
    rewrite::rewrite(&mut response.head, pass, &context.scope());
    if context.is_head() || is_bodyless(response.head.status) {
        response.body = Body::Empty;
    }
    if !is_bodyless(response.head.status) {
        filters::apply(context, &mut response, charset.as_deref())?;
    }
    Ok(response)
}

/// Announces the length of stored content.
fn set_length(context: &RequestContext<'_>, follows_rfc: bool, response: &mut Response, length: u64) {
    let own = length.to_string();
    match response.head.fields().get("content-length") {
        Some(announced) if announced == own.as_bytes() || context.is_head() => {}
        // the response to a HEAD, under a key that does not have the method
        Some(_) => {
            response.head.fields_mut().remove("Content-Length");
            response.head.fields_mut().push("Content-Length", own);
        }
        None if follows_rfc => response.head.fields_mut().push("Content-Length", own),
        // as in nginx, which does not know the length of what came in chunks
        None => response.hides_length = true,
    }
}

/// Evaluates the conditions of the client for a response that the cache has (RFC 9111 §4.3.2).
///
/// # Errors
/// The client wants no response but another one.
pub(crate) fn evaluate_conditions(
    context: &RequestContext<'_>,
    follows_rfc: bool,
    response: &mut Response,
) -> Result<(), ResponseOverride> {
    // as in nginx: the response to a subrequest is a part of another one
    if response.head.status != 200 || context.route.is_subrequest {
        return Ok(());
    }
    let conditions = &context.request.head.headers;
    if !conditional::has_conditions(conditions) {
        return Ok(());
    }
    let fields = response.head.fields();
    let date_of = |name: &str| fields.get(name).and_then(parse_http_date);
    let modified = date_of("last-modified").or_else(|| date_of("date").filter(|_| follows_rfc));
    let own = Validators { tag: fields.get("etag"), modified };
    let dates = match context.config().if_modified_since {
        // nginx compares dates for equality unless the configuration says otherwise
        IfModifiedSince::Exact if follows_rfc => IfModifiedSince::Before,
        dates => dates,
    };
    match conditional::evaluate(conditions, own, dates) {
        Precondition::Send => Ok(()),
        Precondition::Failed => Err(ResponseOverride::page(412)),
        Precondition::NotModified => {
            response.head.status = 304;
            response.head.reason = Some(reason(304));
            for name in ["Content-Type", "Content-Length", "Content-Encoding", "Accept-Ranges"] {
                response.head.fields_mut().remove(name);
            }
            Ok(())
        }
    }
}

/// Lets the client have parts of a whole response.
fn allow_ranges(pass: &ProxyPass, response: &mut Response, size: u64) {
    let fields = response.head.fields();
    let follows_rfc = pass.cache.as_ref().is_some_and(|config| config.follows_rfc);
    let is_allowed = follows_rfc || pass.forces_ranges || fields.list_contains("accept-ranges", "bytes");
    if response.head.status != 200 || !is_allowed {
        return;
    }
    response.ranges = Some(RangeValidators {
        tag: fields.get("etag").map(<[u8]>::to_vec),
        modified: fields.get("last-modified").and_then(parse_http_date).unwrap_or(-1),
        size,
    });
    response.head.fields_mut().remove("Accept-Ranges");
}

/// Has an upstream's response stored while the client gets it, if it may be stored.
pub(crate) fn store(
    context: &mut RequestContext<'_>,
    pass: &ProxyPass,
    exchange: CachedExchange,
    response: &mut Response,
) {
    let Some(config) = pass.cache.as_deref() else { return };
    let is_whole = context.outcome.is_storable() && !exchange.invalidates;
    if config.is_storing_refused(&context.scope())
        && let Some(cache) = &mut context.outcome.cache
    {
        cache.is_storable = false;
    }
    let fresh_for = match begin(context, pass, config, &exchange, response) {
        Some(mut writer) => {
            if let Some(flight) = exchange.flight {
                writer.hold(flight);
            }
            let fresh_for = writer.head_mut().terms.remaining(now());
            match &mut response.body {
                Body::Stream(stream) => stream.copy_to(ContentCopy::Entry(Box::new(writer))),
                _ => finish(context, writer),
            }
            Some(fresh_for)
        }
        None => {
            if let Some(flight) = exchange.flight {
                flight.finish(FlightOutcome::NotStorable);
            }
            None
        }
    };
    report_status(context, pass, response, fresh_for, fresh_for.is_some());
    // the upstream was asked for the whole
    if is_whole {
        serve_stored(context, pass, response);
    }
}

/// Begins an entry. None if the response is not stored.
fn begin(
    context: &RequestContext<'_>,
    pass: &ProxyPass,
    config: &CacheConfig,
    exchange: &CachedExchange,
    response: &Response,
) -> Option<EntryWriter> {
    let now = now();
    let CachedExchange { zone, key, control, sent, invalidates, is_for_slice, .. } = exchange;
    if !context.outcome.is_storable() || !zone.is_storing(now) {
        return None;
    }
    let fields = response.head.fields();
    let request = CachedRequest {
        fields: &context.request.head.headers,
        control,
        sent: *sent,
        is_change: *invalidates,
        is_for_slice: *is_for_slice,
    };
    let terms = terms::terms(pass, config, request, (response.head.received_status(), fields), now)?;
    let mut head = response.head.to_received(left_out(pass, config, fields));
    if config.follows_rfc && !head.headers.contains("date") {
        // RFC 9110 §6.6.1
        head.headers.push("Date", date::of(u64::try_from(now).unwrap_or(0)));
    }
    let head = EntryHead { key: key.text.clone(), variant: Vec::new(), terms, response: head };
    let names = variation(pass, &head.response.headers);
    match zone.store(key, head, names, request.fields, now) {
        Ok(writer) => Some(writer),
        Err(error) => {
            log_failure(context, exchange.zone.note_failure(&error, now), &error);
            None
        }
    }
}

/// The fields by which a response varies, unless `Vary` is ignored.
fn variation(pass: &ProxyPass, fields: &Headers) -> Option<Vec<Vec<u8>>> {
    if pass.ignored.contains(b"vary") { None } else { vary::names(fields) }
}

/// Gives the client the form of a stored response that it asked for: a 304, or a range.
fn serve_stored(context: &RequestContext<'_>, pass: &ProxyPass, response: &mut Response) {
    let BodyLength::Sized(length) = response.body.length() else { return };
    let headers = &context.request.head.headers;
    // a condition that fails has no effect here, because the response is a new one
    if !headers.contains("if-match") && !headers.contains("if-unmodified-since") {
        let follows_rfc = pass.cache.as_ref().is_some_and(|config| config.follows_rfc);
        _ = evaluate_conditions(context, follows_rfc, response);
    }
    allow_ranges(pass, response, length);
}

/// Reads the rest of a body that is stored.
///
/// # Errors
/// Why it broke off.
pub(crate) async fn read_rest(body: &mut Body) -> Result<(), String> {
    while matches!(body, Body::Stream(stream) if stream.is_cached()) {
        match now_or_pending(body.next_piece()).await {
            Poll::Ready(Ok(Some(_))) => {}
            Poll::Ready(Ok(None)) => break,
            Poll::Ready(Err(error)) => return Err(error.to_string()),
            Poll::Pending => {
                let Body::Stream(stream) = body else { break };
                let waited = stream.wait().await;
                waited.map_err(|TimedOut| "upstream timed out while reading upstream".to_owned())?;
            }
        }
    }
    Ok(())
}

/// `proxy_cache_status`: adds the part of this cache to `Cache-Status`, behind that of others.
pub(crate) fn report_status(
    context: &RequestContext<'_>,
    pass: &ProxyPass,
    response: &mut Response,
    fresh_for: Option<i64>,
    is_stored: bool,
) {
    let Some(name) = pass.cache.as_ref().and_then(|config| config.status_name.as_deref()) else { return };
    let outcome = context.outcome.cache.as_ref();
    let attempt = context.outcome.attempts.last();
    let reason = match outcome.and_then(|cache| cache.status) {
        None => ForwardReason::Method,
        Some(CacheStatus::Bypass) => ForwardReason::Bypass,
        Some(CacheStatus::Miss) => ForwardReason::Miss,
        Some(_) if outcome.is_some_and(|cache| cache.is_fresh_refused) => ForwardReason::Request,
        Some(_) => ForwardReason::Stale,
    };
    let upstream_status = attempt.map(|attempt| attempt.status).filter(|status| *status > 0);
    let report = StatusReport { forwarded: attempt.map(|_| reason), upstream_status, fresh_for, is_stored };
    response.head.fields_mut().push("Cache-Status", status::value(name, &report));
}

/// Puts the entry of a body that was read to its end in its place.
pub(crate) fn finish_copy(context: &RequestContext<'_>, body: &mut Body) {
    if let Body::Stream(stream) = body
        && let Some(ContentCopy::Entry(writer)) = stream.take_copy()
    {
        finish(context, *writer);
    }
}

/// Puts an entry in its place.
pub(crate) fn finish(context: &RequestContext<'_>, writer: EntryWriter) {
    let zone = writer.zone();
    let now = now();
    if let Err(error) = writer.finish(now) {
        log_failure(context, zone.note_failure(&error, now), &error);
    }
}

fn log_failure(context: &RequestContext<'_>, is_paused: bool, error: &io::Error) {
    let consequence = if is_paused { ", and nothing is stored for some seconds" } else { "" };
    context.log_error(Severity::Crit, &format!("a response cannot be stored ({error}){consequence}"), None);
}

/// Brings a stored response up to date that a 304 has validated (RFC 9111 §4.3.4). Returns it as it is now.
pub(crate) fn update(
    context: &RequestContext<'_>,
    pass: &ProxyPass,
    exchange: CachedExchange,
    stored: Box<StoredResponse>,
    head: &Head,
) -> Box<StoredResponse> {
    let mut stored = stored;
    let Some(config) = pass.cache.as_deref() else { return stored };
    let now = now();
    let mut own = stored.head.clone();
    if config.follows_rfc {
        own.response = updated_response(pass, config, &own.response, head.fields(), now);
    }
    let CachedExchange { zone, key, control, sent, flight, is_for_slice, .. } = exchange;
    let fields = &context.request.head.headers;
    let request = CachedRequest { fields, control: &control, sent, is_change: false, is_for_slice };
    let response = (own.response.status, &own.response.headers);
    let Some(terms) = terms::updated_terms(pass, config, request, response, head.fields(), now) else {
        zone.remove(&key);
        return stored;
    };
    own.terms = terms;
    let names = variation(pass, &own.response.headers);
    if let Err(error) = zone.update(&key, &stored, own.clone(), names, request.fields, now) {
        log_failure(context, zone.note_failure(&error, now), &error);
    } else if let Some(flight) = flight {
        flight.finish(FlightOutcome::Stored);
    }
    stored.head = own;
    stored
}

/// Brings a stored response up to date with the response to a HEAD. One that it does not describe becomes stale.
pub(crate) fn update_by_head(
    context: &RequestContext<'_>,
    pass: &ProxyPass,
    exchange: CachedExchange,
    stored: Box<StoredResponse>,
    head: &Head,
) {
    if update::is_described(&stored.head.response.headers, head.fields(), stored.content.length()) {
        update(context, pass, exchange, stored, head);
        return;
    }
    let CachedExchange { zone, key, .. } = exchange;
    let mut own = stored.head.clone();
    own.terms.expire();
    let names = variation(pass, &own.response.headers);
    let now = now();
    if let Err(error) = zone.update(&key, &stored, own, names, &context.request.head.headers, now) {
        log_failure(context, zone.note_failure(&error, now), &error);
    }
}

/// A stored response after a 304 with the fields `update`.
fn updated_response(
    pass: &ProxyPass,
    config: &CacheConfig,
    stored: &ResponseHead,
    update: &Headers,
    now: i64,
) -> ResponseHead {
    let mut fields = update::updated(&stored.headers, update, left_out(pass, config, update));
    // both are of the time at which the response was received
    if !update.contains("age") {
        fields.remove("Age");
    }
    if !update.contains("date") {
        fields.remove("Date");
        fields.push("Date", date::of(u64::try_from(now).unwrap_or(0)));
    }
    // the reason phrase lies in the text of the fields
    let mut response = ResponseHead::new(stored.version, stored.status, stored.reason());
    fields.iter().for_each(|(name, value)| response.headers.push(name, value));
    response
}
