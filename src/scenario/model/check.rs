//! A check: a request, and what is expected of its answer and of what arrived at the app.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use super::Stack;
use crate::catalog::kind::Ability;

/// A request with what is expected at the client and at the app.
#[derive(Debug, Clone)]
pub struct Check {
    /// Unique within the scenario.
    pub name: String,
    /// The stacks this is asked of; `None` is every stack.
    pub stacks: Option<Vec<String>>,
    /// What a stack must be able to do to be asked this.
    pub needs: Vec<Ability>,
    /// What is sent.
    pub request: CheckRequest,
    /// What must come back, and what the app must have seen.
    pub expect: Expectation,
}

impl Check {
    /// Whether this check is asked of `stack`.
    #[must_use]
    pub fn applies_to(&self, stack: &Stack) -> bool {
        let is_named = self.stacks.as_ref().is_none_or(|names| names.contains(&stack.name));
        is_named && self.needs.iter().all(|ability| stack.server.kind.cannot(*ability).is_none())
    }
}

/// What a check sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckRequest {
    /// Composed from its parts; `Host` is added unless given, `Content-Length` when there is a body and no
    /// framing header is given, `Connection: close` unless Connection is given or it is sent several times.
    Composed {
        /// The method, as sent.
        method: String,
        /// The request target, as sent: percent-encoding and all.
        target: String,
        /// Header lines in order, duplicates kept. Values may hold placeholders.
        headers: Vec<(String, TextTemplate)>,
        /// The body's bytes.
        body: Vec<u8>,
        /// How often it is sent on one connection.
        times: NonZeroU16,
        /// How long the whole exchange may take.
        within: Duration,
        /// The clients that keep the stack waiting meanwhile.
        slow: Option<SlowClients>,
    },
    /// Sent as it is, byte for byte, after placeholders are filled in.
    Raw(TextTemplate),
}

impl CheckRequest {
    /// How long an exchange may take where nobody says.
    pub const WITHIN: Duration = Duration::from_secs(10);
}

/// Clients that send a request, or read its answer, for as long as a check is asked, and never come to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowClients {
    /// How many, each on a connection of its own.
    pub clients: NonZeroU16,
    /// What they are slow with.
    pub part: SlowPart,
    /// The request target they ask for; `None`: the check's own.
    pub target: Option<String>,
}

/// The part of an exchange that a slow client takes a byte at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SlowPart {
    /// The head: a header line that does not end.
    #[default]
    Head,
    /// The body, behind a head that says its length.
    Body,
    /// The answer, of which the client's system keeps as little as it may.
    Answer,
}

impl SlowPart {
    /// Everything there is.
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

    /// One of them, in words.
    #[must_use]
    pub fn one(self) -> &'static str {
        match self {
            SlowPart::Head => "a head",
            SlowPart::Body => "a body",
            SlowPart::Answer => "an answer",
        }
    }

    /// What slow clients do with it.
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
    /// The pieces in order.
    pub parts: Vec<TextTemplatePart>,
}

/// One piece of a [`TextTemplate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextTemplatePart {
    /// Text as it is.
    Text(String),
    /// Filled in when the check runs.
    Placeholder(Placeholder),
}

/// What a [`TextTemplate`] can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The address the check's connection comes from, without port.
    Client,
    /// The address the check connects to, without port.
    Host,
    /// The port the check connects to.
    Port,
}

/// What a [`TextTemplate`] is filled in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholders {
    /// For `{client}`.
    pub client: String,
    /// For `{host}`.
    pub host: String,
    /// For `{port}`.
    pub port: u16,
}

impl TextTemplate {
    /// The text with every placeholder filled in.
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

    /// The text as it stands in the scenario file, placeholders in braces.
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
    /// Every placeholder.
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

/// What a check expects. `None` and empty mean: not looked at.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    /// That no answer comes within the time the request allows; then nothing else is expected.
    pub unanswered: bool,
    /// The status code at the client.
    pub status: Option<u16>,
    /// The response's header lines at the client, by name (compared without case), in the file's order.
    pub headers: Vec<(String, HeaderRule)>,
    /// The response body at the client.
    pub body: Option<TextRule>,
    /// What arrived at the app's server, before any middleware.
    pub upstream: UpstreamExpectation,
    /// What the app itself saw, after its middleware (ProxyFix).
    pub app: BTreeMap<AppField, TextRule>,
}

/// What must have arrived at the app server, before any middleware.
#[derive(Debug, Clone, Default)]
pub struct UpstreamExpectation {
    /// The method.
    pub method: Option<TextRule>,
    /// The request target as it stood in the request line.
    pub target: Option<TextRule>,
    /// Header lines by name.
    pub headers: Vec<(String, HeaderRule)>,
    /// These names' lines, and only theirs, in the order they arrived; a name stands once per line.
    pub order: Option<Vec<String>>,
}

impl UpstreamExpectation {
    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.method.is_none() && self.target.is_none() && self.headers.is_empty() && self.order.is_none()
    }
}

/// What is expected of one header name's lines.
pub type HeaderRule = lab_load::wire::HeaderRule<TextTemplate>;

/// What is expected of one text, after placeholders are filled in.
pub type TextRule = lab_load::wire::TextRule<TextTemplate>;

/// What the app can be asked about its request; named as in Flask.
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
    /// Every field, in the order reports show them.
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
