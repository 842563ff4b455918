//! Resolves the request of a check.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::time::Duration;

use toml::Spanned;

use super::super::model::{
    CacheExpectation, CheckRequest, Expectation, ExpectedStatus, HeaderRule, HttpVersion, SlowClients, SlowPart,
    TextRule, TextTemplate,
};
use super::super::wire;
use super::body;
use super::context::ResolveContext;
use super::expect::MOST_REDIRECTS;
use super::values::{origin_form, sent_header_name, sent_method, template, whole};
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::Field;
use crate::document::table::Table;

/// More would be a load, not a check.
const MOST_TIMES: u16 = 100;
/// More would be a load, not a check.
const MOST_SLOW_CLIENTS: u16 = 1000;

/// The fields of an opening handshake. The key is the example of RFC 6455, section 1.3: it need not be random, as no
/// cache is tested.
const WEBSOCKET_FIELDS: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
/// What a server answers to that key.
const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Resolves a request. `step` are the names of the values of earlier steps, if this is one of a sequence.
pub(super) fn request(
    wire: &Spanned<wire::Request>,
    step: Option<&[String]>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<CheckRequest> {
    let parts = wire.get_ref();
    let extracted = step.unwrap_or_default();
    if let Field::Good(bytes) = &parts.raw {
        return raw(bytes, parts, extracted, problems).map(CheckRequest::Raw);
    }
    if parts.path.is_absent() && parts.raw.is_absent() && !parts.has_unknown_keys() {
        let message = "`request` has neither a `path` nor `raw` bytes";
        problems.push(Diagnostic::at(wire.span(), message).hint("write `path = \"/\"`, or the whole request as `raw`"));
    }
    let method = parts.method.or("GET".to_owned(), |name| sent_method(name, problems));
    let target = parts.path.good().and_then(|path| {
        let asterisk = path.get_ref() == "*";
        match &method {
            // RFC 9112, section 3.2.4: the asterisk form is for OPTIONS alone.
            Some(method) if asterisk && method != "OPTIONS" => {
                let message = format!("`path` cannot be `*` with {method}");
                let hint = "`*` goes with `method = \"OPTIONS\"`; `raw` sends anything";
                problems.push(Diagnostic::at(path.span(), message).hint(hint));
                None
            }
            _ if asterisk => Some(TextTemplate::literal("*")),
            _ => target(path, step, problems),
        }
    });
    let is_websocket = parts.websocket.value() == Some(&true);
    let websocket_at = parts.websocket.good().filter(|_| is_websocket).map(Spanned::span);
    let mut headers = parts.headers.or(Vec::new(), |lines| {
        let resolved: Vec<_> = lines.get_ref().0.iter().map(|line| header_line(line, extracted, problems)).collect();
        resolved.into_iter().collect()
    });
    if let Some(headers) = headers.as_mut().filter(|_| is_websocket) {
        headers.extend(WEBSOCKET_FIELDS.map(|(name, value)| (name.to_owned(), TextTemplate::literal(value))));
    }
    let body = body::body(parts, step, context, problems);
    let times = parts
        .times
        .or(NonZeroU16::MIN, |times| whole(times, "`times`", 1..=MOST_TIMES, problems).and_then(NonZeroU16::new));
    let pause = pause(parts, times, problems);
    let within = parts.within.or(CheckRequest::WITHIN, |within| {
        let time = within.get_ref().0;
        if time.is_zero() {
            problems.push(Diagnostic::at(within.span(), "`within` cannot be zero: no response comes that soon"));
        }
        Some(time).filter(|time| !time.is_zero())
    });
    let slow = parts.while_slow.or(None, |wire| slow_clients(wire.get_ref(), problems).map(Some));
    let client = parts.client.or(None, |address| loopback_address(address, problems).map(Some));
    let max_redirects = parts.max_redirects.or(0, |most| whole(most, "`max_redirects`", 1..=MOST_REDIRECTS, problems));
    let tls = parts.tls.value().copied().unwrap_or_default();
    if let (true, Some(slow)) = (tls, parts.while_slow.good()) {
        let message = "`while_slow` and `tls` exclude each other";
        problems.push(Diagnostic::at(slow.span(), message).hint("slow clients speak plain HTTP: leave out `tls`"));
    }
    let http = parts.http.or(HttpVersion::OneOne, |word| Some(word.get_ref().0));
    let is_of_version_1 = [("while_slow", parts.while_slow.good().map(Spanned::span)), ("websocket", websocket_at)];
    if let (Some(HttpVersion::Two), Some(given)) = (http, parts.http.good()) {
        for (key, span) in is_of_version_1.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            let message = format!("`{key}` goes with HTTP/1.1");
            problems.push(Diagnostic::at(given.span(), message).related(span, "here").hint("leave out `http`"));
        }
    }
    let (method, headers, body, times, http) = (method?, headers?, body?, times?, http?);
    if is_websocket && (method != "GET" || !body.is_none() || times != NonZeroU16::MIN || max_redirects != Some(0)) {
        let message = "`websocket` goes with a GET request without a body, which is sent once and not redirected";
        problems.push(Diagnostic::at(parts.websocket.good().map_or(0..0, Spanned::span), message));
        return None;
    }
    let (pause, within, slow, max_redirects, client) = (pause?, within?, slow?, max_redirects?, client?);
    let total = pause.saturating_mul(u32::from(times.get()) - 1);
    if let (true, Some(given)) = (total >= within && !pause.is_zero(), parts.pause.good()) {
        let message = format!("the pauses take {total:?} together, and `within` is {within:?}");
        problems.push(Diagnostic::at(given.span(), message).hint("write a longer `within`"));
        return None;
    }
    let (target, settle) = (target?, Duration::ZERO);
    Some(CheckRequest::Composed {
        method,
        target,
        headers,
        body,
        times,
        pause,
        settle,
        within,
        tls,
        http,
        max_redirects,
        slow,
        client,
    })
}

/// The address of a client, to which lab binds its sockets.
fn loopback_address(text: &Spanned<String>, problems: &mut Problems<'_>) -> Option<Ipv4Addr> {
    let address = text.get_ref().parse().ok().filter(Ipv4Addr::is_loopback);
    if address.is_none() {
        let message = format!("`client` cannot be `{}`", text.get_ref());
        let hint = "accepted: an IPv4 address of the loopback interface, 127.0.0.1 to 127.255.255.254";
        problems.push(Diagnostic::at(text.span(), message).hint(hint));
    }
    address
}

/// Resolves `pause`, which goes with `times`.
fn pause(parts: &wire::Request, times: Option<NonZeroU16>, problems: &mut Problems<'_>) -> Option<Duration> {
    let given = parts.pause.or(Duration::ZERO, |pause| Some(pause.get_ref().0));
    if let (Some(NonZeroU16::MIN), Some(pause)) = (times, parts.pause.good()) {
        let message = "`pause` goes with `times`: the request is sent only once";
        problems.push(Diagnostic::at(pause.span(), message).hint("write `times = 2`, or leave out `pause`"));
        return None;
    }
    given
}

/// Adds the expectation of an accepted WebSocket, with status 101 unless another is expected. Returns whether it fits.
pub(super) fn expect_websocket(expect: &mut Expectation) -> bool {
    let accepts = TextRule::Equal(TextTemplate::literal(WEBSOCKET_ACCEPT));
    expect.status.get_or_insert(ExpectedStatus::Code(101));
    expect.headers.push(("Sec-WebSocket-Accept".to_owned(), HeaderRule::Lines(vec![accepts])));
    !expect.unanswered
}

/// How long a request that updates a stored response may take to reach the server, after the client has its response.
const SETTLE: Duration = Duration::from_millis(100);

/// Prepares a request whose responses have cache statuses. `span` is the expectation's. None if there can be none.
pub(super) fn observe_cache(
    request: &mut CheckRequest,
    expected: &CacheExpectation,
    span: Span,
    problems: &mut Problems<'_>,
) -> Option<()> {
    let CheckRequest::Composed { times, settle, max_redirects, .. } = request else {
        let message = "`cache` and `raw` exclude each other";
        problems.push(Diagnostic::at(span, message).hint("compose the request without `raw`"));
        return None;
    };
    if *max_redirects > 0 {
        let message = "`cache` and `max_redirects` exclude each other";
        problems.push(Diagnostic::at(span, message).hint("check each request of the redirect by itself"));
        return None;
    }
    if let CacheExpectation::Each(statuses) = expected
        && statuses.len() != usize::from(times.get())
    {
        let (count, items) = (statuses.len(), if statuses.len() == 1 { "status" } else { "statuses" });
        let sent = if times.get() == 1 { "once".to_owned() } else { format!("{times} times") };
        let message = format!("`cache` lists {count} {items}, and the request is sent {sent}");
        problems.push(Diagnostic::at(span, message).hint(format!("write `times = {count}` in the request")));
        return None;
    }
    *settle = SETTLE;
    Some(())
}

/// The target of a request. In a sequence it is a text with values, and may be one as a whole.
fn target(path: &Spanned<String>, step: Option<&[String]>, problems: &mut Problems<'_>) -> Option<TextTemplate> {
    let Some(extracted) = step else { return origin_form(path, "`path`", problems).map(TextTemplate::literal) };
    if !path.get_ref().starts_with('{') {
        origin_form(path, "`path`", problems)?;
    }
    template(path, extracted, problems)
}

fn slow_clients(wire: &wire::WhileSlow, problems: &mut Problems<'_>) -> Option<SlowClients> {
    let clients = wire.clients.good().and_then(|clients| whole(clients, "`clients`", 1..=MOST_SLOW_CLIENTS, problems));
    let part = wire.part.or(SlowPart::default(), |part| Some(part.get_ref().0));
    let target = wire.path.or(None, |path| origin_form(path, "`path`", problems).map(Some));
    Some(SlowClients { clients: clients.and_then(NonZeroU16::new)?, part: part?, target: target? })
}

/// Resolves `raw`, which excludes the keys of a composed request.
fn raw(
    bytes: &Spanned<String>,
    parts: &wire::Request,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<TextTemplate> {
    let others = [
        ("method", parts.method.good().map(Spanned::span)),
        ("path", parts.path.good().map(Spanned::span)),
        ("headers", parts.headers.good().map(Spanned::span)),
        ("body", parts.body.good().map(Spanned::span)),
        ("form", parts.form.good().map(Spanned::span)),
        ("multipart", parts.multipart.good().map(Spanned::span)),
        ("times", parts.times.good().map(Spanned::span)),
        ("pause", parts.pause.good().map(Spanned::span)),
        ("within", parts.within.good().map(Spanned::span)),
        ("tls", parts.tls.good().map(Spanned::span)),
        ("http", parts.http.good().map(Spanned::span)),
        ("max_redirects", parts.max_redirects.good().map(Spanned::span)),
        ("websocket", parts.websocket.good().map(Spanned::span)),
        ("while_slow", parts.while_slow.good().map(Spanned::span)),
        ("client", parts.client.good().map(Spanned::span)),
    ];
    let mut alone = true;
    for (key, span) in others.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        alone = false;
        problems.push(
            Diagnostic::at(span, format!("`{key}` and `raw` exclude each other"))
                .related(bytes.span(), "these bytes are the whole request")
                .hint(format!("leave out `{key}`, or compose the request without `raw`")),
        );
    }
    if bytes.get_ref().is_empty() {
        problems.push(Diagnostic::at(bytes.span(), "`raw` is empty: nothing would be sent"));
        return None;
    }
    template(bytes, extracted, problems).filter(|_| alone)
}

fn header_line(
    line: &wire::HeaderLine,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<(String, TextTemplate)> {
    let name = sent_header_name(&line.name, problems);
    let text = line.value.get_ref();
    // RFC 9110, section 5.5: these would end the line or the message.
    let value = match text.char_indices().find(|(_, c)| matches!(c, '\r' | '\n' | '\0')) {
        Some((at, wrong)) => {
            let place = problems.within_string(&line.value.span(), text, at..at + 1);
            let message = format!("a header's value cannot hold {wrong:?}");
            problems.push(Diagnostic::at(place, message).hint("`raw` sends anything"));
            None
        }
        None => template(&line.value, extracted, problems),
    };
    Some((name?, value?))
}
