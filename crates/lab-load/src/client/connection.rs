//! HTTP/1 for lab's own drivers: one connection, one request under way, every failure classified.
//!
//! Built on `lab-http` instead of hyper's client. The sending task itself writes the request, so the instant of the send
//! is the instant of the write; nothing is retried behind the load's back; and no channel separates the task that sends
//! from the task that reads. A client must be this lean to keep up with wrk.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use lab_http::connection::is_persistent;
use lab_http::framing::{BodyLength, response_body};
use lab_http::{BodyDecoder, Incoming, Limits, ReadError, Refusal};
use tokio::io::AsyncWrite as _;

use super::failure::{Phase, failed, timed_out};
use super::target::Target;
use crate::accounting::RequestOutcome;
use crate::tls::connect;
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
        while !body.is_at_end() {
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

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::client::target::PreparedRequest;

    fn bytes(target: &Target) -> &[u8] {
        match &target.request {
            PreparedRequest::Http1 { bytes, .. } => bytes,
            PreparedRequest::Http2 { .. } => unreachable!(),
        }
    }

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// Sends a request to a server that reads it and then passes the connection to `respond`.
    async fn served<F>(timeout: Duration, respond: impl FnOnce(TcpStream) -> F) -> ExchangeResult
    where
        F: Future<Output = ()>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::plain(listener.local_addr().unwrap(), timeout);
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            assert_eq!(head, bytes(&target));
            respond(stream).await;
            std::future::pending::<()>().await;
        };
        let client = async {
            let began = Instant::now();
            Connection::open(&target, began).await.unwrap().send(bytes(&target), began).await
        };
        tokio::select! {
            result = client => result,
            () = server => unreachable!(),
        }
    }

    async fn responded(bytes: &'static [u8]) -> ExchangeResult {
        served(TIMEOUT, |mut stream| async move { stream.write_all(bytes).await.unwrap() }).await
    }

    /// A response after which the server closes the connection.
    async fn cut(bytes: &'static [u8]) -> ExchangeResult {
        served(TIMEOUT, |mut stream| async move {
            stream.write_all(bytes).await.unwrap();
            drop(stream);
        })
        .await
    }

    fn class(result: &ExchangeResult) -> ErrorClass {
        match &result.outcome {
            RequestOutcome::Failed { class, .. } => *class,
            RequestOutcome::Ok { .. } => panic!("{result:?}"),
        }
    }

    #[tokio::test]
    async fn complete_responses_may_keep_the_connection() {
        for (bytes, body_bytes, reusable) in [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPong!".as_slice(), 5, true),
            (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, true),
            (b"HTTP/1.1 302 Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 3, true),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 0, true),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", 2, false),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", 2, false),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab??", 2, false),
        ] {
            let result = responded(bytes).await;
            assert_eq!(result.outcome, RequestOutcome::Ok { body_bytes }, "{}", String::from_utf8_lossy(bytes));
            assert_eq!(result.connection == ConnectionState::Reusable, reusable, "{}", String::from_utf8_lossy(bytes));
        }
        let until_close = cut(b"HTTP/1.1 200 OK\r\n\r\nabc").await;
        assert_eq!(
            (until_close.outcome, until_close.connection),
            (RequestOutcome::Ok { body_bytes: 3 }, ConnectionState::Closed)
        );
    }

    #[tokio::test]
    async fn failures_by_class() {
        for (bytes, expected) in [
            (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno".as_slice(), ErrorClass::Status4xx),
            (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", ErrorClass::Status5xx),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", ErrorClass::Protocol),
            (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", ErrorClass::Protocol),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorClass::Protocol),
        ] {
            assert_eq!(class(&responded(bytes).await), expected, "{}", String::from_utf8_lossy(bytes));
        }
        for bytes in [
            b"".as_slice(),
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            assert_eq!(class(&cut(bytes).await), ErrorClass::PrematureEof, "{}", String::from_utf8_lossy(bytes));
        }
        let reset = served(TIMEOUT, |stream| async move {
            stream.set_zero_linger().unwrap();
            drop(stream);
        });
        let reset = reset.await;
        assert_eq!((class(&reset), reset.connection), (ErrorClass::ResetBeforeFirstByte, ConnectionState::Broken));
    }

    #[tokio::test]
    async fn timeouts_by_phase() {
        let short = Duration::from_millis(50);
        let held = |bytes: &'static [u8]| {
            served(short, move |mut stream| async move {
                stream.write_all(bytes).await.unwrap();
                std::future::pending::<()>().await;
            })
        };
        assert_eq!(class(&held(b"HTTP/1.1 200 OK\r\n").await), ErrorClass::TimeoutFirstByte);
        assert_eq!(class(&held(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab").await), ErrorClass::TimeoutBody);

        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        // A backlog of 0 holds one connection on Linux; the later handshakes are not completed.
        let _held = std::net::TcpStream::connect(address).unwrap();
        let target = Target::plain(address, short);
        let outcome = Connection::open(&target, Instant::now()).await.unwrap_err();
        assert_eq!(outcome, RequestOutcome::failed(ErrorClass::TimeoutConnect));
        drop(socket);
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
