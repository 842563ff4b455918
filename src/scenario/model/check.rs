//! Checks: requests with expectations at the client and at the app.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use lab_load::wire::{Extraction, JsonQuery};

use super::{CheckRequest, JsonRule, Stack, TextTemplate};
use crate::catalog::kind::Ability;

#[derive(Debug, Clone)]
pub struct Check {
    /// Unique within the scenario.
    pub name: String,
    /// The stacks to check; `None` is every stack.
    pub stacks: Option<Vec<String>>,
    /// Abilities that a stack must have to be checked.
    pub needs: Vec<Ability>,
    pub request: CheckRequest,
    pub expect: Expectation,
    /// The sequence that it is a step of. Its steps follow each other among the checks.
    pub sequence: Option<String>,
    /// Values for later steps of the sequence.
    pub extract: Vec<Extraction>,
}

impl Check {
    #[must_use]
    pub fn applies_to(&self, stack: &Stack) -> bool {
        let is_named = self.stacks.as_ref().is_none_or(|names| names.contains(&stack.name));
        is_named && self.needs.iter().all(|ability| stack.server.kind.cannot(*ability).is_none())
    }
}

/// The expectation of a status code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedStatus {
    Code(u16),
    /// Any code of these classes, by their first digits.
    Classes(Vec<u16>),
}

impl ExpectedStatus {
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        match self {
            ExpectedStatus::Code(code) => *code == status,
            ExpectedStatus::Classes(classes) => classes.contains(&(status / 100)),
        }
    }
}

impl fmt::Display for ExpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExpectedStatus::Code(code) => code.fmt(f),
            ExpectedStatus::Classes(classes) => {
                let names: Vec<String> = classes.iter().map(|class| format!("{class}xx")).collect();
                f.write_str(&names.join(" or "))
            }
        }
    }
}

/// The expectation of a check. `None` and empty values are not compared.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    /// Expects no response before the request's deadline, and nothing else.
    pub unanswered: bool,
    pub status: Option<ExpectedStatus>,
    /// The response's header lines, by name (compared without case), in the file's order.
    pub headers: Vec<(String, HeaderRule)>,
    /// The response's body, decoded.
    pub body: Option<TextRule>,
    /// Values of the body as a JSON document.
    pub json: Vec<(JsonQuery, JsonRule)>,
    /// The number of redirects followed.
    pub redirects: Option<u16>,
    /// The longest time from the connection to the end of the response.
    pub duration: Option<Duration>,
    /// The certificate that the server presented.
    pub certificate: CertificateExpectation,
    /// Whether the responses come from a cache.
    pub cache: Option<CacheExpectation>,
    /// The request at the app server, before any middleware.
    pub upstream: UpstreamExpectation,
    /// The request as the app saw it, after its middleware (ProxyFix).
    pub app: BTreeMap<AppField, TextRule>,
}

/// How a response relates to what a cache stores, judged by the requests that reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// A stored response: no request reached the server.
    Hit,
    /// The server's own response to this request.
    Miss,
    /// A stored response, while a request to the server updates it, or has failed.
    Stale,
    /// A stored response, which the server has validated with a 304.
    Revalidated,
}

impl CacheStatus {
    /// With their names in scenario files.
    pub const ALL: &'static [(&'static str, CacheStatus)] = &[
        ("hit", CacheStatus::Hit),
        ("miss", CacheStatus::Miss),
        ("stale", CacheStatus::Stale),
        ("revalidated", CacheStatus::Revalidated),
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CacheStatus::Hit => "hit",
            CacheStatus::Miss => "miss",
            CacheStatus::Stale => "stale",
            CacheStatus::Revalidated => "revalidated",
        }
    }
}

/// The expected cache statuses of the responses to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheExpectation {
    /// Of the last response.
    Last(CacheStatus),
    /// Of each response, in order.
    Each(Vec<CacheStatus>),
}

/// The expected certificate.
#[derive(Debug, Clone, Default)]
pub struct CertificateExpectation {
    pub subject: Option<TextRule>,
    pub issuer: Option<TextRule>,
    /// The hosts and addresses that it is for.
    pub names: Option<HeaderRule>,
    /// The least number of days for which it must still be valid.
    pub days: Option<u64>,
}

impl CertificateExpectation {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subject.is_none() && self.issuer.is_none() && self.names.is_none() && self.days.is_none()
    }
}

/// The expected request at the app server, before any middleware.
#[derive(Debug, Clone, Default)]
pub struct UpstreamExpectation {
    pub method: Option<TextRule>,
    /// The request target of the request line.
    pub target: Option<TextRule>,
    /// Header lines by name.
    pub headers: Vec<(String, HeaderRule)>,
    /// Header names in the order of their lines, one name for each line; other names are ignored.
    pub order: Option<Vec<String>>,
}

impl UpstreamExpectation {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.method.is_none() && self.target.is_none() && self.headers.is_empty() && self.order.is_none()
    }
}

/// The expectation of the lines of one header name.
pub type HeaderRule = lab_load::wire::HeaderRule<TextTemplate>;

/// The expectation of one text.
pub type TextRule = lab_load::wire::TextRule<TextTemplate>;

/// A property of the request as the app saw it, named as in Flask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppField {
    /// `request.remote_addr`
    RemoteAddr,
    /// `request.scheme`
    Scheme,
    /// `request.host`: with the port, unless it is the scheme's own
    Host,
    /// `request.root_path`: SCRIPT_NAME
    RootPath,
    /// `request.path`
    Path,
    /// `request.query_string`
    QueryString,
    /// `request.url_root`
    UrlRoot,
}

impl AppField {
    /// In the order of reports.
    pub const ALL: [AppField; 7] = [
        AppField::RemoteAddr,
        AppField::Scheme,
        AppField::Host,
        AppField::RootPath,
        AppField::Path,
        AppField::QueryString,
        AppField::UrlRoot,
    ];

    /// The name in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AppField::RemoteAddr => "remote_addr",
            AppField::Scheme => "scheme",
            AppField::Host => "host",
            AppField::RootPath => "root_path",
            AppField::Path => "path",
            AppField::QueryString => "query_string",
            AppField::UrlRoot => "url_root",
        }
    }
}
