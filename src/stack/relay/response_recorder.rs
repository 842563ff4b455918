//! Finds the responses in the bytes that a server sends on one connection. Pure.

use std::collections::VecDeque;
use std::sync::{MutexGuard, PoisonError};

use lab_http::BodyDecoder;
use lab_http::h1::framing;
use lab_http::h1::parse::ResponseParser;

use super::recorder::{Unanswered, UnansweredRequest, limits};

/// The status of bytes that are no response.
const NO_STATUS: u16 = 0;

pub(super) struct ResponseRecorder {
    unanswered: Unanswered,
    /// What has been received and not been interpreted.
    buffer: Vec<u8>,
    state: State,
}

enum State {
    Head(ResponseParser),
    Body(BodyDecoder),
    /// The rest is not interpreted: another protocol, or what cannot be read.
    Opaque,
}

impl ResponseRecorder {
    pub(super) fn new(unanswered: Unanswered) -> ResponseRecorder {
        ResponseRecorder { unanswered, buffer: Vec::new(), state: State::Head(ResponseParser::default()) }
    }

    /// Interprets the next bytes. Returns the responses whose heads end in them: the ids of their requests, and their
    /// statuses.
    pub(super) fn record(&mut self, bytes: &[u8]) -> Vec<(u64, u16)> {
        let mut begun = Vec::new();
        if matches!(self.state, State::Opaque) {
            return begun;
        }
        self.buffer.extend_from_slice(bytes);
        if self.advance(&mut begun).is_none() {
            self.state = State::Opaque;
            self.buffer = Vec::new();
            begun.extend(self.unanswered().drain(..).map(|request| (request.id, NO_STATUS)));
        }
        begun
    }

    /// Interprets the buffer as far as it is complete. None if it is not HTTP/1.
    fn advance(&mut self, begun: &mut Vec<(u64, u16)>) -> Option<()> {
        loop {
            match &mut self.state {
                State::Head(parser) => {
                    let Some((head, length)) = parser.advance(&self.buffer, &limits()).ok()? else { return Some(()) };
                    self.buffer.drain(..length);
                    if head.is_interim() {
                        continue;
                    }
                    let UnansweredRequest { id, method } = self.unanswered().pop_front()?;
                    begun.push((id, head.status));
                    if head.status == 101 || (method == "CONNECT" && head.status / 100 == 2) {
                        self.state = State::Opaque;
                        return Some(());
                    }
                    let body = framing::response_body(method.as_bytes(), &head).ok()?;
                    self.state = State::Body(BodyDecoder::new(body, &limits()));
                }
                State::Body(body) if body.is_finished() => self.state = State::Head(ResponseParser::default()),
                State::Body(body) => {
                    let piece = body.decode(&self.buffer).ok()?;
                    if piece.framing + piece.content == 0 && !body.is_finished() {
                        return Some(());
                    }
                    self.buffer.drain(..piece.framing + piece.content);
                }
                State::Opaque => return Some(()),
            }
        }
    }

    fn unanswered(&self) -> MutexGuard<'_, VecDeque<UnansweredRequest>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// The responses to requests with these methods, whose ids are 0, 1, 2 and so on, however the bytes are split.
    fn responses(methods: &[&str], bytes: &[u8]) -> Vec<(u64, u16)> {
        let read = |size: usize| -> Vec<(u64, u16)> {
            let requests = methods.iter().zip(0..);
            let requests = requests.map(|(method, id)| UnansweredRequest { id, method: (*method).to_owned() });
            let mut recorder = ResponseRecorder::new(Arc::new(Mutex::new(requests.collect())));
            bytes.chunks(size).flat_map(|chunk| recorder.record(chunk)).collect()
        };
        let whole = read(bytes.len());
        assert_eq!(read(1), whole, "byte by byte");
        whole
    }

    #[test]
    fn responses_belong_to_their_requests() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc\
            HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\
            HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
            HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.0 200 OK\r\n\r\nHTTP/1.1 500 in a body";
        let methods = ["POST", "HEAD", "GET", "GET", "GET"];
        assert_eq!(responses(&methods, bytes), [(0, 200), (1, 200), (2, 404), (3, 304), (4, 200)]);
    }

    #[test]
    fn unreadable_response_has_no_status() {
        assert_eq!(responses(&["GET", "GET"], b"nonsense\r\n\r\n"), [(0, 0), (1, 0)]);
        assert_eq!(responses(&["GET"], b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05"), [(0, 101)]);
        assert_eq!(responses(&[], b"HTTP/1.1 200 OK\r\n\r\n"), []);
    }
}
