//! HTTP/1 for lab's own drivers: one connection, one request under way, every failure classified.
//!
//! Built on `lab-http` instead of hyper's client. The sending task itself writes the request, so the instant of the
//! send is the instant of the write; nothing is retried behind the load's back; and no channel separates the task that
//! sends from the task that reads. A client must be this lean to keep up with wrk.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use lab_http::h1::connection::is_persistent;
use lab_http::h1::framing::{BodyLength, response_body};
use lab_http::{BodyDecoder, Incoming, Limits, ReadError, Refusal};
use tokio::io::AsyncWrite as _;

use super::failure::{Phase, failed, timed_out};
use super::target::Target;
use super::tls::connect;
use crate::accounting::RequestOutcome;
use crate::wire::ErrorClass;
use lab_net::Stream;
use lab_net::deadline::Deadline;

/// A connection to the stack.
#[derive(Debug)]
pub(crate) struct Connection {
    incoming: Incoming<Stream>,
    deadline: Deadline,
    timeout: Duration,
}

/// The outcome of a request and the state of its connection afterwards.
#[derive(Debug)]
pub(super) struct ExchangeResult {
    pub(super) outcome: RequestOutcome,
    pub(super) connection: ConnectionState,
}

/// The state of a connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionState {
    /// Another request can be sent.
    Reusable,
    /// The response was complete, and the server closes the connection after it.
    Closed,
    /// The request failed and took the connection with it.
    Broken,
}

impl Connection {
    /// Connects, within the target's timeout from `began`.
    pub(super) async fn open(target: &Target, began: Instant) -> Result<Connection, RequestOutcome> {
        let mut deadline = Deadline::new(began + target.timeout);
        let stream = connect(target.address, target.tls.as_ref(), &mut deadline).await?;
        Ok(Connection { incoming: Incoming::new(stream, Limits::response()), deadline, timeout: target.timeout })
    }

    /// Sends `request`, a GET, and reads the response to its end, within the timeout from `began`.
    pub(super) async fn send(&mut self, request: &[u8], began: Instant) -> ExchangeResult {
        self.deadline.extend(began + self.timeout);
        match self.exchange(request).await {
            Ok(result) => result,
            Err(outcome) => ExchangeResult { outcome, connection: ConnectionState::Broken },
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<ExchangeResult, RequestOutcome> {
        let mut written = 0;
        while written < request.len() {
            let io = self.incoming.io_mut();
            let write = poll_fn(|cx| Pin::new(&mut *io).poll_write(cx, &request[written..]));
            written += within(&mut self.deadline, Phase::AwaitingResponse, write).await?;
        }
        if let Stream::Tls(stream) = self.incoming.io_mut() {
            // The last TLS record may still be buffered, if the socket had no room for it.
            let flush = poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx));
            within(&mut self.deadline, Phase::AwaitingResponse, flush).await?;
        }
        let head = loop {
            let read = self.incoming.read_response_head();
            let Some(head) = within(&mut self.deadline, Phase::AwaitingResponse, read).await? else {
                return Err(RequestOutcome::failed(ErrorClass::PrematureEof));
            };
            if !head.is_interim() {
                break head;
            }
        };
        let length = response_body(b"GET", &head).map_err(|refusal| refused(&refusal))?;
        let mut body = BodyDecoder::new(length, &Limits::response());
        let mut body_bytes = 0;
        while !body.is_finished() {
            let read = self.incoming.read_body_piece(&mut body);
            let piece = within(&mut self.deadline, Phase::ReadingBody, read).await?;
            body_bytes += piece.map_or(0, |piece| piece.len() as u64);
        }
        // Bytes after the response belong to no request; a connection with such a server must not be reused.
        let reusable = length != BodyLength::UntilClose
            && is_persistent(head.version, &head.headers)
            && self.incoming.buffered().is_empty();
        let connection = if reusable { ConnectionState::Reusable } else { ConnectionState::Closed };
        Ok(ExchangeResult { outcome: RequestOutcome::from_status(head.status, body_bytes), connection })
    }

    /// Waits on an idle connection until the peer closes it or sends unsolicited bytes; either makes it unusable.
    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.incoming.buffered().is_empty() {
            return Poll::Ready(());
        }
        self.incoming.poll_fill(cx).map(|_| ())
    }
}

/// Waits for `step`, which happens in `phase`, until the deadline.
async fn within<T, E: Into<ReadError>>(
    deadline: &mut Deadline,
    phase: Phase,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, RequestOutcome> {
    let done = deadline.limit(step).await.map_err(|_| timed_out(phase))?;
    done.map_err(|error| match error.into() {
        ReadError::Io(error) => failed(&error, phase),
        ReadError::Refused(refusal) => refused(&refusal),
    })
}

fn refused(refusal: &Refusal) -> RequestOutcome {
    RequestOutcome::failed(if *refusal == Refusal::Truncated { ErrorClass::PrematureEof } else { ErrorClass::Protocol })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::client::failing_server::{
        Ending, FAILING_RESPONSES, FullBacklog, SHORT_TIMEOUT, TIMEOUT, accept_request, respond,
    };
    use crate::client::target::PreparedRequest;

    fn bytes(target: &Target) -> &[u8] {
        match &target.request {
            PreparedRequest::Http1 { bytes, .. } => bytes,
            PreparedRequest::Http2 { .. } => unreachable!(),
        }
    }

    async fn send_to(address: SocketAddr, timeout: Duration) -> ExchangeResult {
        let target = Target::plain(address, timeout);
        let began = Instant::now();
        Connection::open(&target, began).await.unwrap().send(bytes(&target), began).await
    }

    async fn responded(bytes: &str, ending: Ending) -> ExchangeResult {
        respond(bytes, ending, |address| send_to(address, TIMEOUT)).await
    }

    #[tokio::test]
    async fn request_is_written_as_prepared() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::plain(listener.local_addr().unwrap(), TIMEOUT);
        tokio::select! {
            _ = send_to(target.address, TIMEOUT) => unreachable!(),
            (_, head) = accept_request(&listener) => assert_eq!(head, bytes(&target)),
        }
    }

    #[tokio::test]
    async fn complete_responses_may_keep_the_connection() {
        for (bytes, body_bytes, reusable) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPong!", 5, true),
            ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, true),
            ("HTTP/1.1 302 Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 3, true),
            ("HTTP/1.1 204 No Content\r\n\r\n", 0, true),
            ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", 2, false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", 2, false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab??", 2, false),
        ] {
            let result = responded(bytes, Ending::Hold).await;
            assert_eq!(result.outcome, RequestOutcome::Ok { body_bytes }, "{bytes}");
            assert_eq!(result.connection == ConnectionState::Reusable, reusable, "{bytes}");
        }
        let until_close = responded("HTTP/1.1 200 OK\r\n\r\nabc", Ending::Close).await;
        assert_eq!(
            (until_close.outcome, until_close.connection),
            (RequestOutcome::Ok { body_bytes: 3 }, ConnectionState::Closed)
        );
    }

    #[tokio::test]
    async fn failures_by_class() {
        for response in FAILING_RESPONSES {
            let send = |address| send_to(address, response.timeout());
            let result = respond(response.bytes, response.ending, send).await;
            assert_eq!(result.outcome, RequestOutcome::failed(response.class), "{response:?}");
            assert_eq!(result.connection == ConnectionState::Broken, !response.class.is_status(), "{response:?}");
        }
    }

    #[tokio::test]
    async fn failures_while_connecting() {
        let backlog = FullBacklog::new();
        let target = Target::plain(backlog.address, SHORT_TIMEOUT);
        let outcome = Connection::open(&target, Instant::now()).await.unwrap_err();
        assert_eq!(outcome, RequestOutcome::failed(ErrorClass::TimeoutConnect));
        drop(backlog);
        let outcome = Connection::open(&target, Instant::now()).await.unwrap_err();
        assert_eq!(outcome, RequestOutcome::failed(ErrorClass::ConnectRefused));
    }

    #[tokio::test]
    async fn closed_idle_connection_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::plain(listener.local_addr().unwrap(), TIMEOUT);
        let (connection, accepted) = tokio::join!(Connection::open(&target, Instant::now()), listener.accept());
        let mut connection = connection.unwrap();
        drop(accepted.unwrap());
        poll_fn(|cx| connection.poll_closed(cx)).await;
    }
}
