//! The request of a check.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use lab_load::wire::Values;

use super::TextTemplate;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckRequest {
    /// Composed from its parts. Unless given, `Host` is added, `Content-Length` if there is a body without a framing field,
    /// and `Connection: close` if it is sent only once.
    Composed {
        method: String,
        /// As sent, percent-encoded.
        target: TextTemplate,
        /// In order, with duplicates.
        headers: Vec<(String, TextTemplate)>,
        body: RequestBody,
        /// How often to send it on one connection.
        times: NonZeroU16,
        /// The time between a response and the next request.
        pause: Duration,
        /// The least time after each response in which requests that the proxy sends by itself reach the server.
        settle: Duration,
        /// The deadline of the whole exchange.
        within: Duration,
        /// Whether it is sent over TLS.
        tls: bool,
        http: HttpVersion,
        /// The most redirects to follow.
        max_redirects: u16,
        /// Clients that occupy the stack meanwhile.
        slow: Option<SlowClients>,
        /// The client's address, instead of [`CLIENT`](CheckRequest::CLIENT).
        client: Option<Ipv4Addr>,
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

    /// The host of its `Host` line, without the port. `None` if it has none, or one that is known only when it is sent.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let line = match self {
            CheckRequest::Composed { headers, .. } => {
                headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| value.source())
            }
            CheckRequest::Raw(template) => template.source().lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
            }),
        };
        let host = line?.split(':').next().unwrap_or_default().to_owned();
        Some(host).filter(|host| !host.is_empty() && !host.contains('{'))
    }

    /// Whether redirects lead it to other places.
    #[must_use]
    pub fn follows_redirects(&self) -> bool {
        matches!(self, CheckRequest::Composed { max_redirects: 1.., .. })
    }

    /// The default deadline of an exchange.
    pub const WITHIN: Duration = Duration::from_secs(10);

    /// The client's address where the stack is on this machine's loopback interface: not that of its proxy, which servers
    /// trust.
    pub const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    /// The client's address where the stack is on this machine's loopback interface.
    #[must_use]
    pub fn client(&self) -> Ipv4Addr {
        match self {
            CheckRequest::Composed { client: Some(client), .. } => *client,
            CheckRequest::Composed { client: None, .. } | CheckRequest::Raw(_) => CheckRequest::CLIENT,
        }
    }

    /// A GET request for `path` with nothing else.
    #[must_use]
    pub fn get(path: &str) -> CheckRequest {
        CheckRequest::Composed {
            method: "GET".to_owned(),
            target: TextTemplate::literal(path),
            headers: Vec::new(),
            body: RequestBody::default(),
            times: NonZeroU16::MIN,
            pause: Duration::ZERO,
            settle: Duration::ZERO,
            within: CheckRequest::WITHIN,
            tls: false,
            http: HttpVersion::OneOne,
            max_redirects: 0,
            slow: None,
            client: None,
        }
    }

    /// The same request with the values of these names filled in.
    #[must_use]
    pub fn with_values(&self, values: &Values) -> CheckRequest {
        let mut request = self.clone();
        match &mut request {
            CheckRequest::Raw(template) => *template = template.with_values(values),
            CheckRequest::Composed { target, headers, body, .. } => {
                *target = target.with_values(values);
                for (_, value) in headers {
                    *value = value.with_values(values);
                }
                body.fill(values);
            }
        }
        request
    }
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    OneZero,
    OneOne,
    Two,
}

/// The body of a composed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// Empty means no body.
    Text(TextTemplate),
    File(PathBuf),
    /// `application/x-www-form-urlencoded`: names and values, in order.
    Form(Vec<(String, TextTemplate)>),
    /// `multipart/form-data` (RFC 7578).
    Multipart(Vec<Part>),
}

impl Default for RequestBody {
    fn default() -> RequestBody {
        RequestBody::Text(TextTemplate::default())
    }
}

impl RequestBody {
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == RequestBody::default()
    }

    fn fill(&mut self, values: &Values) {
        match self {
            RequestBody::Text(text) => *text = text.with_values(values),
            RequestBody::File(_) => {}
            RequestBody::Form(fields) => {
                for (_, value) in fields {
                    *value = value.with_values(values);
                }
            }
            RequestBody::Multipart(parts) => {
                for part in parts {
                    if let PartContent::Text(text) = &mut part.content {
                        *text = text.with_values(values);
                    }
                }
            }
        }
    }
}

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub content: PartContent,
    /// Its `Content-Type`. Default: `application/octet-stream` for a file, none for a text.
    pub media_type: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartContent {
    Text(TextTemplate),
    File {
        path: PathBuf,
        /// The name that the server is given.
        filename: String,
    },
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
    Response,
}

impl SlowPart {
    pub const ALL: [SlowPart; 3] = [SlowPart::Head, SlowPart::Body, SlowPart::Response];

    /// The name in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SlowPart::Head => "head",
            SlowPart::Body => "body",
            SlowPart::Response => "response",
        }
    }

    /// The part with its article.
    #[must_use]
    pub fn with_article(self) -> &'static str {
        match self {
            SlowPart::Head => "a head",
            SlowPart::Body => "a body",
            SlowPart::Response => "a response",
        }
    }

    /// The verb for what slow clients do with the part.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            SlowPart::Head | SlowPart::Body => "send",
            SlowPart::Response => "read",
        }
    }
}
