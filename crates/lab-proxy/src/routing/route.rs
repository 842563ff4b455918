//! Where a request goes: what the phases of its processing make of it, and change on the way.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use lab_http::Headers;

use crate::config::location::Location;
use crate::config::logs::Severity;
use crate::config::pass::Pass;
use crate::eval::Values;
use crate::routing::request::Request;

/// A request on its way through the configuration. It begins outside of every location.
#[derive(Debug)]
pub struct Route<'a> {
    /// Where it is: a location, a condition in one, or the server outside of all.
    pub location: &'a Location,
    /// How it is passed on there: a condition passes on as the location it stands in, unless it has its own.
    pub pass: Option<&'a Pass>,
    /// The path: normalised, and rewritten. `$uri`
    pub uri: Cow<'a, [u8]>,
    /// What follows the `?`; nothing if there is none. `$args`
    pub args: Option<Cow<'a, [u8]>>,
    /// The method: the client's, or GET once an error page is fetched.
    pub method: &'a [u8],
    /// The client, if the real ip module found out that it is not the peer.
    pub client: Option<Client>,
    /// Whether the path was made by the configuration: what is `internal` may be reached.
    pub is_internal: bool,
    /// Whether the path is still the one the client sent, so that it is passed on byte by byte.
    pub is_untouched: bool,
    /// Whether the path still begins with what the location matched (nginx's `valid_location`).
    pub is_of_location: bool,
    /// Whether a file that `try_files` found lies below an `alias` of a regular expression.
    pub is_below_alias: bool,
    /// How often the path may still change before that is a cycle.
    pub changes_left: u8,
    /// The status that replaces the one of whatever answers now.
    pub status: Option<u16>,
    /// The status of the `return` that answers now.
    pub returned: Option<u16>,
    /// Whether an error page was fetched already.
    pub has_error_page: bool,
    /// Whether the body was refused, for its size or how it came: it is neither looked at again nor passed on.
    pub is_body_refused: bool,
    /// Whether the connection is closed behind the answer.
    pub closes: bool,
    /// Where a redirect leads.
    pub redirect: Option<Vec<u8>>,
    /// Fields of an upstream's answer that was not sent, which the client gets with what is sent instead.
    pub kept: Headers,
    /// Where the request is passed on to, if `proxy_pass` has variables.
    pub proxied: Option<Box<Proxied>>,
    /// The values of the configuration's own variables.
    pub values: Values,
    /// What the error log is to be told.
    pub notes: Vec<(Severity, String)>,
}

/// A client that a trusted peer spoke for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: IpAddr,
    /// Its port, 0 if that is not known.
    pub port: u16,
    /// The address as text.
    pub text: String,
}

/// What a `proxy_pass` with variables came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxied {
    /// Whom to ask.
    pub target: Target,
    /// `$proxy_host`
    pub host: Vec<u8>,
    /// `$proxy_port`
    pub port: u16,
    /// The URI in it, which is sent instead of the request's.
    pub uri: Option<Vec<u8>>,
}

/// Whom a `proxy_pass` with variables means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An upstream, as an index into [`Settings::upstreams`](crate::config::Settings::upstreams).
    Upstream(usize),
    /// A single server.
    Address(SocketAddr),
    /// The servers that a name and a port stand for, which has to be asked first.
    Name(String, u16),
}

/// As nginx: the path may be rewritten or redirected to ten times.
const CHANGES: u8 = 11;

impl<'a> Route<'a> {
    /// A request as it came, or nothing at all for one that was refused.
    #[must_use]
    pub fn new(request: Option<&'a Request<'_>>, outside: &'a Location, values: Values) -> Route<'a> {
        Route {
            location: outside,
            pass: None,
            uri: request.map_or(Cow::Borrowed(b""), |request| Cow::Borrowed(&*request.path)),
            args: request.and_then(|request| request.target.query).map(Cow::Borrowed),
            method: request.map_or(b"", |request| request.head.method()),
            client: None,
            is_internal: false,
            is_untouched: true,
            is_of_location: true,
            is_below_alias: false,
            changes_left: CHANGES,
            status: None,
            returned: None,
            has_error_page: false,
            is_body_refused: false,
            closes: false,
            redirect: None,
            kept: Headers::new(),
            proxied: None,
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
    pub fn keep(&mut self, fields: &Headers) {
        if fields.contains("content-type") {
            self.kept.remove("content-type");
        }
        for (name, value) in fields.iter() {
            self.kept.push(name, value);
        }
    }

    /// Takes note of something for the error log.
    pub fn note(&mut self, severity: Severity, message: impl Into<String>) {
        self.notes.push((severity, message.into()));
    }
}
