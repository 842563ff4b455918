//! Resolves `[[check]]`: its name, its stacks, and its request or the steps of its sequence.

use toml::Spanned;

use super::super::model::{Check, CheckRequest, Expectation};
use super::super::wire;
use super::context::ResolveContext;
use super::expect;
use super::extract::extractions;
use super::request;
use super::stack_names::is_known_stack;
use super::values::{Unique, one_line};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, List};
use crate::document::suggest;
use crate::document::table::Table;

/// The checks in the file's order, each step of a sequence as a check. `None` if one of them is invalid.
pub(super) fn checks(
    wire: &List<wire::Check>,
    stack_names: Option<&Vec<&str>>,
    context: &ResolveContext<'_>,
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
            check(wire, stack_names, context, problems)
        })
        .collect();
    let resolved = resolved.into_iter().collect::<Option<Vec<_>>>()?;
    Some(resolved.into_iter().flatten().collect())
}

/// One check, or the steps of a sequence.
fn check(
    wire: &Spanned<wire::Check>,
    stack_names: Option<&Vec<&str>>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Check>> {
    let table = wire.get_ref();
    let name = table.name.good().and_then(|name| one_line(name, "a check's `name`", problems));
    let stacks = table.stacks.or(None, |names| stacks(names, stack_names, problems).map(Some));
    let needs = table.needs.value().map_or(Vec::new(), |list| list.0.iter().map(|one| one.get_ref().0).collect());
    if let Field::Good(list) = &table.step {
        let is_alone = refuse_beside_steps(table, list, problems);
        let steps = steps(list, context, problems);
        let (name, stacks) = (name?, stacks?);
        let steps = steps?.into_iter().map(|step| Check {
            name: format!("{name}: {}", step.name),
            stacks: stacks.clone(),
            needs: needs.clone(),
            sequence: Some(name.clone()),
            ..step
        });
        return Some(steps.collect()).filter(|_| is_alone);
    }
    let missing: Vec<&str> = [("request", table.request.is_absent()), ("expect", table.expect.is_absent())]
        .into_iter()
        .filter_map(|(key, is_absent)| is_absent.then_some(key))
        .collect();
    if !missing.is_empty() && table.step.is_absent() && !table.has_unknown_keys() {
        let keys = if missing.len() == 1 { "key" } else { "keys" };
        let message = format!("missing {keys} {} in `[[check]]`", suggest::quoted(&missing));
        let hint = "`request` is what to send and `expect` what to compare the response with; `[[check.step]]` is a \
                    sequence of them";
        problems.push(Diagnostic::at(wire.span(), message).hint(hint));
    }
    let (request, expect) = exchange(&table.request, &table.expect, None, context, problems)?;
    Some(vec![Check { name: name?, stacks: stacks?, needs, request, expect, sequence: None, extract: Vec::new() }])
}

/// The steps of a sequence, as checks without the sequence's own properties.
fn steps(
    wire: &Spanned<List<wire::CheckStep>>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Check>> {
    if wire.get_ref().0.is_empty() {
        problems.push(Diagnostic::at(wire.span(), "`step` is empty: nothing would be sent"));
        return None;
    }
    let mut names = Unique::new("step");
    let mut extracted: Vec<String> = Vec::new();
    let mut resolved = Vec::new();
    for step in &wire.get_ref().0 {
        let step = step.get_ref();
        if let Some(name) = step.name.good() {
            names.add(name, problems);
        }
        let name = step.name.good().and_then(|name| one_line(name, "a step's `name`", problems));
        let exchange = exchange(&step.request, &step.expect, Some(&extracted), context, problems);
        let extract = step.extract.or(Vec::new(), |values| extractions(values.get_ref(), problems));
        if let Some(values) = step.extract.value() {
            extracted.extend(values.0.iter().map(|(name, _)| name.get_ref().clone()));
        }
        let resolve = || {
            let (request, expect) = exchange?;
            let (stacks, needs, sequence) = (None, Vec::new(), None);
            Some(Check { name: name?, stacks, needs, request, expect, sequence, extract: extract? })
        };
        resolved.push(resolve());
    }
    resolved.into_iter().collect()
}

/// A request with the expectation of its response. `step` are the names of the values of earlier steps.
fn exchange(
    request: &Field<wire::Request>,
    expect: &Field<wire::Expect>,
    step: Option<&[String]>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<(CheckRequest, Expectation)> {
    let sent = request.good().and_then(|wire| request::request(wire, step, context, problems));
    let expected = expect.good().and_then(|wire| expect::expectation(wire, step.unwrap_or_default(), problems));
    let wire = request.value()?;
    if let Some(redirects) = expect.value().and_then(|expect| expect.redirects.good())
        && wire.max_redirects.is_absent()
    {
        let hint = "write `max_redirects` in the request to follow them";
        problems.push(Diagnostic::at(redirects.span(), "the request follows no redirects").hint(hint));
        return None;
    }
    let is_encrypted = wire.tls.value() == Some(&true) || !wire.max_redirects.is_absent();
    if let Some(certificate) = expect.value().and_then(|expect| expect.certificate.good())
        && !is_encrypted
    {
        let hint = "write `tls = true` in the request";
        problems
            .push(Diagnostic::at(certificate.span(), "the request has no TLS, so there is no certificate").hint(hint));
        return None;
    }
    let (mut sent, mut expected) = (sent?, expected?);
    if let (Some(given), Some(statuses)) = (expect.value().and_then(|expect| expect.cache.good()), &expected.cache) {
        request::observe_cache(&mut sent, statuses, given.span(), problems)?;
    }
    if wire.websocket.value() == Some(&true) && !request::expect_websocket(&mut expected) {
        let span = expect.good().map_or(0..0, Spanned::span);
        let message = "`unanswered` and `websocket` exclude each other";
        problems.push(Diagnostic::at(span, message));
        return None;
    }
    Some((sent, expected))
}

/// Reports `request` and `expect` beside steps. Returns whether there is neither.
fn refuse_beside_steps(
    wire: &wire::Check,
    steps: &Spanned<List<wire::CheckStep>>,
    problems: &mut Problems<'_>,
) -> bool {
    let others =
        [("request", wire.request.good().map(Spanned::span)), ("expect", wire.expect.good().map(Spanned::span))];
    let mut is_alone = true;
    for (key, span) in others.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        is_alone = false;
        problems.push(
            Diagnostic::at(span, format!("`{key}` and `[[check.step]]` exclude each other"))
                .related(steps.span(), "the steps have their own")
                .hint(format!("make `{key}` a part of the first step")),
        );
    }
    is_alone
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
