//! HTTP/1.1 as lab's own drivers speak it: one connection, one request under way, every failure told by class.
//!
//! It speaks with the twins' own `lab-http` instead of hyper's client: the request is written in the task that sends it,
//! in the same turn, so that the instant of the send is the instant of the write; nothing is repeated behind the
//! load's back; and there is no channel between the task that asks and the task that reads, which is what a client
//! needs that is to keep up with wrk.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use lab_http::connection::is_persistent;
use lab_http::framing::{BodyLength, response_body};
use lab_http::{BodyDecoder, Incoming, Limits, ReadError, Refusal};
use lab_net::Stream;
use lab_net::deadline::Deadline;
use tokio::io::AsyncWrite as _;

use crate::exchange::{Phase, class_of_status, class_of_timeout, failed};
use crate::ledger::ErrorClass;
use crate::recorder::Outcome;
use crate::target::Target;
use crate::tls::connect;

/// A connection to the stack.
#[derive(Debug)]
pub(super) struct Connection {
    incoming: Incoming<Stream>,
    deadline: Deadline,
    timeout: Duration,
}

/// What a request came to, and what becomes of its connection.
#[derive(Debug)]
pub(super) struct Exchanged {
    /// What it came to.
    pub(super) outcome: Outcome,
    /// What becomes of the connection.
    pub(super) after: After,
}

/// What becomes of a connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Another request can be sent.
    Reusable,
    /// The answer was complete, and the server ends the connection with it.
    Closed,
    /// The request failed and the connection with it.
    Broken,
}

impl Connection {
    /// Connects; no later than the target's timeout from `began`.
    pub(super) async fn open(target: &Target, began: Instant) -> Result<Connection, Outcome> {
        let mut deadline = Deadline::new(began + target.timeout);
        let stream = connect(target.address, target.tls.as_ref(), &mut deadline).await?;
        Ok(Connection { incoming: Incoming::new(stream, Limits::response()), deadline, timeout: target.timeout })
    }

    /// Sends `request`, a GET, and reads the answer to its end; no later than the timeout from `began`.
    pub(super) async fn ask(&mut self, request: &[u8], began: Instant) -> Exchanged {
        self.deadline.extend(began + self.timeout);
        match self.exchange(request).await {
            Ok(exchanged) => exchanged,
            Err(outcome) => Exchanged { outcome, after: After::Broken },
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Exchanged, Outcome> {
        let mut written = 0;
        while written < request.len() {
            let io = self.incoming.io_mut();
            let write = poll_fn(|cx| Pin::new(&mut *io).poll_write(cx, &request[written..]));
            written += within(&mut self.deadline, Phase::AwaitingAnswer, write).await?;
        }
        if let Stream::Tls(stream) = self.incoming.io_mut() {
            // What was written may still lie in a record that the socket had no room for.
            let flush = poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx));
            within(&mut self.deadline, Phase::AwaitingAnswer, flush).await?;
        }
        let head = loop {
            let read = self.incoming.read_response_head();
            let Some(head) = within(&mut self.deadline, Phase::AwaitingAnswer, read).await? else {
                return Err(of_class(ErrorClass::PrematureEof));
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
        // Bytes behind the answer are nobody's: a server that sends them is not one to ask again on this connection.
        let reusable = length != BodyLength::UntilClose
            && is_persistent(head.version, &head.headers)
            && self.incoming.buffered().is_empty();
        let outcome = match class_of_status(head.status) {
            None => Outcome::Ok { body_bytes },
            Some(class) => of_class(class),
        };
        Ok(Exchanged { outcome, after: if reusable { After::Reusable } else { After::Closed } })
    }

    /// Waits on an idle connection for its end, or for bytes nobody asked for; it cannot be used after either.
    pub(super) fn poll_spoilt(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
) -> Result<T, Outcome> {
    let done = deadline.limit(step).await.map_err(|_| of_class(class_of_timeout(phase)))?;
    done.map_err(|error| match error.into() {
        ReadError::Io(error) => failed(&error, phase),
        ReadError::Refused(refusal) => refused(&refusal),
    })
}

fn of_class(class: ErrorClass) -> Outcome {
    Outcome::Failed { class, detail: None }
}

fn refused(refusal: &Refusal) -> Outcome {
    of_class(if *refusal == Refusal::Truncated { ErrorClass::PrematureEof } else { ErrorClass::Protocol })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::target::Said;

    fn bytes(target: &Target) -> &[u8] {
        match &target.said {
            Said::Http1 { bytes, .. } => bytes,
            Said::Http2 { .. } => unreachable!(),
        }
    }

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// Asks a server that reads one request and then does `answer` with the connection.
    async fn served<F>(timeout: Duration, answer: impl FnOnce(TcpStream) -> F) -> Exchanged
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
            answer(stream).await;
            std::future::pending::<()>().await;
        };
        let client = async {
            let began = Instant::now();
            Connection::open(&target, began).await.unwrap().ask(bytes(&target), began).await
        };
        tokio::select! {
            exchanged = client => exchanged,
            () = server => unreachable!(),
        }
    }

    async fn answered(bytes: &'static [u8]) -> Exchanged {
        served(TIMEOUT, |mut stream| async move { stream.write_all(bytes).await.unwrap() }).await
    }

    /// An answer after which the connection ends.
    async fn cut(bytes: &'static [u8]) -> Exchanged {
        served(TIMEOUT, |mut stream| async move {
            stream.write_all(bytes).await.unwrap();
            drop(stream);
        })
        .await
    }

    fn class(exchanged: &Exchanged) -> ErrorClass {
        match &exchanged.outcome {
            Outcome::Failed { class, .. } => *class,
            Outcome::Ok { .. } => panic!("{exchanged:?}"),
        }
    }

    #[tokio::test]
    async fn complete_answers_and_whether_the_connection_lives_on() {
        for (bytes, body_bytes, reusable) in [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPong!".as_slice(), 5, true),
            (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, true),
            (b"HTTP/1.1 302 Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 3, true),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 0, true),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", 2, false),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", 2, false),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab??", 2, false),
        ] {
            let exchanged = answered(bytes).await;
            assert_eq!(exchanged.outcome, Outcome::Ok { body_bytes }, "{}", String::from_utf8_lossy(bytes));
            assert_eq!(exchanged.after == After::Reusable, reusable, "{}", String::from_utf8_lossy(bytes));
        }
        let until_close = cut(b"HTTP/1.1 200 OK\r\n\r\nabc").await;
        assert_eq!((until_close.outcome, until_close.after), (Outcome::Ok { body_bytes: 3 }, After::Closed));
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
            assert_eq!(class(&answered(bytes).await), expected, "{}", String::from_utf8_lossy(bytes));
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
        assert_eq!((class(&reset), reset.after), (ErrorClass::ResetBeforeFirstByte, After::Broken));
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
        // A backlog of 0 holds one connection on Linux; the handshakes after it are not answered.
        let _held = std::net::TcpStream::connect(address).unwrap();
        let target = Target::plain(address, short);
        let outcome = Connection::open(&target, Instant::now()).await.unwrap_err();
        assert_eq!(outcome, of_class(ErrorClass::TimeoutConnect));
        drop(socket);
        let outcome = Connection::open(&target, Instant::now()).await.unwrap_err();
        assert_eq!(outcome, of_class(ErrorClass::ConnectRefused));
    }

    #[tokio::test]
    async fn an_idle_connection_that_ends_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::plain(listener.local_addr().unwrap(), TIMEOUT);
        let (connection, accepted) = tokio::join!(Connection::open(&target, Instant::now()), listener.accept());
        let mut connection = connection.unwrap();
        drop(accepted.unwrap());
        poll_fn(|cx| connection.poll_spoilt(cx)).await;
    }
}
