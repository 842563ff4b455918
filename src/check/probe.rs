//! The probe: sends a check's request byte for byte and observes the whole answer.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lab_http::{BodyDecoder, Incoming, Limits, ReadError, ResponseHead, framing};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::observed::Observed;
use super::slow;
use crate::scenario::model::{CheckRequest, Placeholders, SlowClients};

/// How long an answer without a body is watched for bytes that should not follow.
const WATCHED_AFTER: Duration = Duration::from_millis(500);

/// Why there is nothing to judge.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The connection failed before the answer's head was complete.
    #[error("the connection failed before an answer")]
    Broken(#[from] io::Error),
    /// The connection was closed before the answer's head was complete.
    #[error("the connection was closed without an answer")]
    Closed,
    /// It was closed though more was to be asked on it.
    #[error("only {answered} of {times} requests were answered on one connection: {seen}")]
    NotKept {
        /// How many were answered.
        answered: u16,
        /// How many were to be.
        times: u16,
        /// What became of the next.
        seen: String,
    },
    /// What came is not an HTTP answer.
    #[error("the answer is not HTTP/1.1: {0}")]
    NotHttp(String),
    /// Nothing came in time.
    #[error("no complete answer within {}{meanwhile}", time(*within))]
    Silent {
        /// How long it was waited for.
        within: Duration,
        /// What the stack had to do meanwhile, in words, or nothing.
        meanwhile: String,
    },
    /// The clients that were to be slow did not get that far.
    #[error("a slow client could not begin its request")]
    Slow(#[source] io::Error),
}

/// Sends one request to `address` on a connection of its own. Returns the answer and what the placeholders were.
/// `client` is the address the stack sees this connection at, where it is not the one it has here.
///
/// # Errors
/// When there is no answer whose head can be judged. A broken body is part of the observation.
pub async fn ask(
    address: SocketAddr,
    client: Option<IpAddr>,
    request: &CheckRequest,
) -> Result<(Observed, Placeholders), ProbeError> {
    let (within, slow, target) = match request {
        CheckRequest::Composed { within, slow, target, .. } => (*within, slow.as_ref(), target.as_str()),
        CheckRequest::Raw(_) => (CheckRequest::WITHIN, None, ""),
    };
    // They are slow until they are dropped.
    let _slow = match slow {
        Some(slow) => Some(
            slow::clients(address, slow.target.as_deref().unwrap_or(target), slow).await.map_err(ProbeError::Slow)?,
        ),
        None => None,
    };
    let meanwhile = slow.map_or(String::new(), |SlowClients { clients, part, .. }| {
        let (verb, part) = (part.verb(), part.one());
        let said = if clients.get() == 1 { format!(" {verb}s") } else { format!("s {verb}") };
        format!(" while {clients} client{said} {part} a byte at a time")
    });
    let silent = |_| ProbeError::Silent { within, meanwhile };
    tokio::time::timeout(within, exchange(address, client, request)).await.map_err(silent)?
}

/// A time in words: in seconds where it is whole ones.
fn time(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

async fn exchange(
    address: SocketAddr,
    client: Option<IpAddr>,
    request: &CheckRequest,
) -> Result<(Observed, Placeholders), ProbeError> {
    let mut connection = TcpStream::connect(address).await.map_err(|source| ProbeError::Connect { address, source })?;
    let client = client.map_or_else(|| connection.local_addr().map(|here| here.ip()), Ok)?.to_string();
    let values = Placeholders { client, host: address.ip().to_string(), port: address.port() };
    let (method, bytes) = compose(request, &values);
    let times = match request {
        CheckRequest::Composed { times, .. } => times.get(),
        CheckRequest::Raw(_) => 1,
    };
    // A server may refuse a request before it has read all of it: its answer counts, not the write that failed.
    let mut written = connection.write_all(&bytes).await;
    let mut incoming = Incoming::new(connection, Limits::response());
    for answered in 1..times {
        let cut = |seen: String| ProbeError::NotKept { answered, times, seen };
        let (head, body, framing_error) =
            answer(&mut incoming, &method, written).await.map_err(|error| match error {
                // The first one has nothing to do with keeping a connection.
                error if answered == 1 => error,
                error => cut(error.to_string()),
            })?;
        if let Some(error) = framing_error {
            return Err(cut(format!("after {} bytes of body: {error}", body.len())));
        }
        if says_close(&head) {
            return Err(cut("its answer says `Connection: close`".to_owned()));
        }
        written = incoming.io_mut().write_all(&bytes).await;
    }
    let last = answer(&mut incoming, &method, written).await;
    let (head, body, framing_error) = last.map_err(|error| match times {
        1 => error,
        _ => ProbeError::NotKept { answered: times - 1, times, seen: error.to_string() },
    })?;
    let headers = head.headers.iter().map(|(name, value)| (latin1(name), latin1(value))).collect();
    let reason = latin1(head.reason());
    let observed = Observed { status: head.status, reason, headers, body: latin1(&body), framing_error };
    Ok((observed, values))
}

/// Whether this answer is the last on its connection, by its own word (RFC 9112, section 9.6).
fn says_close(head: &ResponseHead) -> bool {
    head.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"connection")).any(|(_, value)| {
        value.split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
    })
}

/// Reads one answer: its head, its body, and what is wrong with the body's framing.
async fn answer(
    incoming: &mut Incoming<TcpStream>,
    method: &[u8],
    written: io::Result<()>,
) -> Result<(ResponseHead, Vec<u8>, Option<String>), ProbeError> {
    let head = loop {
        match incoming.read_response_head().await {
            Ok(Some(head)) if head.is_interim() => {}
            Ok(Some(head)) => break head,
            Ok(None) => return Err(written.err().map_or(ProbeError::Closed, ProbeError::Broken)),
            Err(ReadError::Refused(refusal)) => return Err(ProbeError::NotHttp(refusal.to_string())),
            Err(ReadError::Io(error)) => return Err(ProbeError::Broken(error)),
        }
    };
    let (body, framing_error) = read_body(incoming, method, &head).await;
    Ok((head, body, framing_error))
}

/// The request's bytes, and its method, which decides whether the answer has a body.
fn compose(request: &CheckRequest, values: &Placeholders) -> (Vec<u8>, Vec<u8>) {
    let (method, target, headers, body, times) = match request {
        CheckRequest::Raw(template) => {
            let bytes = template.fill(values).into_bytes();
            let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default().to_vec();
            return (method, bytes);
        }
        CheckRequest::Composed { method, target, headers, body, times, .. } => (method, target, headers, body, times),
    };
    let given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    if !given("host") {
        let _ = write!(text, "Host: {}:{}\r\n", values.host, values.port);
    }
    for (name, value) in headers {
        let _ = write!(text, "{name}: {}\r\n", value.fill(values));
    }
    if !body.is_empty() && !given("content-length") && !given("transfer-encoding") {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    if !given("connection") && times.get() == 1 {
        text.push_str("Connection: close\r\n");
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    (method.clone().into_bytes(), bytes)
}

/// Reads the body to its end, and says what is wrong with its framing. Of an answer that has no body by its method or
/// status, whatever follows the head all the same.
async fn read_body(
    incoming: &mut Incoming<TcpStream>,
    method: &[u8],
    head: &ResponseHead,
) -> (Vec<u8>, Option<String>) {
    let mut body = Vec::new();
    let length = match framing::response_body(method, head) {
        Ok(length) => length,
        Err(refusal) => return (body, Some(refusal.to_string())),
    };
    if length.is_empty() {
        let watched = async { while let Ok(1..) = std::future::poll_fn(|cx| incoming.poll_fill(cx)).await {} };
        // Where the server keeps the connection open there is no end to wait for.
        let _ = tokio::time::timeout(WATCHED_AFTER, watched).await;
        body.extend_from_slice(incoming.buffered());
        let excess = (!body.is_empty()).then(|| format!("{} bytes follow an answer without a body", body.len()));
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

/// Bytes as text: UTF-8 if they are, else each byte a character, so that nothing is lost.
fn latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}
