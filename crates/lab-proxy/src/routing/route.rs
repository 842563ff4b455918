//! The route of a request: the location it has reached, and what the phases have changed.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use std::time::Duration;

use lab_http::Headers;

use crate::config::location::Location;
use crate::config::logs::Severity;
use crate::config::proxy::pass::{Destination, PassTls, ProxyPass};
use crate::limits::ConnectionSlot;
use crate::routing::request::Request;
use crate::variables::VariableValues;

/// A request on its way through the configuration. It begins in the server block, outside of every location.
#[derive(Debug)]
pub struct Route<'a> {
    /// The location, the `if` inside one, or the server block.
    pub location: &'a Location,
    /// How the request is passed on. An `if` without its own `proxy_pass` has that of its location.
    pub pass: Option<&'a ProxyPass>,
    /// `$uri`: the normalised path, perhaps rewritten.
    pub uri: Cow<'a, [u8]>,
    /// `$args`: what follows the `?`; none without one.
    pub args: Option<Cow<'a, [u8]>>,
    /// The client's method, or GET after a redirect to an error page.
    pub method: &'a [u8],
    /// In a subrequest, the method of the request that it belongs to.
    pub main_method: Option<&'a [u8]>,
    /// The client's address, if the real ip module found one that is not the peer's.
    pub client: Option<ClientAddress>,
    pub origin: UriOrigin,
    pub alignment: UriAlignment,
    pub changes: ChangeBudget,
    /// Replaces the status of the response.
    pub status: Option<u16>,
    /// The status of nginx's own behind a 400, such as 497.
    pub own_status: Option<u16>,
    /// The status of the `return` that ended the phases.
    pub returned: Option<u16>,
    pub error_pages: ErrorPages,
    pub body: BodyAdmission,
    pub connection: ConnectionReuse,
    /// The target of a redirect.
    pub redirect: Option<Vec<u8>>,
    /// Fields of an upstream's response that was replaced; the client gets them with the replacement.
    pub preserved: Headers,
    /// The evaluated `proxy_pass`, if it has variables.
    pub resolved_pass: Option<Box<ResolvedPass>>,
    pub values: VariableValues,
    /// Whether it is a subrequest of `auth_request`, which is neither limited nor checked for access.
    pub is_subrequest: bool,
    pub limits: LimitStatuses,
    /// `limit_req`: how long the request waits before it goes on.
    pub delay: Option<Duration>,
    /// `limit_conn`: the request's places, until it ends.
    pub connection_slots: Vec<ConnectionSlot>,
    /// `satisfy any`: the status if no module grants access.
    pub refusal: Option<u16>,
    /// `set $limit_rate`: the limit of the response in bytes per second.
    pub limit_rate: Option<u64>,
    /// Lines for the error log.
    pub notes: Vec<(Severity, String)>,
}

/// `$limit_req_status`, `$limit_conn_status`; none before the limits were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitStatuses {
    pub requests: Option<LimitStatus>,
    pub connections: Option<LimitStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitStatus {
    Passed,
    Delayed,
    Rejected,
    DelayedDryRun,
    RejectedDryRun,
}

impl LimitStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LimitStatus::Passed => "PASSED",
            LimitStatus::Delayed => "DELAYED",
            LimitStatus::Rejected => "REJECTED",
            LimitStatus::DelayedDryRun => "DELAYED_DRY_RUN",
            LimitStatus::RejectedDryRun => "REJECTED_DRY_RUN",
        }
    }
}

/// The address of a client, as a trusted peer reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddress {
    pub ip: IpAddr,
    /// 0 if it is not known.
    pub port: u16,
    pub text: String,
}

/// A `proxy_pass` with variables, evaluated for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedPass {
    pub target: PassTarget,
    /// `$proxy_host`
    pub host: Vec<u8>,
    /// `$proxy_port`
    pub port: u16,
    /// Whether the scheme is `https`.
    pub is_tls: bool,
    /// The URI, which replaces the request's.
    pub uri: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassTarget {
    /// An index into [`Config::upstreams`](crate::config::Config::upstreams).
    Upstream(usize),
    Address(SocketAddr),
    /// A name and a port; the name must be looked up first.
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

/// How often the path may still change before the configuration counts as a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeBudget {
    left: u8,
}

impl Default for ChangeBudget {
    /// As in nginx: ten changes pass, the eleventh fails.
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
    /// A command of `ssi` has content in place of any error.
    Stubbed,
}

/// Whether the request's body is accepted, before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyAdmission {
    Acceptable,
    /// Refused for its size or its framing. No later phase checks it again, and it is not passed on.
    Refused,
}

/// Whether the client's connection may serve another request after this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionReuse {
    Allowed,
    /// The connection closes after the response, regardless of the client and `keepalive_timeout`.
    Forbidden,
}

impl<'a> Route<'a> {
    /// How the connection to the upstream speaks TLS; none if it does not.
    pub(crate) fn upstream_tls(&self) -> Option<&'a PassTls> {
        let pass = self.pass?;
        let is_tls = match &pass.destination {
            Destination::Upstream(_) => true,
            Destination::Url(_) => self.resolved_pass.as_ref().is_some_and(|resolved| resolved.is_tls),
        };
        pass.tls.as_ref().filter(|_| is_tls)
    }

    /// The route of a new request. `request` is none if it was refused.
    #[must_use]
    pub fn new(request: Option<&'a Request<'_>>, outside: &'a Location, values: VariableValues) -> Route<'a> {
        Route {
            location: outside,
            pass: None,
            uri: request.map_or(Cow::Borrowed(b""), |request| Cow::Borrowed(&*request.path)),
            args: request.and_then(|request| request.target.query).map(Cow::Borrowed),
            method: request.map_or(b"", |request| request.head.method()),
            main_method: None,
            client: None,
            origin: UriOrigin::Client,
            alignment: UriAlignment::Location,
            changes: ChangeBudget::default(),
            status: None,
            own_status: None,
            returned: None,
            error_pages: ErrorPages::Allowed,
            body: BodyAdmission::Acceptable,
            connection: ConnectionReuse::Allowed,
            redirect: None,
            preserved: Headers::new(),
            resolved_pass: None,
            values,
            is_subrequest: false,
            limits: LimitStatuses::default(),
            delay: None,
            connection_slots: Vec::new(),
            refusal: None,
            limit_rate: None,
            notes: Vec::new(),
        }
    }

    /// Leads another request for the same to the same upstream.
    pub(crate) fn repeat(&mut self, other: &Route<'a>) {
        self.location = other.location;
        self.pass = other.pass;
        self.uri.clone_from(&other.uri);
        self.args.clone_from(&other.args);
        self.method = other.method;
        self.origin = other.origin;
        self.alignment = other.alignment;
        self.resolved_pass.clone_from(&other.resolved_pass);
    }

    /// `$request_method`
    #[must_use]
    pub fn request_method(&self) -> &'a [u8] {
        self.main_method.unwrap_or(self.method)
    }

    /// Whether there are arguments, and not only a `?`.
    #[must_use]
    pub fn has_args(&self) -> bool {
        self.args.as_ref().is_some_and(|args| !args.is_empty())
    }

    #[must_use]
    pub fn args(&self) -> &[u8] {
        self.args.as_deref().unwrap_or_default()
    }

    /// Keeps fields of a response that is replaced. Content-Type is unique: the last one counts.
    pub fn preserve(&mut self, fields: &Headers) {
        if fields.contains("content-type") {
            self.preserved.remove("content-type");
        }
        for (name, value) in fields.iter() {
            self.preserved.push(name, value);
        }
    }

    /// Adds a line for the error log.
    pub fn note(&mut self, severity: Severity, message: impl Into<String>) {
        self.notes.push((severity, message.into()));
    }
}
