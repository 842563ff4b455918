//! Where a request goes: what the phases of its processing make of it, and change on the way.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use lab_http::Headers;

use crate::config::location::Location;
use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::eval::VariableValues;
use crate::routing::request::Request;

/// A request on its way through the configuration. It begins outside of every location.
#[derive(Debug)]
pub struct Route<'a> {
    /// Where it is: a location, a condition in one, or the server outside of all.
    pub location: &'a Location,
    /// How it is passed on there: a condition passes on as the location it stands in, unless it has its own.
    pub pass: Option<&'a ProxyPass>,
    /// The path: normalised, and rewritten. `$uri`
    pub uri: Cow<'a, [u8]>,
    /// What follows the `?`; nothing if there is none. `$args`
    pub args: Option<Cow<'a, [u8]>>,
    /// The method: the client's, or GET once an error page is fetched.
    pub method: &'a [u8],
    /// The client, if the real ip module found out that it is not the peer.
    pub client: Option<ClientAddress>,
    pub origin: UriOrigin,
    pub alignment: UriAlignment,
    pub changes: ChangeBudget,
    /// The status that alias_prefix the one of whatever answers now.
    pub status: Option<u16>,
    /// The status of the `return` that answers now.
    pub returned: Option<u16>,
    pub error_pages: ErrorPages,
    pub body: RequestBody,
    pub connection: ConnectionReuse,
    /// Where a redirect leads.
    pub redirect: Option<Vec<u8>>,
    /// Fields of an upstream's answer that was not sent, which the client gets with what is sent instead.
    pub preserved: Headers,
    /// Where the request is passed on to, if `proxy_pass` has variables.
    pub resolved_pass: Option<Box<ResolvedPass>>,
    /// The values of the configuration's own variables.
    pub values: VariableValues,
    /// What the error log is to be told.
    pub notes: Vec<(Severity, String)>,
}

/// A client that a trusted peer spoke for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddress {
    /// Its address.
    pub ip: IpAddr,
    /// Its port, 0 if that is not known.
    pub port: u16,
    /// The address as text.
    pub text: String,
}

/// What a `proxy_pass` with variables came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedPass {
    /// Whom to ask.
    pub target: PassTarget,
    /// `$proxy_host`
    pub host: Vec<u8>,
    /// `$proxy_port`
    pub port: u16,
    /// The URI in it, which is sent instead of the request's.
    pub uri: Option<Vec<u8>>,
}

/// Whom a `proxy_pass` with variables means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassTarget {
    /// An upstream, as an index into [`Config::upstreams`](crate::config::Config::upstreams).
    Upstream(usize),
    /// A single server.
    Address(SocketAddr),
    /// The servers that a name and a port stand for, which has to be asked first.
    Name(String, u16),
}

/// Who wrote the path, and whether locations that are `internal` may serve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UriOrigin {
    /// The client. The target is passed on byte for byte; `internal` locations are out of reach.
    Client,
    /// The client, but the configuration sent the request to a named location.
    ClientRedirected,
    /// The configuration, by `rewrite` or an internal redirect.
    Configuration,
}

impl UriOrigin {
    /// Whether `internal` locations may serve the request.
    #[must_use]
    pub fn is_internal(self) -> bool {
        self != UriOrigin::Client
    }

    /// Whether the path is still the one the client sent.
    #[must_use]
    pub fn is_client(self) -> bool {
        self != UriOrigin::Configuration
    }
}

/// How the path relates to what its location matched, which `alias` and the URI of `proxy_pass` replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UriAlignment {
    /// It begins with what the location matched (nginx's `valid_location`).
    Location,
    /// `try_files` found it below the `alias` of a regular expression (nginx's `add_uri_to_alias`).
    BelowAlias,
    /// `rewrite … break` replaced it without a search for another location: there is nothing to cut off.
    Detached,
}

/// How often the path may still change before the configuration is taken to run in a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeBudget {
    left: u8,
}

impl Default for ChangeBudget {
    /// As nginx: ten changes pass, the eleventh fails.
    fn default() -> ChangeBudget {
        ChangeBudget { left: 11 }
    }
}

impl ChangeBudget {
    /// Counts one change. False if that was one too many.
    #[must_use]
    pub fn spend(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    #[must_use]
    pub fn is_spent(self) -> bool {
        self.left == 0
    }
}

/// Whether `error_page` still applies to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorPages {
    Allowed,
    /// One was used, and `recursive_error_pages` is off.
    Used,
}

/// What is known of the request's body before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBody {
    Acceptable,
    /// Refused for its size or its framing. No later phase checks it again, and it is not passed on.
    Refused,
}

/// Whether the client's connection may serve another request after this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionReuse {
    Allowed,
    /// The connection closes after the response, whatever the client and `keepalive_timeout` say.
    Forbidden,
}

impl<'a> Route<'a> {
    /// A request as it came, or nothing at all for one that was refused.
    #[must_use]
    pub fn new(request: Option<&'a Request<'_>>, outside: &'a Location, values: VariableValues) -> Route<'a> {
        Route {
            location: outside,
            pass: None,
            uri: request.map_or(Cow::Borrowed(b""), |request| Cow::Borrowed(&*request.path)),
            args: request.and_then(|request| request.target.query).map(Cow::Borrowed),
            method: request.map_or(b"", |request| request.head.method()),
            client: None,
            origin: UriOrigin::Client,
            alignment: UriAlignment::Location,
            changes: ChangeBudget::default(),
            status: None,
            returned: None,
            error_pages: ErrorPages::Allowed,
            body: RequestBody::Acceptable,
            connection: ConnectionReuse::Allowed,
            redirect: None,
            preserved: Headers::new(),
            resolved_pass: None,
            values,
            notes: Vec::new(),
        }
    }

    /// Whether there are arguments that are not empty.
    #[must_use]
    pub fn has_args(&self) -> bool {
        self.args.as_ref().is_some_and(|args| !args.is_empty())
    }

    /// The arguments; empty if there are none.
    #[must_use]
    pub fn args(&self) -> &[u8] {
        self.args.as_deref().unwrap_or_default()
    }

    /// Keeps fields of an answer that is not sent. There is one Content-Type, the latest.
    pub fn preserve(&mut self, fields: &Headers) {
        if fields.contains("content-type") {
            self.preserved.remove("content-type");
        }
        for (name, value) in fields.iter() {
            self.preserved.push(name, value);
        }
    }

    /// Takes note of something for the error log.
    pub fn note(&mut self, severity: Severity, message: impl Into<String>) {
        self.notes.push((severity, message.into()));
    }
}
