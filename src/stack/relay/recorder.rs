//! Reads the requests in the bytes of one connection to a server. Pure but for where it puts them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lab_app::headers_report::ReceivedRequest;
use lab_http::h1::framing;
use lab_http::h1::parse::RequestParser;
use lab_http::message::extensions::RawHead;
use lab_http::{BodyDecoder, Limits, RequestHead};

use super::{Recordings, RelayedRequest};
use crate::catalog::kind::Protocol;

/// The size of the head of a uwsgi packet.
/// <https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>
const PACKET_HEAD: usize = 4;

/// The requests of a connection that have no response yet, in order.
pub(super) type Unanswered = Arc<Mutex<VecDeque<UnansweredRequest>>>;

#[derive(Debug)]
pub(super) struct UnansweredRequest {
    pub(super) id: u64,
    /// It decides whether the response has a body.
    pub(super) method: String,
}

/// The id of the next request.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

pub(super) struct Recorder {
    recordings: Recordings,
    unanswered: Unanswered,
    /// What has been received and not been interpreted.
    buffer: Vec<u8>,
    state: State,
}

enum State {
    Head(RequestParser),
    Body(BodyDecoder),
    /// The variables of a uwsgi request.
    Packet,
    /// The rest is not interpreted: another protocol, or the body of a uwsgi request.
    Opaque,
}

impl Recorder {
    pub(super) fn new(protocol: Protocol, recordings: Recordings) -> Recorder {
        let state = match protocol {
            Protocol::Http => State::Head(RequestParser::default()),
            Protocol::Uwsgi => State::Packet,
        };
        Recorder { recordings, unanswered: Unanswered::default(), buffer: Vec::new(), state }
    }

    /// The requests of the connection that have no response yet.
    pub(super) fn unanswered(&self) -> Unanswered {
        Arc::clone(&self.unanswered)
    }

    /// Interprets the next bytes.
    pub(super) fn record(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Opaque) {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        match self.advance() {
            Ok(()) => {}
            Err(reason) => {
                self.push(Err(reason));
                self.state = State::Opaque;
            }
        }
    }

    /// Interprets the buffer as far as it is complete.
    fn advance(&mut self) -> Result<(), String> {
        loop {
            match &mut self.state {
                State::Head(parser) => {
                    let parsed = parser.advance(&self.buffer, &limits()).map_err(|refusal| not_http(&refusal))?;
                    let Some((head, length)) = parsed else { return Ok(()) };
                    self.buffer.drain(..length);
                    let body = framing::request_body(&head).map_err(|refusal| not_http(&refusal))?;
                    // After a response with 101, or 200 to CONNECT, the connection carries something else.
                    let may_switch = head.headers.contains("upgrade") || head.method() == b"CONNECT";
                    self.state =
                        if may_switch { State::Opaque } else { State::Body(BodyDecoder::new(body, &limits())) };
                    self.push(Ok(received(head)));
                }
                State::Body(body) if body.is_finished() => self.state = State::Head(RequestParser::default()),
                State::Body(body) => {
                    let piece = body.decode(&self.buffer).map_err(|refusal| not_http(&refusal))?;
                    if piece.framing + piece.content == 0 && !body.is_finished() {
                        return Ok(());
                    }
                    self.buffer.drain(..piece.framing + piece.content);
                }
                State::Packet => {
                    let Some(variables) = packet(&self.buffer)? else { return Ok(()) };
                    self.state = State::Opaque;
                    self.push(Ok(received_as_variables(&variables)));
                }
                State::Opaque => {
                    self.buffer.clear();
                    return Ok(());
                }
            }
        }
    }

    fn push(&self, recording: Result<ReceivedRequest, String>) {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let method = recording.as_ref().map_or_else(|_| String::new(), |request| request.method.clone());
        let request = RelayedRequest { id, request: recording, arrived: Instant::now(), response: None };
        self.recordings.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let unanswered = UnansweredRequest { id, method };
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).push_back(unanswered);
    }
}

/// Servers judge requests; a recording only reads them.
pub(super) fn limits() -> Limits {
    Limits {
        start_line: 64 * 1024,
        field: 64 * 1024,
        fields: 1000,
        head: 256 * 1024,
        allows_bare_lf: true,
        ..Limits::default()
    }
}

fn not_http(refusal: &lab_http::Refusal) -> String {
    format!("the request at the server is not HTTP/1.1: {refusal}")
}

fn received(head: RequestHead) -> ReceivedRequest {
    ReceivedRequest::from(&RawHead::from(head))
}

/// The variables of a uwsgi request; `None` if they are not complete.
fn packet(bytes: &[u8]) -> Result<Option<Vec<(String, String)>>, String> {
    let Some((head, rest)) = bytes.split_at_checked(PACKET_HEAD) else { return Ok(None) };
    let size = usize::from(u16::from_le_bytes([head[1], head[2]]));
    let Some(mut block) = rest.get(..size) else { return Ok(None) };
    let mut text = || -> Option<String> {
        let (length, rest) = block.split_first_chunk::<2>()?;
        let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        block = rest;
        Some(text.iter().copied().map(char::from).collect())
    };
    let mut variables = Vec::new();
    while let Some(name) = text() {
        let value = text().ok_or("the request at the server is not a uwsgi packet: a variable has no value")?;
        variables.push((name, value));
    }
    Ok(Some(variables))
}

/// The request that variables describe. Names of fields have lost their case, and `-` is `_` in them.
fn received_as_variables(variables: &[(String, String)]) -> ReceivedRequest {
    let value = |name: &str| {
        let found = variables.iter().find(|(own, _)| own == name);
        found.map_or(String::new(), |(_, value)| value.clone())
    };
    let field = |(name, value): &(String, String)| {
        let is_content = ["CONTENT_TYPE", "CONTENT_LENGTH"].contains(&name.as_str()) && !value.is_empty();
        let field = name.strip_prefix("HTTP_").or_else(|| is_content.then_some(name.as_str()))?;
        Some((field.replace('_', "-"), value.clone()))
    };
    ReceivedRequest {
        method: value("REQUEST_METHOD"),
        target: value("REQUEST_URI"),
        version: value("SERVER_PROTOCOL"),
        headers: variables.iter().filter_map(field).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The targets, or the reasons, of what a connection's bytes contain, however they are split.
    fn targets(protocol: Protocol, bytes: &[u8]) -> Vec<Result<String, String>> {
        let read = |size: usize| -> Vec<Result<String, String>> {
            let recordings = Recordings::default();
            let mut recorder = Recorder::new(protocol, recordings.clone());
            bytes.chunks(size).for_each(|chunk| recorder.record(chunk));
            let recordings = recordings.lock().unwrap();
            recordings.iter().map(|one| one.request.clone().map(|request| request.target)).collect()
        };
        let whole = read(bytes.len());
        assert_eq!(read(1), whole, "byte by byte");
        whole
    }

    #[test]
    fn requests_are_found_behind_each_other() {
        let bytes = b"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n\
            GET /b HTTP/1.0\r\n\r\nPOST /c HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /GET /d HTTP/1.1\r\n\r\n";
        assert_eq!(targets(Protocol::Http, bytes), ["/a", "/b", "/c", "/d"].map(|target| Ok(target.to_owned())));
    }

    #[test]
    fn another_protocol_is_not_read_as_requests() {
        let bytes = b"GET /socket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x05GET / HTTP/1.1\r\n\r\n";
        assert_eq!(targets(Protocol::Http, bytes), [Ok("/socket".to_owned())]);
    }

    #[test]
    fn variables_of_uwsgi_become_a_request() {
        let mut block = Vec::new();
        for text in [
            "REQUEST_METHOD",
            "POST",
            "REQUEST_URI",
            "/a?b",
            "HTTP_X_FORWARDED_FOR",
            "192.0.2.1",
            "CONTENT_TYPE",
            "",
            "CONTENT_LENGTH",
            "4",
        ] {
            block.extend_from_slice(&u16::try_from(text.len()).unwrap().to_le_bytes());
            block.extend_from_slice(text.as_bytes());
        }
        let size = u16::try_from(block.len()).unwrap().to_le_bytes();
        let bytes = [&[0, size[0], size[1], 0], &block[..], b"body"].concat();
        assert_eq!(targets(Protocol::Uwsgi, &bytes), [Ok("/a?b".to_owned())]);
        let request = received_as_variables(&packet(&bytes).unwrap().unwrap());
        assert_eq!(request.headers.len(), 2);
        assert_eq!(request.headers[0], ("X-FORWARDED-FOR".to_owned(), "192.0.2.1".to_owned()));
    }
}
