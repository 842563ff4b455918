//! Resolves `[[check]]`: its name, its stacks and its request.

use std::num::NonZeroU16;

use toml::Spanned;

use super::super::model::{Check, CheckRequest, SlowClients, SlowPart, TextTemplate};
use super::super::wire;
use super::expect;
use super::stack_names::is_known_stack;
use super::values::{Unique, one_line, origin_form, sent_header_name, sent_method, template, whole};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, List};
use crate::document::table::Table;

/// More would be a load, not a check.
const MOST_TIMES: u16 = 100;
/// More would be a load, not a check.
const MOST_SLOW_CLIENTS: u16 = 1000;

/// The checks in the file's order. `None` if one of them is invalid.
pub(super) fn checks(
    wire: &List<wire::Check>,
    stack_names: Option<&Vec<&str>>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Check>> {
    let mut names = Unique::new("check");
    let resolved: Vec<_> = wire
        .0
        .iter()
        .map(|wire| {
            if let Some(name) = wire.get_ref().name.good() {
                names.add(name, problems);
            }
            check(wire.get_ref(), stack_names, problems)
        })
        .collect();
    resolved.into_iter().collect()
}

fn check(wire: &wire::Check, stack_names: Option<&Vec<&str>>, problems: &mut Problems<'_>) -> Option<Check> {
    let name = wire.name.good().and_then(|name| one_line(name, "a check's `name`", problems));
    let stacks = wire.stacks.or(None, |names| stacks(names, stack_names, problems).map(Some));
    let request = wire.request.good().and_then(|wire| request(wire, problems));
    let expect = wire.expect.good().and_then(|wire| expect::expectation(wire, problems));
    let needs = wire.needs.value().map_or(Vec::new(), |list| list.0.iter().map(|one| one.get_ref().0).collect());
    Some(Check { name: name?, stacks: stacks?, needs, request: request?, expect: expect? })
}

/// The stacks that a check names. If `stack_names` is `None`, every name is accepted.
fn stacks(
    names: &Spanned<List<String>>,
    stack_names: Option<&Vec<&str>>,
    problems: &mut Problems<'_>,
) -> Option<Vec<String>> {
    let list = &names.get_ref().0;
    if list.is_empty() {
        let message = "`stacks` is empty: the check would never run";
        problems.push(Diagnostic::at(names.span(), message).hint("leave `stacks` out to check every stack"));
        return None;
    }
    let mut unique = Unique::new("stack");
    let mut all_known = true;
    for name in list {
        unique.add(name, problems);
        all_known &= stack_names.is_none_or(|known| is_known_stack(name, known, problems));
    }
    all_known.then(|| list.iter().map(|name| name.get_ref().clone()).collect())
}

fn request(wire: &Spanned<wire::Request>, problems: &mut Problems<'_>) -> Option<CheckRequest> {
    let parts = wire.get_ref();
    if let Field::Good(bytes) = &parts.raw {
        return raw(bytes, parts, problems).map(CheckRequest::Raw);
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
            _ if asterisk => Some("*".to_owned()),
            _ => origin_form(path, "`path`", problems),
        }
    });
    let headers = parts.headers.or(Vec::new(), |lines| {
        let resolved: Vec<_> = lines.get_ref().0.iter().map(|line| header_line(line.get_ref(), problems)).collect();
        resolved.into_iter().collect()
    });
    let body = parts.body.or(Vec::new(), |body| Some(body.get_ref().clone().into_bytes()));
    let times = parts
        .times
        .or(NonZeroU16::MIN, |times| whole(times, "`times`", 1..=MOST_TIMES, problems).and_then(NonZeroU16::new));
    let within = parts.within.or(CheckRequest::WITHIN, |within| {
        let time = within.get_ref().0;
        if time.is_zero() {
            problems.push(Diagnostic::at(within.span(), "`within` cannot be zero: no answer comes that soon"));
        }
        Some(time).filter(|time| !time.is_zero())
    });
    let slow = parts.while_slow.or(None, |wire| slow_clients(wire.get_ref(), problems).map(Some));
    let tls = parts.tls.value().copied().unwrap_or_default();
    if let (true, Some(slow)) = (tls, parts.while_slow.good()) {
        let message = "`while_slow` and `tls` exclude each other";
        problems.push(Diagnostic::at(slow.span(), message).hint("slow clients speak plain HTTP: leave out `tls`"));
    }
    let (headers, body, times, within, slow) = (headers?, body?, times?, within?, slow?);
    Some(CheckRequest::Composed { method: method?, target: target?, headers, body, times, within, tls, slow })
}

fn slow_clients(wire: &wire::WhileSlow, problems: &mut Problems<'_>) -> Option<SlowClients> {
    let clients = wire.clients.good().and_then(|clients| whole(clients, "`clients`", 1..=MOST_SLOW_CLIENTS, problems));
    let part = wire.part.or(SlowPart::default(), |part| Some(part.get_ref().0));
    let target = wire.path.or(None, |path| origin_form(path, "`path`", problems).map(Some));
    Some(SlowClients { clients: clients.and_then(NonZeroU16::new)?, part: part?, target: target? })
}

/// Resolves `raw`, which excludes the keys of a composed request.
fn raw(bytes: &Spanned<String>, parts: &wire::Request, problems: &mut Problems<'_>) -> Option<TextTemplate> {
    let others = [
        ("method", parts.method.good().map(Spanned::span)),
        ("path", parts.path.good().map(Spanned::span)),
        ("headers", parts.headers.good().map(Spanned::span)),
        ("body", parts.body.good().map(Spanned::span)),
        ("times", parts.times.good().map(Spanned::span)),
        ("within", parts.within.good().map(Spanned::span)),
        ("tls", parts.tls.good().map(Spanned::span)),
        ("while_slow", parts.while_slow.good().map(Spanned::span)),
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
    template(bytes, problems).filter(|_| alone)
}

fn header_line(line: &wire::HeaderLine, problems: &mut Problems<'_>) -> Option<(String, TextTemplate)> {
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
        None => template(&line.value, problems),
    };
    Some((name?, value?))
}
