//! What the variables stand for: a request, its connection, and what became of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lab_http::write::decimal;

use super::super::clock;
use super::super::request::Request;
use super::super::settings::pass::Pass;
use super::super::settings::server::Server;
use super::name::Variable;

/// Everything variables can speak of, while a request is served or after it was.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The client's connection.
    pub connection: &'a ClientConnection,
    /// The request, unless it was refused while it was read.
    pub request: Option<&'a Request<'a>>,
    /// The request line as far as it arrived, for a request that was refused.
    pub refused_line: &'a [u8],
    /// The server that answers.
    pub server: &'a Server,
    /// How the request is passed on, if it is.
    pub pass: Option<&'a Pass>,
    /// What became of it.
    pub outcome: &'a Outcome,
}

/// A connection of a client.
#[derive(Debug, Clone)]
pub struct ClientConnection {
    /// A number no other connection of this process has.
    pub serial: u64,
    /// How many requests it has made, the present one included.
    pub requests: usize,
    /// The client's end.
    pub peer: SocketAddr,
    /// The client's address as text, which most requests need.
    pub peer_address: String,
    /// Our end.
    pub local: SocketAddr,
}

/// What became of a request, as far as it has got.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The status of the answer, 0 before there is one.
    pub status: u16,
    /// Bytes of heads sent to the client.
    pub head_bytes: u64,
    /// Bytes sent to the client behind the head, framing included.
    pub body_bytes: u64,
    /// The present, for what is written now.
    pub now: SystemTime,
    /// How long the request has taken since its first byte.
    pub elapsed: Duration,
    /// The upstream servers asked so far.
    pub attempts: Vec<Attempt>,
}

/// One upstream server that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its address; the upstream's name if none of its servers could be asked.
    pub address: Arc<str>,
    /// What it answered; what the client was told instead, where it did not.
    pub status: u16,
    /// From the first attempt to connect to the end of the answer.
    pub took: Duration,
}

impl ClientConnection {
    /// A connection that has made no request yet.
    #[must_use]
    pub fn new(serial: u64, peer: SocketAddr, local: SocketAddr) -> ClientConnection {
        ClientConnection { serial, requests: 0, peer, peer_address: peer.ip().to_string(), local }
    }
}

impl Default for Outcome {
    fn default() -> Outcome {
        Outcome {
            status: 0,
            head_bytes: 0,
            body_bytes: 0,
            now: UNIX_EPOCH,
            elapsed: Duration::ZERO,
            attempts: Vec::new(),
        }
    }
}

impl Outcome {
    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.attempts.clear();
        *self = Outcome { attempts: std::mem::take(&mut self.attempts), ..Outcome::default() };
    }
}

impl Scope<'_> {
    /// Appends the value of a variable; false if it has none.
    pub fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        match variable {
            Variable::BodyBytesSent => decimal(out, self.outcome.body_bytes),
            Variable::BytesSent => decimal(out, self.outcome.head_bytes + self.outcome.body_bytes),
            Variable::Connection => decimal(out, self.connection.serial),
            Variable::ConnectionRequests => decimal(out, self.connection.requests as u64),
            Variable::Msec => seconds(out, self.outcome.now.duration_since(UNIX_EPOCH).unwrap_or_default()),
            Variable::Pid => decimal(out, u64::from(std::process::id())),
            Variable::RemoteAddr => out.extend_from_slice(self.connection.peer_address.as_bytes()),
            Variable::RemotePort => decimal(out, u64::from(self.connection.peer.port())),
            Variable::RequestTime => seconds(out, self.outcome.elapsed),
            Variable::Scheme => out.extend_from_slice(b"http"),
            Variable::ServerAddr => out.extend_from_slice(self.connection.local.ip().to_string().as_bytes()),
            Variable::ServerName => {
                out.extend_from_slice(self.server.first_name.as_bytes());
                return true;
            }
            Variable::ServerPort => decimal(out, u64::from(self.connection.local.port())),
            // as nginx: a request that got no answer is logged with 000
            Variable::Status if self.outcome.status == 0 => out.extend_from_slice(b"000"),
            Variable::Status => decimal(out, u64::from(self.outcome.status)),
            Variable::TimeIso8601 => clock::write_iso8601(self.outcome.now, out),
            Variable::TimeLocal => clock::write_log_time(self.outcome.now, out),
            Variable::ProxyHost => out.extend_from_slice(self.pass.map_or("", |pass| &pass.host).as_bytes()),
            Variable::ProxyPort => decimal(out, u64::from(self.pass.map_or(0, |pass| pass.port))),
            Variable::UpstreamAddr => {
                self.join_attempts(out, |attempt, out| out.extend_from_slice(attempt.address.as_bytes()));
            }
            Variable::UpstreamStatus => self.join_attempts(out, |attempt, out| decimal(out, attempt.status.into())),
            Variable::UpstreamResponseTime => self.join_attempts(out, |attempt, out| seconds(out, attempt.took)),
            _ => match self.request {
                Some(request) => return self.write_of_request(request, variable, out),
                None if *variable == Variable::Request => {
                    out.extend_from_slice(self.refused_line);
                    // as nginx: a request of which nothing arrived has an empty line, not none
                    return true;
                }
                None if *variable == Variable::Host => out.extend_from_slice(self.server.first_name.as_bytes()),
                None => {}
            },
        }
        out.len() > start
    }

    /// Variables that only a request can give a value.
    fn write_of_request(&self, request: &Request<'_>, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let headers = &request.head.headers;
        let start = out.len();
        match variable {
            Variable::Args => out.extend_from_slice(request.target.query.unwrap_or_default()),
            Variable::IsArgs if request.target.query.is_some_and(|query| !query.is_empty()) => out.push(b'?'),
            Variable::ContentLength => out.extend_from_slice(headers.get("content-length").unwrap_or_default()),
            Variable::ContentType => out.extend_from_slice(headers.get("content-type").unwrap_or_default()),
            Variable::Host => match &request.host {
                Some(host) => out.extend_from_slice(host),
                None => {
                    out.extend_from_slice(self.server.first_name.as_bytes());
                    return true;
                }
            },
            // the target's host overrides the field (RFC 9112 §3.2.2)
            Variable::HttpField(name) if name == "host" => {
                out.extend_from_slice(request.target.host.unwrap_or_default());
            }
            // as nginx: some fields are joined, of others the first counts
            Variable::HttpField(name) => match name.as_str() {
                "cookie" => join(out, headers.get_all(name), b"; "),
                "x-forwarded-for" | "via" => join(out, headers.get_all(name), b", "),
                _ => out.extend_from_slice(headers.get(name).unwrap_or_default()),
            },
            Variable::ProxyAddXForwardedFor => {
                join(out, headers.get_all("x-forwarded-for"), b", ");
                if out.len() > start {
                    out.extend_from_slice(b", ");
                }
                out.extend_from_slice(self.connection.peer_address.as_bytes());
            }
            Variable::RemoteUser => {
                let user = headers.get("authorization").and_then(basic_user);
                out.extend_from_slice(&user.unwrap_or_default());
            }
            Variable::Request => {
                out.extend_from_slice(request.head.method());
                out.push(b' ');
                out.extend_from_slice(request.head.target());
                out.push(b' ');
                out.extend_from_slice(request.head.version.text().as_bytes());
            }
            Variable::RequestMethod => out.extend_from_slice(request.head.method()),
            Variable::RequestUri => out.extend_from_slice(&request.target.origin_form(request.head)),
            Variable::ServerProtocol => out.extend_from_slice(request.head.version.text().as_bytes()),
            Variable::Uri => out.extend_from_slice(&request.path),
            _ => {}
        }
        out.len() > start
    }

    fn join_attempts(&self, out: &mut Vec<u8>, write: impl Fn(&Attempt, &mut Vec<u8>)) {
        for (index, attempt) in self.outcome.attempts.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            write(attempt, out);
        }
    }
}

fn join<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = &'a [u8]>, joint: &[u8]) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.extend_from_slice(joint);
        }
        out.extend_from_slice(value);
    }
}

/// Seconds with three decimals.
fn seconds(out: &mut Vec<u8>, time: Duration) {
    decimal(out, time.as_secs());
    let millis = time.subsec_millis();
    out.push(b'.');
    out.extend([100, 10, 1].map(|unit| b'0' + (millis / unit % 10) as u8));
}

/// The user name of `Basic` credentials (RFC 7617).
fn basic_user(authorization: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let (scheme, credentials) = authorization.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let mut decoded = base64::engine::general_purpose::STANDARD.decode(credentials.trim_ascii()).ok()?;
    let colon = memchr::memchr(b':', &decoded)?;
    decoded.truncate(colon);
    Some(decoded)
}
