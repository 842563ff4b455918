//! Compares an observation with the expectation of a check, field by field. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cache_status;
use super::content_coding::{self, Content};
use super::json;
use super::observed::{Observed, Transfer, UpstreamObservation, lines};
use super::peer_certificate::PeerCertificate;
use super::words::{self, quoted, quoted_lines};
use crate::scenario::model::{
    AppField, CertificateExpectation, Expectation, HeaderRule, Placeholders, TextRule, UpstreamExpectation,
};
use lab_app::headers_report::{ReceivedRequest, RequestView};

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// An expectation and the observed value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFinding {
    /// The field, as in scenario files: `status`, `headers.Via`, `app.remote_addr`.
    pub field: String,
    /// The expectation in words.
    pub expected: String,
    pub observed: String,
    pub agrees: bool,
}

/// Compares an observation with an expectation. One finding per expected field, and one if the framing of the response is
/// broken. The check passes if all agree.
#[must_use]
pub fn evaluate(
    expect: &Expectation,
    observed: &Observed,
    upstream: &UpstreamObservation,
    values: &Placeholders,
    transfer: &Transfer,
) -> Vec<CheckFinding> {
    let mut evaluator = Evaluator { values, findings: Vec::new() };
    if let Some(error) = &observed.framing_error {
        evaluator.note("framing", "a complete response".to_owned(), error.clone(), false);
    }
    if expect.unanswered {
        evaluator.note("response", "none".to_owned(), format!("{} {}", observed.status, observed.reason), false);
    }
    if let Some(status) = &expect.status {
        evaluator.note("status", status.to_string(), observed.status.to_string(), status.accepts(observed.status));
    }
    evaluator.headers("headers", &expect.headers, &observed.headers);
    evaluator.body(expect, observed);
    if let Some(redirects) = expect.redirects {
        let followed = transfer.redirects;
        evaluator.note("redirects", redirects.to_string(), followed.to_string(), redirects == followed);
    }
    if let Some(longest) = expect.duration {
        let expected = format!("at most {} ms", longest.as_millis());
        let took = transfer.duration;
        evaluator.note("duration", expected, format!("{} ms", took.as_millis()), took <= longest);
    }
    if !expect.certificate.is_empty() {
        match &transfer.certificate {
            Some(certificate) => evaluator.certificate(&expect.certificate, certificate),
            None => evaluator.note("certificate", "a certificate".to_owned(), "none: no TLS".to_owned(), false),
        }
    }
    if let Some(cache) = &expect.cache {
        let (expected, observed, agrees) = cache_status::compare(cache, upstream.cache.as_deref());
        evaluator.note("cache", expected, observed, agrees);
    }
    if !expect.upstream.is_empty() {
        match upstream.received(observed) {
            Ok(received) => evaluator.upstream(&expect.upstream, &received),
            Err(reason) => evaluator.note("upstream", "a request at the server".to_owned(), reason, false),
        }
    }
    if !expect.app.is_empty() {
        match upstream.app(observed) {
            Ok(view) => evaluator.app(&expect.app, &view),
            Err(reason) => evaluator.note("app", "a request at the application".to_owned(), reason, false),
        }
    }
    evaluator.findings
}

struct Evaluator<'a> {
    values: &'a Placeholders,
    findings: Vec<CheckFinding>,
}

impl Evaluator<'_> {
    fn note(&mut self, field: &str, expected: String, observed: String, agrees: bool) {
        self.findings.push(CheckFinding { field: field.to_owned(), expected, observed, agrees });
    }

    fn text(&mut self, field: &str, rule: &TextRule, observed: &str) {
        let agrees = self.agrees(rule, observed);
        self.note(field, self.words(rule), quoted(observed), agrees);
    }

    fn headers(&mut self, scope: &str, rules: &[(String, HeaderRule)], headers: &[(String, String)]) {
        for (name, rule) in rules {
            let seen: Vec<&str> = lines(headers, name).collect();
            let (expected, agrees) = match rule {
                HeaderRule::Absent => ("no such line".to_owned(), seen.is_empty()),
                HeaderRule::Present => ("at least one line".to_owned(), !seen.is_empty()),
                HeaderRule::Count(count) => {
                    let plural = if *count == 1 { "" } else { "s" };
                    (format!("{count} line{plural}"), seen.len() == usize::try_from(*count).unwrap_or(usize::MAX))
                }
                HeaderRule::Lines(rules) => {
                    let words: Vec<String> = rules.iter().map(|rule| self.words(rule)).collect();
                    let agrees = rules.len() == seen.len()
                        && rules.iter().zip(&seen).all(|(rule, value)| self.agrees(rule, value));
                    (words.join(" then "), agrees)
                }
                HeaderRule::Not(rule) => {
                    let agrees = seen.iter().all(|value| !self.agrees(rule, value));
                    (format!("no line that is {}", self.words(rule)), agrees)
                }
                HeaderRule::Lacks(template) => {
                    let text = template.fill(self.values);
                    let agrees = seen.iter().all(|value| !value.contains(&text));
                    (format!("no line with {}", quoted(&text)), agrees)
                }
            };
            self.note(&format!("{scope}.{name}"), expected, quoted_lines(&seen), agrees);
        }
    }

    fn certificate(&mut self, expect: &CertificateExpectation, certificate: &PeerCertificate) {
        let CertificateExpectation { subject, issuer, names, days } = expect;
        if let Some(rule) = subject {
            self.text("certificate.subject", rule, &certificate.subject);
        }
        if let Some(rule) = issuer {
            self.text("certificate.issuer", rule, &certificate.issuer);
        }
        if let Some(rule) = names {
            let lines: Vec<_> = certificate.names.iter().map(|name| ("names".to_owned(), name.clone())).collect();
            self.headers("certificate", &[("names".to_owned(), rule.clone())], &lines);
        }
        if let Some(days) = days {
            let left = certificate.valid_for.map(|left| left.as_secs() / SECONDS_OF_A_DAY);
            let observed = left.map_or_else(|| "not valid now".to_owned(), |left| left.to_string());
            self.note("certificate.days", format!("at least {days}"), observed, left.is_some_and(|left| left >= *days));
        }
    }

    fn upstream(&mut self, expect: &UpstreamExpectation, received: &ReceivedRequest) {
        let UpstreamExpectation { method, target, headers, order } = expect;
        if let Some(rule) = method {
            self.text("upstream.method", rule, &received.method);
        }
        if let Some(rule) = target {
            self.text("upstream.target", rule, &received.target);
        }
        self.headers("upstream.headers", headers, &received.headers);
        if let Some(order) = order {
            let named = |line: &str| order.iter().any(|name| name.eq_ignore_ascii_case(line));
            let seen: Vec<&str> =
                received.headers.iter().map(|(name, _)| name.as_str()).filter(|name| named(name)).collect();
            let agrees = seen.len() == order.len() && seen.iter().zip(order).all(|(a, b)| a.eq_ignore_ascii_case(b));
            self.note("upstream.order", order.join(", "), seen.join(", "), agrees);
        }
    }

    fn app(&mut self, expect: &BTreeMap<AppField, TextRule>, view: &RequestView) {
        for (field, rule) in expect {
            self.text(&format!("app.{}", field.name()), rule, app_field(view, *field));
        }
    }

    fn agrees(&self, rule: &TextRule, observed: &str) -> bool {
        rule.map(&mut |text| text.fill(self.values)).accepts(observed)
    }

    fn words(&self, rule: &TextRule) -> String {
        words::rule(rule, self.values)
    }

    /// The body's content and the values of a JSON document in it.
    fn body(&mut self, expect: &Expectation, observed: &Observed) {
        if expect.body.is_none() && expect.json.is_empty() {
            return;
        }
        let content = match content_coding::decoded(observed) {
            Ok(Some(content)) => content,
            Ok(None) => Content { text: observed.body.clone(), is_binary: observed.is_binary },
            Err(reason) => {
                let expected = "a body that can be decoded".to_owned();
                return self.note("body", expected, reason, false);
            }
        };
        if let Some(rule) = &expect.body {
            let shown = if content.is_binary { observed.body_summary() } else { quoted(&content.text) };
            self.note("body", self.words(rule), shown, self.agrees(rule, &content.text));
        }
        if expect.json.is_empty() {
            return;
        }
        match serde_json::from_str::<serde_json::Value>(&content.text) {
            Ok(document) => {
                for (query, rule) in &expect.json {
                    let found = query.find(&document);
                    let shown = found.as_deref().map_or_else(|| "no such value".to_owned(), json::shown);
                    let agrees = json::accepts(rule, found.as_deref(), self.values);
                    self.note(&format!("json {query}"), json::words(rule, self.values), shown, agrees);
                }
            }
            Err(error) => self.note("json", "a JSON document".to_owned(), format!("{error}"), false),
        }
    }
}

#[must_use]
pub fn app_field(seen: &RequestView, field: AppField) -> &str {
    match field {
        AppField::RemoteAddr => &seen.remote_addr,
        AppField::Scheme => &seen.scheme,
        AppField::Host => &seen.host,
        AppField::RootPath => &seen.root_path,
        AppField::Path => &seen.path,
        AppField::QueryString => &seen.query_string,
        AppField::UrlRoot => &seen.url_root,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lab_load::wire::{JsonQuery, Pattern};
    use regex::Regex;

    use super::*;
    use crate::scenario::model::{
        CacheExpectation, CacheStatus, ExpectedStatus, JsonRule, Placeholder, TextTemplate, TextTemplatePart,
    };
    use lab_app::headers_report::HeadersReport;

    fn text(value: &str) -> TextTemplate {
        TextTemplate { parts: vec![TextTemplatePart::Text(value.to_owned())] }
    }

    fn query(text: &str) -> JsonQuery {
        JsonQuery::try_from(text.to_owned()).unwrap()
    }

    fn client() -> TextTemplate {
        TextTemplate { parts: vec![TextTemplatePart::Placeholder(Placeholder::Client)] }
    }

    fn pairs(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn seen() -> RequestView {
        RequestView {
            remote_addr: "127.0.0.1".to_owned(),
            scheme: "http".to_owned(),
            host: "127.0.0.1:8080".to_owned(),
            root_path: String::new(),
            path: "/headers".to_owned(),
            query_string: String::new(),
            url_root: "http://127.0.0.1:8080/".to_owned(),
        }
    }

    fn observed() -> Observed {
        let upstream = ReceivedRequest {
            method: "GET".to_owned(),
            target: "/headers".to_owned(),
            version: "HTTP/1.1".to_owned(),
            headers: pairs(&[("X-B", "1"), ("Host", "h"), ("x-a", "2"), ("X-B", "3")]),
        };
        let view = HeadersReport { upstream, app: seen(), before_proxy_fix: seen() };
        Observed {
            status: 200,
            reason: "OK".to_owned(),
            headers: pairs(&[("Date", "now"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")]),
            body: serde_json::to_string(&view).unwrap(),
            is_binary: false,
            framing_error: None,
            conditional: Vec::new(),
        }
    }

    fn values() -> Placeholders {
        Placeholders::new("127.0.0.1", "127.0.0.1", 8080)
    }

    fn disagreeing(expect: &Expectation, observed: &Observed) -> Vec<String> {
        let findings = evaluate(expect, observed, &UpstreamObservation::default(), &values(), &Transfer::default());
        findings.into_iter().filter(|finding| !finding.agrees).map(|finding| finding.field).collect()
    }

    #[test]
    fn met_expectations_agree() {
        let expect = Expectation {
            unanswered: false,
            status: Some(ExpectedStatus::Code(200)),
            headers: vec![
                ("DATE".to_owned(), HeaderRule::Count(1)),
                ("Via".to_owned(), HeaderRule::Absent),
                ("Date".to_owned(), HeaderRule::Present),
                ("Set-Cookie".to_owned(), HeaderRule::Lacks(text("c="))),
                (
                    "Set-Cookie".to_owned(),
                    HeaderRule::Lines(vec![
                        TextRule::Equal(text("a=1")),
                        TextRule::Matches(Pattern(Regex::new("^b=[0-9]$").unwrap())),
                    ]),
                ),
            ],
            body: Some(TextRule::Contains(text("upstream"))),
            upstream: UpstreamExpectation {
                method: Some(TextRule::Equal(text("GET"))),
                target: Some(TextRule::Equal(text("/headers"))),
                headers: vec![("X-A".to_owned(), HeaderRule::Lines(vec![TextRule::Equal(text("2"))]))],
                order: Some(vec!["X-B".to_owned(), "X-A".to_owned(), "X-B".to_owned()]),
            },
            app: [(AppField::RemoteAddr, TextRule::Equal(client())), (AppField::RootPath, TextRule::Empty)].into(),
            json: vec![
                (query("/upstream/method"), JsonRule::Text(TextRule::Matches(Pattern(Regex::new("^G").unwrap())))),
                (query("$.upstream.nothing"), JsonRule::Absent),
            ],
            redirects: Some(0),
            duration: Some(Duration::from_secs(1)),
            certificate: CertificateExpectation::default(),
            cache: None,
        };
        assert_eq!(disagreeing(&expect, &observed()), Vec::<String>::new());
        assert_eq!(
            evaluate(&expect, &observed(), &UpstreamObservation::default(), &values(), &Transfer::default()).len(),
            17
        );
    }

    #[test]
    fn each_kind_of_difference_is_found() {
        let lines = |values: &[&str]| HeaderRule::Lines(values.iter().map(|v| TextRule::Equal(text(v))).collect());
        let expect = Expectation {
            unanswered: true,
            status: Some(ExpectedStatus::Classes(vec![4, 5])),
            headers: vec![
                ("Date".to_owned(), HeaderRule::Absent),
                ("Via".to_owned(), HeaderRule::Present),
                ("Server".to_owned(), HeaderRule::Count(1)),
                ("Set-Cookie".to_owned(), lines(&["b=2", "a=1"])),
                ("set-cookie".to_owned(), lines(&["a=1"])),
                ("SET-COOKIE".to_owned(), HeaderRule::Lacks(text("b="))),
            ],
            body: Some(TextRule::Lacks(text("upstream"))),
            upstream: UpstreamExpectation {
                method: Some(TextRule::Equal(text("HEAD"))),
                target: Some(TextRule::Matches(Pattern(Regex::new("^/x").unwrap()))),
                headers: vec![("Host".to_owned(), lines(&["other"]))],
                order: Some(vec!["X-A".to_owned(), "X-B".to_owned()]),
            },
            app: [(AppField::Scheme, TextRule::Equal(text("https")))].into(),
            json: vec![(query("/upstream/method"), JsonRule::Absent), (query("/nothing"), JsonRule::Present)],
            redirects: Some(1),
            duration: Some(Duration::ZERO),
            certificate: CertificateExpectation { days: Some(0), ..CertificateExpectation::default() },
            cache: Some(CacheExpectation::Last(CacheStatus::Hit)),
        };
        let transfer = Transfer { duration: Duration::from_millis(1), ..Transfer::default() };
        let findings = evaluate(&expect, &observed(), &UpstreamObservation::default(), &values(), &transfer);
        assert!(findings.iter().all(|finding| !finding.agrees), "{findings:#?}");
    }

    #[test]
    fn certificate_is_compared() {
        let valid_for = |days: u64| Some(Duration::from_secs(days * SECONDS_OF_A_DAY + 1));
        let certificate = PeerCertificate {
            subject: "CN=shop.example.org".to_owned(),
            issuer: "CN=R11, O=Let's Encrypt".to_owned(),
            names: vec!["shop.example.org".to_owned(), "www.example.org".to_owned()],
            valid_for: valid_for(20),
        };
        let expect = |days| CertificateExpectation {
            subject: Some(TextRule::Equal(text("CN=shop.example.org"))),
            issuer: Some(TextRule::Contains(text("Let's Encrypt"))),
            names: Some(HeaderRule::Count(2)),
            days: Some(days),
        };
        let disagreeing = |days, certificate: &PeerCertificate| {
            let transfer = Transfer { certificate: Some(certificate.clone()), ..Transfer::default() };
            let expect = Expectation { certificate: expect(days), ..Expectation::default() };
            let findings = evaluate(&expect, &observed(), &UpstreamObservation::default(), &values(), &transfer);
            findings.into_iter().filter(|finding| !finding.agrees).map(|finding| finding.field).collect::<Vec<_>>()
        };
        assert_eq!(disagreeing(20, &certificate), Vec::<String>::new());
        assert_eq!(disagreeing(21, &certificate), ["certificate.days"]);
        let expired = PeerCertificate { valid_for: None, names: Vec::new(), ..certificate };
        assert_eq!(disagreeing(0, &expired), ["certificate.names", "certificate.days"]);
    }

    #[test]
    fn response_without_report_fails() {
        let mut response = observed();
        response.body = "Pong!".to_owned();
        let expect =
            Expectation { app: [(AppField::RemoteAddr, TextRule::Equal(client()))].into(), ..Expectation::default() };
        assert_eq!(disagreeing(&expect, &response), ["app"]);
    }

    #[test]
    fn broken_framing_fails_any_check() {
        let mut response = observed();
        response.framing_error = Some("the body ended early".to_owned());
        let expect = Expectation { status: Some(ExpectedStatus::Code(200)), ..Expectation::default() };
        assert_eq!(disagreeing(&expect, &response), ["framing"]);
    }
}
