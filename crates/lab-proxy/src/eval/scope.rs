//! Evaluates variables: for a request, its connection, its route and its outcome.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

use lab_http::Headers;
use lab_http::h1::write::decimal;

use super::lookup::{self, JOINED_RESPONSE_FIELDS};
use super::outcome::{Attempt, ClientConnection, Compression, RequestOutcome};
use super::proxy_extension;
use crate::clock;
use crate::config::address::Address;
use crate::config::derived::DerivedVariable;
use crate::config::proxy::pass::ProxyPass;
use crate::config::server::Server;
use crate::config::server_name::hostname;
use crate::connection_counts::ConnectionCounts;
use crate::routing::request::Request;
use crate::routing::route::Route;
use crate::variables::{Template, Variable};

/// Everything that variables can read, while a request is served and afterwards.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub connection: &'a ClientConnection,
    /// None if the request was refused while it was read.
    pub request: Option<&'a Request<'a>>,
    /// The part of the request line that arrived, if the request was refused.
    pub refused_line: Option<&'a [u8]>,
    pub route: &'a Route<'a>,
    pub server: &'a Server,
    pub pass: Option<&'a ProxyPass>,
    /// By the slots of their variables.
    pub derived: &'a [Option<DerivedVariable>],
    pub outcome: &'a RequestOutcome,
    /// The status and fields of the response whose head is being made; none before and afterwards.
    pub pending: Option<(u16, &'a Headers)>,
    /// How many of the last attempts are left out.
    pub hidden_attempts: usize,
}

impl Scope<'_> {
    /// Appends the value of a variable. False if it has none.
    pub fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        match variable {
            // as in nginx: the line of an empty request is empty, not missing
            Variable::Request if self.refused_line.is_some() => append(out, self.refused_line),
            Variable::Capture(number) => self.route.values.write_capture(*number, out),
            Variable::Defined(slot) => self.write_defined_variable(*slot, out),
            Variable::BodyBytesSent
            | Variable::BytesSent
            | Variable::CompressionRatio(_)
            | Variable::RequestCompletion
            | Variable::RequestTime
            | Variable::SentField(_)
            | Variable::Status => self.write_response_variable(variable, out),
            Variable::UpstreamAddr
            | Variable::UpstreamBytesReceived
            | Variable::UpstreamBytesSent
            | Variable::UpstreamConnectTime
            | Variable::UpstreamCookie(_)
            | Variable::UpstreamField(_)
            | Variable::UpstreamHeaderTime
            | Variable::UpstreamResponseLength
            | Variable::UpstreamResponseTime
            | Variable::UpstreamStatus => self.write_upstream_variable(variable, out),
            Variable::InvalidReferer => {
                let referers = self.route.location.config.referers.as_ref();
                let field = self.request.and_then(|request| request.head.headers.get("referer"));
                let names = &self.server.names;
                if referers.is_some_and(|referers| !referers.contains(field, names, &self.route.values)) {
                    out.push(b'1');
                }
                true
            }
            Variable::Argument(_)
            | Variable::Args
            | Variable::ContentLength
            | Variable::ContentType
            | Variable::Cookie(_)
            | Variable::DocumentRoot
            | Variable::Host
            | Variable::Http2
            | Variable::HttpField(_)
            | Variable::IsArgs
            | Variable::ProxyAddXForwardedFor
            | Variable::ProxyHost
            | Variable::ProxyPort
            | Variable::RealpathRoot
            | Variable::RemoteUser
            | Variable::Request
            | Variable::RequestBody
            | Variable::RequestBodyFile
            | Variable::RequestFilename
            | Variable::RequestLength
            | Variable::RequestMethod
            | Variable::RequestUri
            | Variable::ServerProtocol
            | Variable::Uri => match self.request {
                Some(request) => self.write_request_variable(request, variable, out),
                None => self.write_refused_request_variable(variable, out),
            },
            Variable::LimitConnStatus => {
                append(out, self.route.limits.connections.map(|status| status.as_str().as_bytes()))
            }
            Variable::LimitReqStatus => {
                append(out, self.route.limits.requests.map(|status| status.as_str().as_bytes()))
            }
            Variable::SliceRange => self.write_slice_range(out),
            Variable::UpstreamCache(variable) => {
                append(out, self.outcome.cache.as_ref().and_then(|cache| cache.value(*variable)))
            }
            Variable::SecureLink | Variable::SecureLinkExpires => match &self.route.location.config.secure_link {
                Some(link) if *variable == Variable::SecureLink => link.write(self, out),
                Some(link) => link.write_expires(self, out),
                None => false,
            },
            Variable::UidGot | Variable::UidSet => match &self.route.location.config.userid {
                Some(userid) if *variable == Variable::UidGot => userid.write_got(self, out),
                Some(userid) => userid.write_set(self, out),
                None => false,
            },
            Variable::LimitRate => {
                decimal(out, self.limit_rate());
                true
            }
            Variable::Tls(variable) => {
                let tls = self.connection.tls.as_ref();
                tls.is_some_and(|tls| tls.write(*variable, self.outcome.now, out))
            }
            variable => self.write_connection_variable(variable, out),
        }
    }

    /// The limit of the response in bytes per second; 0 for none.
    #[must_use]
    pub fn limit_rate(&self) -> u64 {
        let configured = || self.size(self.route.location.config.rate.as_ref()?);
        self.route.limit_rate.or_else(configured).unwrap_or(0)
    }

    /// `limit_rate_after`, in bytes.
    #[must_use]
    pub fn limit_rate_after(&self) -> u64 {
        self.route.location.config.rate_after.as_ref().and_then(|after| self.size(after)).unwrap_or(0)
    }

    /// A size with variables; none if it is none.
    fn size(&self, template: &Template) -> Option<u64> {
        std::str::from_utf8(&template.value(self)).ok().and_then(lab_nginx_conf::parse_size)
    }

    /// The client's address: the peer's, or the one that the real ip module found. None on a unix socket.
    #[must_use]
    pub fn client_ip(&self) -> Option<IpAddr> {
        let peer = self.connection.peer.map(|peer| peer.ip());
        self.route.client.as_ref().map_or(peer, |client| Some(client.ip))
    }

    /// The client's address as text.
    #[must_use]
    pub fn client_address(&self) -> &str {
        self.route.client.as_ref().map_or(&self.connection.peer_address, |client| &client.text)
    }

    /// The address of the client, or that of the server, in the PROXY header.
    fn announced(&self, of_client: bool) -> Option<SocketAddr> {
        let announced = self.connection.announced?;
        Some(if of_client { announced.source } else { announced.destination })
    }

    /// A variable of the configuration: its value, or the one that follows from others, which is kept.
    fn write_defined_variable(&self, slot: usize, out: &mut Vec<u8>) -> bool {
        let values = &self.route.values;
        if values.write(slot, out) {
            return true;
        }
        // as in nginx: without a value it is empty, not missing
        let Some(Some(derived)) = self.derived.get(slot) else { return true };
        if !values.begin_lookup(slot) {
            return false;
        }
        let start = out.len();
        derived.write(self, out);
        if derived.is_volatile() {
            values.clear(slot);
        } else {
            values.set(slot, &out[start..]);
        }
        true
    }

    /// Variables of the process, the connection and the server. Even a refused request has these.
    fn write_connection_variable(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        match variable {
            Variable::BinaryRemoteAddr => match self.client_ip() {
                Some(IpAddr::V4(address)) => out.extend_from_slice(&address.octets()),
                Some(IpAddr::V6(address)) => out.extend_from_slice(&address.octets()),
                None => out.extend_from_slice(self.client_address().as_bytes()),
            },
            Variable::Connection => decimal(out, self.connection.serial),
            Variable::ConnectionRequests => decimal(out, self.connection.requests as u64),
            Variable::ConnectionTime => seconds(out, self.connection.age + self.outcome.elapsed),
            Variable::ConnectionCount(count) => decimal(out, ConnectionCounts::now().get(*count)),
            Variable::Hostname => out.extend_from_slice(hostname().as_bytes()),
            Variable::Https => {
                out.extend_from_slice(if self.connection.tls.is_some() { b"on" } else { b"" });
                return true;
            }
            Variable::Msec => seconds(out, self.outcome.now.duration_since(UNIX_EPOCH).unwrap_or_default()),
            Variable::NginxVersion => out.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes()),
            Variable::Pid => decimal(out, u64::from(std::process::id())),
            Variable::Pipe => out.push(if self.connection.is_pipelined { b'p' } else { b'.' }),
            Variable::ProxyProtocolAddr | Variable::ProxyProtocolServerAddr => {
                let end = self.announced(matches!(variable, Variable::ProxyProtocolAddr));
                return append(out, end.map(|end| end.ip().to_string()).as_deref().map(str::as_bytes));
            }
            Variable::ProxyProtocolPort | Variable::ProxyProtocolServerPort => {
                match self.announced(matches!(variable, Variable::ProxyProtocolPort)) {
                    Some(end) => decimal(out, u64::from(end.port())),
                    None => return false,
                }
            }
            Variable::ProxyProtocolExtension(name) => {
                return proxy_extension::write(&self.connection.proxy_header, name, out);
            }
            Variable::RealipRemoteAddr => out.extend_from_slice(self.connection.peer_address.as_bytes()),
            Variable::RealipRemotePort => return port(self.connection.peer, out),
            Variable::RemoteAddr => out.extend_from_slice(self.client_address().as_bytes()),
            Variable::RemotePort => match &self.route.client {
                None => return port(self.connection.peer, out),
                Some(client) if client.port > 0 => decimal(out, u64::from(client.port)),
                Some(_) => return true,
            },
            Variable::RequestId => out.extend_from_slice(self.route.values.request_id()),
            Variable::Scheme => out.extend_from_slice(self.connection.scheme().as_bytes()),
            Variable::ServerAddr => match &self.connection.local {
                Address::Internet(address) => out.extend_from_slice(address.ip().to_string().as_bytes()),
                unix @ Address::Unix(_) => out.extend_from_slice(unix.to_string().as_bytes()),
            },
            Variable::ServerName => {
                out.extend_from_slice(self.server.first_name.as_bytes());
                return true;
            }
            Variable::ServerPort => return port(self.connection.local.internet(), out),
            Variable::DateGmt => clock::write_gmt_date(self.outcome.now, out),
            Variable::DateLocal => clock::write_local_date(self.outcome.now, out),
            Variable::TimeIso8601 => clock::write_iso8601(self.outcome.now, out),
            Variable::TimeLocal => clock::write_log_time(self.outcome.now, out),
            _ => {}
        }
        out.len() > start
    }

    /// Variables of the response to the client.
    fn write_response_variable(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        match variable {
            Variable::BodyBytesSent => decimal(out, self.outcome.body_bytes),
            Variable::BytesSent => decimal(out, self.outcome.head_bytes + self.outcome.body_bytes),
            Variable::CompressionRatio(coding) => {
                let compression = self.outcome.compression.filter(|compression| compression.coding == *coding);
                let ratio = compression.and_then(Compression::ratio);
                return append(out, ratio.as_deref().map(str::as_bytes));
            }
            Variable::RequestCompletion => {
                out.extend_from_slice(if self.outcome.is_complete { b"OK" } else { b"" });
                return true;
            }
            Variable::RequestTime => seconds(out, self.outcome.elapsed),
            Variable::SentField(name) => {
                return match self.pending {
                    Some((_, fields)) => lookup::write_field(fields.iter(), name, JOINED_RESPONSE_FIELDS, out),
                    None => {
                        let lines = lookup::lines(&self.outcome.sent_head);
                        lookup::write_field(lines, name, JOINED_RESPONSE_FIELDS, out)
                    }
                };
            }
            Variable::Status if self.pending.is_some() => {
                decimal(out, u64::from(self.pending.map_or(0, |(status, _)| status)));
            }
            Variable::Status => match Some(self.outcome.status).filter(|status| *status > 0) {
                Some(status) => decimal(out, u64::from(status)),
                None => match self.route.status.or(self.route.returned) {
                    Some(status) => decimal(out, u64::from(status)),
                    // as in nginx: a request without a response is logged with 000
                    None => out.extend_from_slice(b"000"),
                },
            },
            _ => {}
        }
        out.len() > start
    }

    /// Variables of upstream responses, with one value for each attempt.
    fn write_upstream_variable(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let optional = |out: &mut Vec<u8>, time: Option<Duration>| match time {
            Some(time) => seconds(out, time),
            None => out.push(b'-'),
        };
        match variable {
            Variable::UpstreamAddr => {
                self.join_attempts(out, |attempt, out| out.extend_from_slice(attempt.address.as_bytes()));
            }
            Variable::UpstreamBytesReceived => {
                self.join_attempts(out, |attempt, out| decimal(out, attempt.bytes_received));
            }
            Variable::UpstreamBytesSent => self.join_attempts(out, |attempt, out| decimal(out, attempt.bytes_sent)),
            Variable::UpstreamConnectTime => self.join_attempts(out, |attempt, out| optional(out, attempt.connected)),
            Variable::UpstreamHeaderTime => self.join_attempts(out, |attempt, out| optional(out, attempt.head_took)),
            Variable::UpstreamResponseLength => self.join_attempts(out, |attempt, out| decimal(out, attempt.content)),
            Variable::UpstreamResponseTime => self.join_attempts(out, |attempt, out| optional(out, attempt.took)),
            Variable::UpstreamStatus => self.join_attempts(out, |attempt, out| match attempt.status {
                0 => out.push(b'-'),
                status => decimal(out, status.into()),
            }),
            Variable::UpstreamField(name) => {
                let fields = self.outcome.upstream_fields.iter();
                return lookup::write_field(fields, name, JOINED_RESPONSE_FIELDS, out);
            }
            Variable::UpstreamCookie(name) => {
                return append(out, lookup::set_cookie(&self.outcome.upstream_fields, name));
            }
            _ => {}
        }
        out.len() > start
    }

    /// What a request to an upstream is made from. As in nginx, it does not know the attempts that it is for.
    #[must_use]
    pub(crate) fn before_attempts(self) -> Self {
        let attempts = &self.outcome.attempts;
        let start = attempts.iter().rposition(|attempt| attempt.is_redirected).unwrap_or(0);
        Scope { hidden_attempts: attempts.len() - start, ..self }
    }

    /// The value of `root` or `alias`.
    pub(crate) fn root(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.route.location.root.write(self, &mut out);
        out
    }

    fn join_attempts(&self, out: &mut Vec<u8>, write: impl Fn(&Attempt, &mut Vec<u8>)) {
        let visible = self.outcome.attempts.len().saturating_sub(self.hidden_attempts);
        for (index, attempt) in self.outcome.attempts[..visible].iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(if attempt.is_redirected { b" : " } else { b", " });
            }
            write(attempt, out);
        }
    }
}

/// Appends a value. False if there is none.
pub(super) fn append(out: &mut Vec<u8>, value: Option<&[u8]>) -> bool {
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

/// Appends a port. As in nginx, a missing port is empty.
fn port(address: Option<SocketAddr>, out: &mut Vec<u8>) -> bool {
    if let Some(address) = address {
        decimal(out, u64::from(address.port()));
    }
    true
}

/// Appends seconds with three decimals.
fn seconds(out: &mut Vec<u8>, time: Duration) {
    decimal(out, time.as_secs());
    let millis = time.subsec_millis();
    out.push(b'.');
    out.extend([100, 10, 1].map(|unit| b'0' + (millis / unit % 10) as u8));
}
