//! Sends a check's request byte for byte and observes the whole response.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use lab_http::h1::framing;
use lab_http::{BodyDecoder, Incoming, Limits, ReadError, ResponseHead};
use lab_net::Stream;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::cache_status::ClientResponse;
use super::client_socket::client_socket;
use super::observed::{Observed, UpstreamObservation};
use super::peer_certificate::PeerCertificate;
pub use super::probe_error::ProbeError;
use super::raw_response::{RawResponse, Repetition};
use super::request_body::{self, EncodedBody};
use super::slow;
use super::{client_tls, http2};
use crate::scenario::model::{CheckRequest, HttpVersion, Placeholders, RequestBody, SlowClients, TextTemplate};

/// How long to wait for bytes that must not follow a response without a body.
const EXCESS_WAIT: Duration = Duration::from_millis(500);

/// Names and values in order.
type Fields = Vec<(String, String)>;

/// Bytes after such a response are those of another protocol (RFC 9110, section 15.2.2).
const SWITCHING_PROTOCOLS: u16 = 101;

/// A response, and the exchanges that led to it.
#[derive(Debug, Clone)]
pub struct ProbeResult {
    pub observed: Observed,
    /// The values of `{client}`, `{host}` and `{port}` in the request.
    pub values: Placeholders,
    /// From the connection to the end of the response, without pauses.
    pub duration: Duration,
    /// All responses, the last of which is `observed`.
    pub responses: Vec<ClientResponse>,
    /// The request behind the proxy, as far as the backend recorded it.
    pub upstream: UpstreamObservation,
    /// The server's certificate, over TLS.
    pub certificate: Option<PeerCertificate>,
}

/// Sends a request to `address` on a new connection. `client` is the connection's address as the stack sees it, if that is
/// not its local address; the network of a container translates it.
///
/// # Errors
/// There is no response with a complete head. A broken body is part of the observation.
pub async fn probe(
    address: SocketAddr,
    client: Option<IpAddr>,
    request: &CheckRequest,
) -> Result<ProbeResult, ProbeError> {
    let (within, slow, target) = match request {
        CheckRequest::Composed { within, slow, target, .. } => (*within, slow.as_ref(), target.source()),
        CheckRequest::Raw(_) => (CheckRequest::WITHIN, None, String::new()),
    };
    // The loopback interface has one address of IPv6 only.
    let is_on_loopback = client.is_none() && address.is_ipv4() && address.ip().is_loopback();
    let bound = match request {
        _ if is_on_loopback => Some(request.client()),
        CheckRequest::Composed { client: Some(own), .. } => return Err(ProbeError::NotOnLoopback { client: *own }),
        _ => None,
    };
    // Dropping them ends them.
    let _slow = match slow {
        Some(slow) => {
            let target = slow.target.as_deref().unwrap_or(&target);
            Some(slow::clients(address, bound, target, slow).await.map_err(ProbeError::Slow)?)
        }
        None => None,
    };
    let meanwhile = slow.map_or(String::new(), |SlowClients { clients, part, .. }| {
        let (verb, part) = (part.verb(), part.with_article());
        let inflected = if clients.get() == 1 { format!(" {verb}s") } else { format!("s {verb}") };
        format!(" while {clients} client{inflected} {part} a byte at a time")
    });
    let timeout = |_| ProbeError::Timeout { within, meanwhile };
    tokio::time::timeout(within, exchange(address, bound, client, request)).await.map_err(timeout)?
}

async fn connect(address: SocketAddr, bound: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let connection = client_socket(address, bound)?.connect(address).await?;
    // A request is sent in one write, so Nagle's algorithm would only add delay.
    connection.set_nodelay(true)?;
    Ok(connection)
}

async fn exchange(
    address: SocketAddr,
    bound: Option<Ipv4Addr>,
    client: Option<IpAddr>,
    request: &CheckRequest,
) -> Result<ProbeResult, ProbeError> {
    let begun = Instant::now();
    let connection = connect(address, bound).await.map_err(|source| ProbeError::Connect { address, source })?;
    let client = client.unwrap_or(connection.local_addr()?.ip()).to_string();
    let mut connection = Stream::Tcp(connection);
    let values = Placeholders::new(client, address.ip().to_string(), address.port());
    if let CheckRequest::Composed { tls: true, headers, http, .. } = request {
        let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = host.map_or_else(|| values.host.clone(), |(_, value)| value.fill(&values));
        connection = client_tls::handshake(connection, &host, *http).await.map_err(ProbeError::Handshake)?;
    }
    let chain = connection.session().map(|session| session.details().peer_certificates).unwrap_or_default();
    let certificate = chain.first().and_then(|own| PeerCertificate::parse(own, SystemTime::now()));
    let (repetition, settle) = match request {
        CheckRequest::Composed { times, pause, settle, .. } => {
            (Repetition { times: times.get(), pause: *pause.max(settle) }, *settle)
        }
        CheckRequest::Raw(_) => (Repetition { times: 1, pause: Duration::ZERO }, Duration::ZERO),
    };
    let mut responses = match request {
        CheckRequest::Composed { http: HttpVersion::Two, method, target, headers, body, .. } => {
            let target = target.fill(&values);
            let (fields, body) = fields_and_body(headers, body, &values)?;
            http2::exchange(connection, &http2::Message { method, target: &target, fields, body }, repetition).await?
        }
        _ => exchange_http1(connection, request, &values, repetition).await?,
    };
    tokio::time::sleep(settle).await;
    let received =
        responses.iter().map(|&RawResponse { status, sent, ended, .. }| ClientResponse { status, sent, ended });
    let received: Vec<ClientResponse> = received.collect();
    let last = responses.pop().ok_or(ProbeError::Closed)?;
    let RawResponse { status, reason, fields, body, framing_error, sent: _, ended } = last;
    let is_binary = std::str::from_utf8(&body).is_err();
    let observed = Observed {
        status,
        reason: latin1(&reason),
        headers: fields.iter().map(|(name, value)| (latin1(name), latin1(value))).collect(),
        body: latin1(&body),
        is_binary,
        framing_error,
        conditional: Vec::new(),
    };
    let pauses = repetition.pause.saturating_mul(u32::from(repetition.times) - 1);
    let (duration, upstream) = ((ended - begun).saturating_sub(pauses), UpstreamObservation::default());
    Ok(ProbeResult { observed, values, duration, responses: received, upstream, certificate })
}

/// Sends a request repeatedly on a connection of HTTP/1. Returns the responses.
async fn exchange_http1(
    mut connection: Stream,
    request: &CheckRequest,
    values: &Placeholders,
    repetition: Repetition,
) -> Result<Vec<RawResponse>, ProbeError> {
    let Repetition { times, pause } = repetition;
    let (method, bytes) = compose(request, values)?;
    let mut sent = Instant::now();
    // A server may refuse a request before it has read the whole: then the response counts, not the failed write.
    let mut written = connection.write_all(&bytes).await;
    let mut incoming = Incoming::new(connection, Limits::response());
    let mut responses = Vec::new();
    for answered in 1..times {
        let not_kept = |cause: String| ProbeError::NotKept { answered, times, cause };
        let (response, head) =
            read_response(&mut incoming, &method, sent, written).await.map_err(|error| match error {
                // A failure of the first request says nothing about persistence.
                error if answered == 1 => error,
                error => not_kept(error.to_string()),
            })?;
        if let Some(error) = response.framing_error {
            return Err(not_kept(format!("after {} bytes of body: {error}", response.body.len())));
        }
        if says_close(&head) {
            return Err(not_kept("its response says `Connection: close`".to_owned()));
        }
        responses.push(response);
        tokio::time::sleep(pause).await;
        sent = Instant::now();
        written = incoming.io_mut().write_all(&bytes).await;
    }
    let last = read_response(&mut incoming, &method, sent, written).await.map_err(|error| match times {
        1 => error,
        _ => ProbeError::NotKept { answered: times - 1, times, cause: error.to_string() },
    })?;
    responses.push(last.0);
    Ok(responses)
}

/// Whether the response announces the end of its connection (RFC 9112, section 9.6).
fn says_close(head: &ResponseHead) -> bool {
    head.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"connection")).any(|(_, value)| {
        value.split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
    })
}

async fn read_response(
    incoming: &mut Incoming<Stream>,
    method: &[u8],
    sent: Instant,
    written: io::Result<()>,
) -> Result<(RawResponse, ResponseHead), ProbeError> {
    let head = loop {
        match incoming.read_response_head().await {
            Ok(Some(head)) if head.is_interim() => {}
            Ok(Some(head)) => break head,
            Ok(None) => return Err(written.err().map_or(ProbeError::Closed, ProbeError::Broken)),
            Err(ReadError::Refused(refusal)) => return Err(ProbeError::NotHttp(refusal.to_string())),
            Err(ReadError::Io(error)) => return Err(ProbeError::Broken(error)),
        }
    };
    let head_ended = Instant::now();
    let (body, framing_error) = read_body(incoming, method, &head).await;
    // Behind a response without a body, lab waits for bytes that must not come.
    let ended = if body.is_empty() { head_ended } else { Instant::now() };
    let fields = head.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    let (status, reason) = (head.status, head.reason().to_vec());
    Ok((RawResponse { status, reason, fields, body, framing_error, sent, ended }, head))
}

/// The request's method and bytes. The method decides whether the response has a body.
fn compose(request: &CheckRequest, values: &Placeholders) -> Result<(Vec<u8>, Vec<u8>), ProbeError> {
    let (method, target, headers, body, times, http) = match request {
        CheckRequest::Raw(template) => {
            let bytes = template.fill(values).into_bytes();
            let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default().to_vec();
            return Ok((method, bytes));
        }
        CheckRequest::Composed { method, target, headers, body, times, http, .. } => {
            (method, target, headers, body, times, http)
        }
    };
    let (mut fields, body) = fields_and_body(headers, body, values)?;
    if times.get() == 1 && !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
        fields.push(("Connection".to_owned(), "close".to_owned()));
    }
    let version = if *http == HttpVersion::OneZero { "1.0" } else { "1.1" };
    let mut text = format!("{method} {} HTTP/{version}\r\n", target.fill(values));
    for (name, value) in fields {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&body);
    Ok((method.clone().into_bytes(), bytes))
}

/// The given fields with those that lab adds, and the body.
fn fields_and_body(
    headers: &[(String, TextTemplate)],
    body: &RequestBody,
    values: &Placeholders,
) -> Result<(Fields, Vec<u8>), ProbeError> {
    let given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let EncodedBody { bytes: body, media_type } = request_body::encode(body, values)?;
    let mut fields = Vec::new();
    if !given("host") {
        fields.push(("Host".to_owned(), format!("{}:{}", values.host, values.port)));
    }
    fields.extend(headers.iter().map(|(name, value)| (name.clone(), value.fill(values))));
    if let Some(media_type) = media_type.filter(|_| !given("content-type")) {
        fields.push(("Content-Type".to_owned(), media_type));
    }
    if !body.is_empty() && !given("content-length") && !given("transfer-encoding") {
        fields.push(("Content-Length".to_owned(), body.len().to_string()));
    }
    Ok((fields, body))
}

/// Reads the body to its end. Returns it with its framing error. If the response must not have a body, reads any bytes
/// that follow the head.
async fn read_body(incoming: &mut Incoming<Stream>, method: &[u8], head: &ResponseHead) -> (Vec<u8>, Option<String>) {
    let mut body = Vec::new();
    if head.status == SWITCHING_PROTOCOLS {
        return (body, None);
    }
    let length = match framing::response_body(method, head) {
        Ok(length) => length,
        Err(refusal) => return (body, Some(refusal.to_string())),
    };
    if length.is_empty() {
        let fill = async { while let Ok(1..) = std::future::poll_fn(|cx| incoming.poll_fill(cx)).await {} };
        // If the server keeps the connection open, there is no end to wait for.
        let _ = tokio::time::timeout(EXCESS_WAIT, fill).await;
        body.extend_from_slice(incoming.buffered());
        let excess = (!body.is_empty()).then(|| format!("{} bytes follow a response without a body", body.len()));
        return (body, excess);
    }
    let mut decoder = BodyDecoder::new(length, &Limits::response());
    loop {
        match incoming.read_body_piece(&mut decoder).await {
            Ok(Some(piece)) => body.extend_from_slice(piece),
            Ok(None) => return (body, None),
            Err(error) => return (body, Some(error.to_string())),
        }
    }
}

/// Bytes as text: UTF-8 if valid, otherwise Latin-1, so that no byte is lost.
fn latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}
