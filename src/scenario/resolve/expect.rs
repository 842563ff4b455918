//! Resolves `expect`: what must come back, and what the app must have seen.

use std::collections::BTreeMap;

use lab_load::wire::Pattern;
use regex::Regex;
use toml::Spanned;

use super::super::model::{AppField, Expectation, HeaderRule, TextRule, UpstreamExpectation};
use super::super::wire;
use super::values::{Unique, header_name, template, whole};
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::{ByName, Field, Integer, List};
use crate::document::suggest;
use crate::document::table::Table;

/// More lines of one name than any server lets through.
const MOST_LINES: u32 = 1_000;

/// What a check expects: at least one thing.
pub(super) fn expectation(wire: &Spanned<wire::Expect>, problems: &mut Problems<'_>) -> Option<Expectation> {
    let expect = wire.get_ref();
    if expects_nothing(expect) {
        let message = "the check expects nothing";
        let hint = "expect at least one of `status`, `headers`, `body`, `upstream`, `app`, or `unanswered` alone";
        problems.push(Diagnostic::at(wire.span(), message).hint(hint));
        return None;
    }
    if let Some(unanswered) = expect.unanswered.good() {
        return nothing_at_all(expect, unanswered, problems);
    }
    let status = expect.status.or(None, |status| whole(status, "`status`", 100..=599, problems).map(Some));
    let headers = expect.headers.or(Vec::new(), |rules| header_rules(rules.get_ref(), problems));
    let body = text_rule_of(&expect.body, problems);
    let upstream = expect.upstream.or(UpstreamExpectation::default(), |wire| upstream(wire, problems));
    let app = expect.app.or(BTreeMap::new(), |wire| app(wire, problems));
    Some(Expectation {
        unanswered: false,
        status: status?,
        headers: headers?,
        body: body?,
        upstream: upstream?,
        app: app?,
    })
}

/// That no answer comes, which leaves nothing to expect of it.
fn nothing_at_all(
    expect: &wire::Expect,
    unanswered: &Spanned<bool>,
    problems: &mut Problems<'_>,
) -> Option<Expectation> {
    if !*unanswered.get_ref() {
        let message = "`unanswered` can only be `true`";
        problems.push(Diagnostic::at(unanswered.span(), message).hint("leave it out where an answer is expected"));
        return None;
    }
    let others = [
        ("status", expect.status.good().map(Spanned::span)),
        ("headers", expect.headers.good().map(Spanned::span)),
        ("body", expect.body.good().map(Spanned::span)),
        ("upstream", expect.upstream.good().map(Spanned::span)),
        ("app", expect.app.good().map(Spanned::span)),
    ];
    let mut alone = true;
    for (key, span) in others.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        alone = false;
        problems.push(
            Diagnostic::at(span, format!("`{key}` beside `unanswered`"))
                .related(unanswered.span(), "there is to be no answer")
                .hint("expect an answer, or none"),
        );
    }
    alone.then(|| Expectation { unanswered: true, ..Expectation::default() })
}

fn expects_nothing(expect: &wire::Expect) -> bool {
    let no_headers = match &expect.headers {
        Field::Absent => true,
        Field::Bad => false,
        Field::Good(headers) => headers.get_ref().0.is_empty(),
    };
    !expect.has_unknown_keys()
        && expect.unanswered.is_absent()
        && expect.status.is_absent()
        && no_headers
        && expect.body.is_absent()
        && expect.upstream.is_absent()
        && expect.app.is_absent()
}

fn upstream(wire: &Spanned<wire::Upstream>, problems: &mut Problems<'_>) -> Option<UpstreamExpectation> {
    let expect = wire.get_ref();
    let method = text_rule_of(&expect.method, problems);
    let target = text_rule_of(&expect.target, problems);
    let headers = expect.headers.or(Vec::new(), |rules| header_rules(rules.get_ref(), problems));
    let order = expect.order.or(None, |names| order(names, problems).map(Some));
    let resolved = UpstreamExpectation { method: method?, target: target?, headers: headers?, order: order? };
    if resolved.is_empty() && !expect.has_unknown_keys() {
        let message = "`expect.upstream` expects nothing";
        let hint = "expect at least one of `method`, `target`, `headers`, `order`, or leave it out";
        problems.push(Diagnostic::at(wire.span(), message).hint(hint));
        return None;
    }
    Some(resolved)
}

fn order(names: &Spanned<List<String>>, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    if names.get_ref().0.is_empty() {
        problems.push(Diagnostic::at(names.span(), "`order` names no header"));
        return None;
    }
    let resolved: Vec<_> = names.get_ref().0.iter().map(|name| header_name(name, problems)).collect();
    resolved.into_iter().collect()
}

fn app(wire: &Spanned<wire::AppSaw>, problems: &mut Problems<'_>) -> Option<BTreeMap<AppField, TextRule>> {
    let saw = wire.get_ref();
    let mut rules = BTreeMap::new();
    let mut all_good = true;
    for field in AppField::ALL {
        let rule = match field {
            AppField::RemoteAddr => &saw.remote_addr,
            AppField::Scheme => &saw.scheme,
            AppField::Host => &saw.host,
            AppField::RootPath => &saw.root_path,
            AppField::Path => &saw.path,
            AppField::QueryString => &saw.query_string,
            AppField::UrlRoot => &saw.url_root,
        };
        match text_rule_of(rule, problems) {
            Some(Some(rule)) => {
                rules.insert(field, rule);
            }
            Some(None) => {}
            None => all_good = false,
        }
    }
    if all_good && rules.is_empty() && !saw.has_unknown_keys() {
        let names: Vec<_> = AppField::ALL.iter().map(|field| field.name()).collect();
        let hint = format!("expect at least one of {}, or leave it out", suggest::quoted(&names));
        problems.push(Diagnostic::at(wire.span(), "`expect.app` expects nothing").hint(hint));
        return None;
    }
    all_good.then_some(rules)
}

pub(super) fn header_rules(
    wire: &ByName<wire::HeaderRule>,
    problems: &mut Problems<'_>,
) -> Option<Vec<(String, HeaderRule)>> {
    let mut names = Unique::new("header");
    let resolved: Vec<_> = wire
        .0
        .iter()
        .map(|(name, rule)| {
            // RFC 9110, section 5.1: header names have no case.
            names.add_without_case(name, problems);
            let name = header_name(name, problems);
            let rule = rule.good().and_then(|rule| header_rule(rule, problems));
            Some((name?, rule?))
        })
        .collect();
    resolved.into_iter().collect()
}

fn header_rule(wire: &Spanned<wire::HeaderRule>, problems: &mut Problems<'_>) -> Option<HeaderRule> {
    let one_line = |rule: TextRule| HeaderRule::Lines(vec![rule]);
    match wire.get_ref() {
        wire::HeaderRule::Line(text) => equal(text, wire.span(), problems).map(one_line),
        wire::HeaderRule::Lines(lines) if lines.0.is_empty() => {
            let hint = "write `{ absent = true }` to expect no line of this name";
            problems.push(Diagnostic::at(wire.span(), "no lines are listed").hint(hint));
            None
        }
        wire::HeaderRule::Lines(lines) => {
            let resolved: Vec<_> = lines.0.iter().map(|line| text_rule(line, problems)).collect();
            resolved.into_iter().collect::<Option<Vec<_>>>().map(HeaderRule::Lines)
        }
        wire::HeaderRule::Table(rule) => {
            let keys = [
                ("contains", place(&rule.contains)),
                ("matches", place(&rule.matches)),
                ("empty", place(&rule.empty)),
                ("absent", place(&rule.absent)),
                ("present", place(&rule.present)),
                ("count", place(&rule.count)),
            ];
            match exactly_one(&keys, wire.span(), rule.has_unknown_keys(), problems)? {
                "contains" => contains(&rule.contains, problems).map(one_line),
                "matches" => matches(&rule.matches, problems).map(one_line),
                "empty" => only_true(&rule.empty, "empty", problems).map(|()| one_line(TextRule::Empty)),
                "absent" => only_true(&rule.absent, "absent", problems).map(|()| HeaderRule::Absent),
                "present" => only_true(&rule.present, "present", problems).map(|()| HeaderRule::Present),
                _ => count(&rule.count, problems),
            }
        }
    }
}

fn count(field: &Field<Integer>, problems: &mut Problems<'_>) -> Option<HeaderRule> {
    let number = field.good()?;
    if number.get_ref().0 == 0 {
        let hint = "write `{ absent = true }` to expect no line of this name";
        problems.push(Diagnostic::at(number.span(), "`count` cannot be 0").hint(hint));
        return None;
    }
    whole(number, "`count`", 1..=MOST_LINES, problems).map(HeaderRule::Count)
}

/// The rule of a key that may be missing: `Some(None)` where it is, `None` after a problem.
pub(super) fn text_rule_of(field: &Field<wire::TextRule>, problems: &mut Problems<'_>) -> Option<Option<TextRule>> {
    field.or(None, |rule| text_rule(rule, problems).map(Some))
}

fn text_rule(wire: &Spanned<wire::TextRule>, problems: &mut Problems<'_>) -> Option<TextRule> {
    match wire.get_ref() {
        wire::TextRule::Equal(text) => equal(text, wire.span(), problems),
        wire::TextRule::Table(rule) => {
            let keys =
                [("contains", place(&rule.contains)), ("matches", place(&rule.matches)), ("empty", place(&rule.empty))];
            match exactly_one(&keys, wire.span(), rule.has_unknown_keys(), problems)? {
                "contains" => contains(&rule.contains, problems),
                "matches" => matches(&rule.matches, problems),
                _ => only_true(&rule.empty, "empty", problems).map(|()| TextRule::Empty),
            }
        }
    }
}

fn equal(text: &str, span: Span, problems: &mut Problems<'_>) -> Option<TextRule> {
    template(&Spanned::new(span, text.to_owned()), problems).map(TextRule::Equal)
}

fn contains(field: &Field<String>, problems: &mut Problems<'_>) -> Option<TextRule> {
    let text = field.good()?;
    if text.get_ref().is_empty() {
        let message = "`contains` is empty, and every text contains that";
        problems.push(Diagnostic::at(text.span(), message).hint("write `{ empty = true }` to expect an empty text"));
        return None;
    }
    template(text, problems).map(TextRule::Contains)
}

fn matches(field: &Field<String>, problems: &mut Problems<'_>) -> Option<TextRule> {
    let pattern = field.good()?;
    match Regex::new(pattern.get_ref()) {
        Ok(regex) => Some(TextRule::Matches(Pattern(regex))),
        Err(error) => {
            let reason = match error {
                regex::Error::CompiledTooBig(limit) => format!("compiled, it would take more than {limit} bytes"),
                // A syntax error's text repeats the pattern above its last line; the file's line shows that already.
                other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
            };
            let hint = "accepted: the syntax of Rust's regex crate, without look-around and back-references";
            problems.push(Diagnostic::at(pattern.span(), format!("not a regular expression: {reason}")).hint(hint));
            None
        }
    }
}

fn only_true(field: &Field<bool>, key: &str, problems: &mut Problems<'_>) -> Option<()> {
    let flag = field.good()?;
    if !*flag.get_ref() {
        let message = format!("`{key} = false` says nothing");
        problems.push(Diagnostic::at(flag.span(), message).hint(format!("accepted: `{key} = true`")));
        return None;
    }
    Some(())
}

/// Where a key's value stands, if it is there; an empty place where it is bad.
pub(super) fn place<T>(field: &Field<T>) -> Option<Span> {
    match field {
        Field::Absent => None,
        Field::Bad => Some(0..0),
        Field::Good(value) => Some(value.span()),
    }
}

/// The one key of a rule that is there; a problem where there is none, or more than one.
pub(super) fn exactly_one<'k>(
    keys: &[(&'k str, Option<Span>)],
    rule: Span,
    has_unknown_keys: bool,
    problems: &mut Problems<'_>,
) -> Option<&'k str> {
    let given: Vec<_> = keys.iter().filter(|(_, place)| place.is_some()).map(|(key, _)| *key).collect();
    let all: Vec<_> = keys.iter().map(|(key, _)| *key).collect();
    let message = match given.as_slice() {
        [one] => return Some(one),
        // A misspelt key was meant to say something, and is reported.
        [] if has_unknown_keys => return None,
        [] => "the rule says nothing".to_owned(),
        several => format!("the rule says more than one thing: {}", suggest::quoted(several)),
    };
    problems.push(Diagnostic::at(rule, message).hint(format!("accepted: exactly one of {}", suggest::quoted(&all))));
    None
}
