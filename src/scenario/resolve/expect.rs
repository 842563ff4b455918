//! Resolves `expect`: the expected response, and the request expected at the app.

use std::collections::BTreeMap;

use toml::Spanned;

use super::super::model::{
    AppField, CacheExpectation, CertificateExpectation, Expectation, ExpectedStatus, TextRule, UpstreamExpectation,
};
use super::super::wire;
use super::json_rules;
use super::rules::{header_rule, header_rules, optional_text_rule};
use super::values::{header_name, whole};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, List};
use crate::document::suggest;
use crate::document::table::Table;

/// More is a loop.
pub(super) const MOST_REDIRECTS: u16 = 20;

/// Longer than any certificate is valid.
const MOST_DAYS: u64 = 10_000;

/// Resolves the expectations of a check, at least one.
pub(super) fn expectation(
    wire: &Spanned<wire::Expect>,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<Expectation> {
    let expect = wire.get_ref();
    if expects_nothing(expect) {
        let message = "the check expects nothing";
        let hint = "expect at least one of `status`, `headers`, `body`, `json`, `redirects`, `duration`, `certificate`, \
                    `cache`, `upstream`, `app`, or `unanswered` alone";
        problems.push(Diagnostic::at(wire.span(), message).hint(hint));
        return None;
    }
    if let Some(unanswered) = expect.unanswered.good() {
        return no_response(expect, unanswered, problems);
    }
    let status = expect.status.or(None, |status| expected_status(status, problems).map(Some));
    let headers = expect.headers.or(Vec::new(), |rules| header_rules(rules.get_ref(), extracted, problems));
    let body = optional_text_rule(&expect.body, extracted, problems);
    let json = expect.json.or(Vec::new(), |rules| json_rules::rules(rules, extracted, problems));
    let redirects =
        expect.redirects.or(None, |redirects| whole(redirects, "`redirects`", 0..=MOST_REDIRECTS, problems).map(Some));
    let duration = expect.duration.or(None, |duration| {
        let longest = duration.get_ref().0;
        if longest.is_zero() {
            problems.push(Diagnostic::at(duration.span(), "`duration` cannot be zero: no response comes that soon"));
        }
        Some(Some(longest)).filter(|_| !longest.is_zero())
    });
    let certificate =
        expect.certificate.or(CertificateExpectation::default(), |wire| certificate(wire, extracted, problems));
    let cache = expect.cache.or(None, |statuses| cache(statuses, problems).map(Some));
    let upstream = expect.upstream.or(UpstreamExpectation::default(), |wire| upstream(wire, extracted, problems));
    let app = expect.app.or(BTreeMap::new(), |wire| app(wire, extracted, problems));
    Some(Expectation {
        unanswered: false,
        status: status?,
        headers: headers?,
        body: body?,
        json: json?,
        redirects: redirects?,
        duration: duration?,
        certificate: certificate?,
        cache: cache?,
        upstream: upstream?,
        app: app?,
    })
}

fn expected_status(wire: &Spanned<wire::ExpectedStatus>, problems: &mut Problems<'_>) -> Option<ExpectedStatus> {
    let classes = match wire.get_ref() {
        wire::ExpectedStatus::Code(code) => {
            let code = whole(&Spanned::new(wire.span(), *code), "`status`", 100..=599, problems);
            return code.map(ExpectedStatus::Code);
        }
        wire::ExpectedStatus::Classes(classes) => classes,
    };
    if classes.is_empty() {
        problems.push(Diagnostic::at(wire.span(), "`status` lists no class").hint("leave it out, or list `\"2xx\"`"));
        return None;
    }
    let class = |text: &Spanned<String>| {
        let known = (1..=5).find(|class| format!("{class}xx") == *text.get_ref());
        if known.is_none() {
            let message = format!("`{}` is no class of status codes", text.get_ref());
            let hint = "accepted: `1xx`, `2xx`, `3xx`, `4xx`, `5xx`; a single code is a number";
            problems.push(Diagnostic::at(text.span(), message).hint(hint));
        }
        known
    };
    let resolved: Vec<Option<u16>> = classes.iter().map(class).collect();
    resolved.into_iter().collect::<Option<Vec<u16>>>().map(ExpectedStatus::Classes)
}

fn cache(wire: &Spanned<wire::CacheStatuses>, problems: &mut Problems<'_>) -> Option<CacheExpectation> {
    match wire.get_ref() {
        wire::CacheStatuses::Last(status) => Some(CacheExpectation::Last(*status)),
        wire::CacheStatuses::Each(list) if list.0.is_empty() => {
            problems
                .push(Diagnostic::at(wire.span(), "`cache` lists no status").hint("leave it out, or list `\"hit\"`"));
            None
        }
        wire::CacheStatuses::Each(list) => {
            Some(CacheExpectation::Each(list.0.iter().map(|status| status.get_ref().0).collect()))
        }
    }
}

/// Resolves `unanswered`, which excludes all other expectations.
fn no_response(expect: &wire::Expect, unanswered: &Spanned<bool>, problems: &mut Problems<'_>) -> Option<Expectation> {
    if !*unanswered.get_ref() {
        let message = "`unanswered` can only be `true`";
        problems.push(Diagnostic::at(unanswered.span(), message).hint("leave it out if a response is expected"));
        return None;
    }
    let others = [
        ("status", expect.status.good().map(Spanned::span)),
        ("headers", expect.headers.good().map(Spanned::span)),
        ("body", expect.body.good().map(Spanned::span)),
        ("json", expect.json.good().map(Spanned::span)),
        ("redirects", expect.redirects.good().map(Spanned::span)),
        ("duration", expect.duration.good().map(Spanned::span)),
        ("certificate", expect.certificate.good().map(Spanned::span)),
        ("cache", expect.cache.good().map(Spanned::span)),
        ("upstream", expect.upstream.good().map(Spanned::span)),
        ("app", expect.app.good().map(Spanned::span)),
    ];
    let mut alone = true;
    for (key, span) in others.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        alone = false;
        problems.push(
            Diagnostic::at(span, format!("`{key}` and `unanswered` exclude each other"))
                .related(unanswered.span(), "no response is expected")
                .hint("expect a response, or none"),
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
        && expect.json.is_absent()
        && expect.redirects.is_absent()
        && expect.duration.is_absent()
        && expect.certificate.is_absent()
        && expect.cache.is_absent()
        && expect.upstream.is_absent()
        && expect.app.is_absent()
}

fn certificate(
    wire: &Spanned<wire::Certificate>,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<CertificateExpectation> {
    let expect = wire.get_ref();
    let subject = optional_text_rule(&expect.subject, extracted, problems);
    let issuer = optional_text_rule(&expect.issuer, extracted, problems);
    let names = expect.names.or(None, |rule| header_rule(rule, extracted, problems).map(Some));
    let days = expect.days.or(None, |days| whole(days, "`days`", 0..=MOST_DAYS, problems).map(Some));
    let resolved = CertificateExpectation { subject: subject?, issuer: issuer?, names: names?, days: days? };
    if resolved.is_empty() && !expect.has_unknown_keys() {
        let message = "`expect.certificate` expects nothing";
        let hint = "expect at least one of `subject`, `issuer`, `names`, `days`, or leave it out";
        problems.push(Diagnostic::at(wire.span(), message).hint(hint));
        return None;
    }
    Some(resolved)
}

fn upstream(
    wire: &Spanned<wire::Upstream>,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<UpstreamExpectation> {
    let expect = wire.get_ref();
    let method = optional_text_rule(&expect.method, extracted, problems);
    let target = optional_text_rule(&expect.target, extracted, problems);
    let headers = expect.headers.or(Vec::new(), |rules| header_rules(rules.get_ref(), extracted, problems));
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

fn app(
    wire: &Spanned<wire::AppSaw>,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<BTreeMap<AppField, TextRule>> {
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
        match optional_text_rule(rule, extracted, problems) {
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
