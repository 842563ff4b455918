//! Checks: requests with expectations at the client and at the app.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use super::Stack;
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
}

impl Check {
    #[must_use]
    pub fn applies_to(&self, stack: &Stack) -> bool {
        let is_named = self.stacks.as_ref().is_none_or(|names| names.contains(&stack.name));
        is_named && self.needs.iter().all(|ability| stack.server.kind.cannot(*ability).is_none())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckRequest {
    /// Composed from its parts. Unless given, `Host` is added, `Content-Length` if there is a body without a framing field,
    /// and `Connection: close` if it is sent only once.
    Composed {
        method: String,
        /// As sent, percent-encoded.
        target: String,
        /// In order, with duplicates.
        headers: Vec<(String, TextTemplate)>,
        body: Vec<u8>,
        /// How often to send it on one connection.
        times: NonZeroU16,
        /// The deadline of the whole exchange.
        within: Duration,
        /// Whether it is sent over TLS.
        tls: bool,
        /// Clients that occupy the stack meanwhile.
        slow: Option<SlowClients>,
    },
    /// Sent byte for byte, with the placeholders replaced.
    Raw(TextTemplate),
}

impl CheckRequest {
    /// Whether it is sent over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, CheckRequest::Composed { tls: true, .. })
    }

    /// The default deadline of an exchange.
    pub const WITHIN: Duration = Duration::from_secs(10);
}

/// Clients that do not finish their requests, or reading the responses, during a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowClients {
    /// The number of clients, each on its own connection.
    pub clients: NonZeroU16,
    pub part: SlowPart,
    /// The request target; `None` is the check's own.
    pub target: Option<String>,
}

/// The part of an exchange that a slow client transfers one byte at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SlowPart {
    /// The request's head: a header line that does not end.
    #[default]
    Head,
    /// The request's body, after a head with its length.
    Body,
    /// The response, with the client's smallest receive buffer.
    Answer,
}

impl SlowPart {
    pub const ALL: [SlowPart; 3] = [SlowPart::Head, SlowPart::Body, SlowPart::Answer];

    /// The name in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SlowPart::Head => "head",
            SlowPart::Body => "body",
            SlowPart::Answer => "answer",
        }
    }

    /// The part with its article.
    #[must_use]
    pub fn with_article(self) -> &'static str {
        match self {
            SlowPart::Head => "a head",
            SlowPart::Body => "a body",
            SlowPart::Answer => "an answer",
        }
    }

    /// The verb for what slow clients do with the part.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            SlowPart::Head | SlowPart::Body => "send",
            SlowPart::Answer => "read",
        }
    }
}

/// Text with placeholders `{client}`, `{host}`, `{port}`; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTemplate {
    pub parts: Vec<TextTemplatePart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextTemplatePart {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The local address of the check's connection, without port.
    Client,
    /// The address that the check connects to, without port.
    Host,
    /// The port that the check connects to.
    Port,
}

/// The values of the placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholders {
    pub client: String,
    pub host: String,
    pub port: u16,
}

impl TextTemplate {
    /// The text with all placeholders replaced.
    #[must_use]
    pub fn fill(&self, values: &Placeholders) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                TextTemplatePart::Text(piece) => text.push_str(piece),
                TextTemplatePart::Placeholder(Placeholder::Client) => text.push_str(&values.client),
                TextTemplatePart::Placeholder(Placeholder::Host) => text.push_str(&values.host),
                TextTemplatePart::Placeholder(Placeholder::Port) => text.push_str(&values.port.to_string()),
            }
        }
        text
    }

    /// The text as written in the scenario file.
    #[must_use]
    pub fn source(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                TextTemplatePart::Text(piece) => text.push_str(&piece.replace('{', "{{").replace('}', "}}")),
                TextTemplatePart::Placeholder(placeholder) => {
                    text.push('{');
                    text.push_str(placeholder.name());
                    text.push('}');
                }
            }
        }
        text
    }
}

impl Placeholder {
    pub const ALL: [Placeholder; 3] = [Placeholder::Client, Placeholder::Host, Placeholder::Port];

    /// The name in scenario files, without braces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Placeholder::Client => "client",
            Placeholder::Host => "host",
            Placeholder::Port => "port",
        }
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
    /// The response's body.
    pub body: Option<TextRule>,
    /// The request at the app server, before any middleware.
    pub upstream: UpstreamExpectation,
    /// The request as the app saw it, after its middleware (ProxyFix).
    pub app: BTreeMap<AppField, TextRule>,
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
