//! lab's own client: one connection, one request under way, every failure told by class.
//!
//! It speaks with the twins' own `lab-http` instead of hyper's client: the request is written in the task that sends it,
//! in the same turn, so that the instant of the send is the instant of the write; nothing is repeated behind the
//! load's back; and there is no channel between the task that asks and the task that reads, which is what a client
//! needs that is to keep up with wrk. Plain HTTP/1.1 over TCP only: TLS and HTTP/2 are refused by the driver.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use lab_http::connection::is_persistent;
use lab_http::framing::{BodyLength, response_body};
use lab_http::{BodyDecoder, Incoming, Limits, ReadError, Refusal};
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;

use super::exchange::{Phase, class_of_status, class_of_timeout, failed};
use super::ledger::ErrorClass;
use super::recorder::Outcome;
use super::timer::Patience;

/// A connection to the stack.
#[derive(Debug)]
pub(super) struct Connection {
    incoming: Incoming<TcpStream>,
    patience: Patience,
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

/// Where requests go, and what they say.
#[derive(Debug)]
pub(super) struct Target {
    /// The stack's address.
    pub(super) address: SocketAddr,
    /// The whole request.
    pub(super) request: Vec<u8>,
    /// How long connecting and asking may take together.
    pub(super) timeout: Duration,
}

impl Target {
    /// A GET of `path` at `address`, with `authority` for its Host.
    pub(super) fn get(address: SocketAddr, authority: &str, path: &str, timeout: Duration) -> Target {
        let agent = concat!("lab/", env!("CARGO_PKG_VERSION"));
        let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\r\n")
            .into_bytes();
        Target { address, request, timeout }
    }
}

impl Connection {
    /// Connects; no later than the target's timeout from `began`.
    pub(super) async fn open(target: &Target, began: Instant) -> Result<Connection, Outcome> {
        let mut patience = Patience::new(began + target.timeout);
        let mut connect = pin!(TcpStream::connect(target.address));
        let connected = poll_fn(|cx| match connect.as_mut().poll(cx) {
            Poll::Ready(connected) => Poll::Ready(Some(connected)),
            Poll::Pending => patience.poll_end(cx).map(|()| None),
        });
        let stream = match connected.await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => return Err(failed(&error, Phase::Connecting)),
            None => return Err(timed_out(Phase::Connecting)),
        };
        // Requests go out in one write, so that this only matters for the rest of a large one.
        _ = stream.set_nodelay(true);
        Ok(Connection { incoming: Incoming::new(stream, Limits::response()), patience, timeout: target.timeout })
    }

    /// Sends `request`, a GET, and reads the answer to its end; no later than the timeout from `began`.
    pub(super) async fn ask(&mut self, request: &[u8], began: Instant) -> Exchanged {
        self.patience.extend(began + self.timeout);
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
            written += within(&mut self.patience, Phase::AwaitingAnswer, write).await?;
        }
        let head = loop {
            let read = self.incoming.read_response_head();
            let Some(head) = within(&mut self.patience, Phase::AwaitingAnswer, read).await? else {
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
            let piece = within(&mut self.patience, Phase::ReadingBody, read).await?;
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

/// Waits for `step`, which happens in `phase`, as long as there is patience.
async fn within<T, E: Into<ReadError>>(
    patience: &mut Patience,
    phase: Phase,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, Outcome> {
    let mut step = pin!(step);
    poll_fn(|cx| {
        if let Poll::Ready(done) = step.as_mut().poll(cx) {
            return Poll::Ready(done.map_err(|error| match error.into() {
                ReadError::Io(error) => failed(&error, phase),
                ReadError::Refused(refusal) => refused(&refusal),
            }));
        }
        ready!(patience.poll_end(cx));
        Poll::Ready(Err(timed_out(phase)))
    })
    .await
}

fn of_class(class: ErrorClass) -> Outcome {
    Outcome::Failed { class, detail: None }
}

fn timed_out(phase: Phase) -> Outcome {
    of_class(class_of_timeout(phase))
}

fn refused(refusal: &Refusal) -> Outcome {
    of_class(if *refusal == Refusal::Truncated { ErrorClass::PrematureEof } else { ErrorClass::Protocol })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// Asks a server that reads one request and then does `answer` with the connection.
    async fn served<F>(timeout: Duration, answer: impl FnOnce(TcpStream) -> F) -> Exchanged
    where
        F: Future<Output = ()>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::get(listener.local_addr().unwrap(), "there", "/", timeout);
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            assert_eq!(head, target.request);
            answer(stream).await;
            std::future::pending::<()>().await;
        };
        let client = async {
            let began = Instant::now();
            Connection::open(&target, began).await.unwrap().ask(&target.request, began).await
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
        let target = Target::get(address, "there", "/", short);
        let outcome = Connection::open(&target, Instant::now()).await.unwrap_err();
        assert_eq!(outcome, of_class(ErrorClass::TimeoutConnect));
        drop(socket);
        let outcome = Connection::open(&target, Instant::now()).await.unwrap_err();
        assert_eq!(outcome, of_class(ErrorClass::ConnectRefused));
    }

    #[tokio::test]
    async fn an_idle_connection_that_ends_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::get(listener.local_addr().unwrap(), "there", "/", TIMEOUT);
        let (connection, accepted) = tokio::join!(Connection::open(&target, Instant::now()), listener.accept());
        let mut connection = connection.unwrap();
        drop(accepted.unwrap());
        poll_fn(|cx| connection.poll_spoilt(cx)).await;
    }
}
