//! One request and its answer, read to the last byte, with its failure told by class.

mod classify;
mod connect_watch;

use std::error::Error;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

pub(super) use classify::timed_out as class_of_timeout;
pub use connect_watch::ConnectWatch;

use crate::journey::Answer;
use crate::ledger::ErrorClass;
use crate::recorder::Outcome;

/// Bytes of a body that are kept for a step to look at.
const LARGEST_KEPT: usize = 4 * 1024 * 1024;

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No connection yet.
    Connecting,
    /// Sent, but the answer's head is not complete.
    AwaitingAnswer,
    /// Within the answer's body.
    ReadingBody,
}

/// The client of one user: as plain as a benchmark needs it.
///
/// One connection, kept alive. A redirect is an answer, not a reason to ask again; nothing is retried but what was
/// never written; no compression, no cookies, no proxy from the environment. Nobody's certificate is trusted.
pub fn client_builder(watch: &ConnectWatch) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("lab/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .no_gzip()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tls_certs_only([])
        .pool_max_idle_per_host(1)
        .connector_layer(watch.clone())
}

/// Waits for the answer of `send`, reads its body to the end, and says what the request came to.
///
/// `timeout` covers the whole request, from connecting to the body's last byte. `watch` belongs to the client that
/// sends.
pub async fn exchange(
    send: impl Future<Output = Result<reqwest::Response, Box<dyn Error + Send + Sync>>>,
    watch: &ConnectWatch,
    timeout: Duration,
) -> Outcome {
    match receive(send, watch, timeout, |_| {}).await {
        Ok((response, body_bytes)) => complete(response.status().as_u16(), body_bytes),
        Err(outcome) => outcome,
    }
}

/// As [`exchange`], but `judge` says what a complete answer comes to. Its body is kept if it `wants_body`; one that is
/// too large to be kept is a failed check.
pub async fn judged_exchange(
    send: impl Future<Output = Result<reqwest::Response, Box<dyn Error + Send + Sync>>>,
    watch: &ConnectWatch,
    timeout: Duration,
    wants_body: bool,
    judge: impl FnOnce(&Answer) -> Result<(), ErrorClass>,
) -> Outcome {
    let mut body = Vec::new();
    let received = receive(send, watch, timeout, |chunk| {
        if wants_body && body.len() <= LARGEST_KEPT {
            body.extend_from_slice(chunk);
        }
    });
    let (response, body_bytes) = match received.await {
        Ok(received) => received,
        Err(outcome) => return outcome,
    };
    let is_kept = body.len() <= LARGEST_KEPT;
    let answer = Answer { status: response.status().as_u16(), headers: response.headers().clone(), body };
    match judge(&answer) {
        Ok(()) if is_kept => Outcome::Ok { body_bytes },
        Ok(()) => Outcome::Failed { class: ErrorClass::CheckFailed, detail: None },
        Err(class) => Outcome::Failed { class, detail: None },
    }
}

/// Waits for an answer and reads its body to the end, which `look_at` is shown in pieces; returns its head and the
/// body's bytes, or what the request came to instead.
async fn receive(
    send: impl Future<Output = Result<reqwest::Response, Box<dyn Error + Send + Sync>>>,
    watch: &ConnectWatch,
    timeout: Duration,
    mut look_at: impl FnMut(&[u8]),
) -> Result<(reqwest::Response, u64), Outcome> {
    let deadline = Instant::now() + timeout;
    watch.request_begins();
    let mut response = match timeout_at(deadline, send).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(failed(error.as_ref(), before_answer(watch))),
        Err(_) => return Err(timed_out(before_answer(watch))),
    };
    let read_body = async {
        let mut body_bytes = 0;
        while let Some(chunk) = response.chunk().await? {
            body_bytes += chunk.len() as u64;
            look_at(&chunk);
        }
        Ok::<u64, reqwest::Error>(body_bytes)
    };
    match timeout_at(deadline, read_body).await {
        Ok(Ok(body_bytes)) => Ok((response, body_bytes)),
        Ok(Err(error)) => Err(failed(&error, Phase::ReadingBody)),
        Err(_) => Err(timed_out(Phase::ReadingBody)),
    }
}

fn before_answer(watch: &ConnectWatch) -> Phase {
    if watch.is_connecting() { Phase::Connecting } else { Phase::AwaitingAnswer }
}

fn complete(status: u16, body_bytes: u64) -> Outcome {
    match class_of_status(status) {
        None => Outcome::Ok { body_bytes },
        Some(class) => Outcome::Failed { class, detail: None },
    }
}

fn timed_out(phase: Phase) -> Outcome {
    Outcome::Failed { class: class_of_timeout(phase), detail: None }
}

/// The class of a complete answer with this status; `None` if it is a good one.
pub(super) fn class_of_status(status: u16) -> Option<ErrorClass> {
    match status {
        200..=399 => None,
        400..=499 => Some(ErrorClass::Status4xx),
        500..=599 => Some(ErrorClass::Status5xx),
        _ => Some(ErrorClass::Protocol),
    }
}

/// A failure in `phase`, told by class, and in words where no class says it.
pub(super) fn failed(error: &(dyn Error + 'static), phase: Phase) -> Outcome {
    let class = classify::error(error, phase);
    let says_too_little =
        matches!(class, ErrorClass::ClientOther | ErrorClass::TlsHandshake | ErrorClass::TlsCertificate);
    Outcome::Failed { class, detail: says_too_little.then(|| classify::describe(error)) }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    async fn ask(address: SocketAddr, timeout: Duration) -> Outcome {
        let watch = ConnectWatch::default();
        let client = client_builder(&watch).build().unwrap();
        let send = async { client.get(format!("http://{address}/")).send().await.map_err(Into::into) };
        exchange(send, &watch, timeout).await
    }

    /// Asks a server that reads one request head and then does `answer` with the connection.
    async fn served<F>(timeout: Duration, answer: impl FnOnce(TcpStream) -> F) -> Outcome
    where
        F: Future<Output = ()>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            answer(asked(&listener).await).await;
            // The client alone ends the test.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            outcome = ask(address, timeout) => outcome,
            () = server => unreachable!(),
        }
    }

    /// A connection on which one request head has been read.
    async fn asked(listener: &TcpListener) -> TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream
    }

    async fn answered(bytes: &'static [u8]) -> Outcome {
        served(TIMEOUT, |mut stream| async move { stream.write_all(bytes).await.unwrap() }).await
    }

    fn class(outcome: &Outcome) -> ErrorClass {
        match outcome {
            Outcome::Failed { class, .. } => *class,
            Outcome::Ok { .. } => panic!("{outcome:?}"),
        }
    }

    /// Closes with a reset instead of an end.
    fn reset(stream: TcpStream) {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
    }

    #[tokio::test]
    async fn complete_answers() {
        let ok = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPong!").await;
        assert_eq!(ok, Outcome::Ok { body_bytes: 5 });
        let chunked = answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
        assert_eq!(chunked, Outcome::Ok { body_bytes: 3 });
        let redirect = answered(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(redirect, Outcome::Ok { body_bytes: 0 }, "not followed");
        let gzip = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(answered(gzip).await, Outcome::Ok { body_bytes: 3 }, "not unpacked");
    }

    #[tokio::test]
    async fn complete_answers_that_are_errors() {
        let not_found = answered(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").await;
        assert_eq!(class(&not_found), ErrorClass::Status4xx);
        let error = answered(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(class(&error), ErrorClass::Status5xx);
    }

    #[tokio::test]
    async fn nobody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(class(&ask(address, TIMEOUT).await), ErrorClass::ConnectRefused);
    }

    #[tokio::test]
    async fn resets() {
        let before = served(TIMEOUT, |stream| async move { reset(stream) }).await;
        assert_eq!(class(&before), ErrorClass::ResetBeforeFirstByte);
        // A reset throws away what the client has not read yet, so the server waits until it has the head.
        let (head_read, wait) = tokio::sync::oneshot::channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let watch = ConnectWatch::default();
        let client = client_builder(&watch).build().unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let send = async {
            let response = client.get(url).send().await?;
            head_read.send(()).unwrap();
            Ok(response)
        };
        let server = async {
            let mut stream = asked(&listener).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await.unwrap();
            wait.await.unwrap();
            reset(stream);
        };
        let (outcome, ()) = tokio::join!(exchange(send, &watch, TIMEOUT), server);
        assert_eq!(class(&outcome), ErrorClass::ResetMidBody);
    }

    #[tokio::test]
    async fn connections_closed_too_early() {
        let without_answer = served(TIMEOUT, |stream| async move { drop(stream) }).await;
        assert_eq!(class(&without_answer), ErrorClass::PrematureEof);
        for cut in [
            b"HTTP/1.1 200 OK\r\nContent-Le".as_slice(),
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            let outcome = served(TIMEOUT, |mut stream| async move { stream.write_all(cut).await.unwrap() }).await;
            assert_eq!(class(&outcome), ErrorClass::PrematureEof, "{}", String::from_utf8_lossy(cut));
        }
    }

    #[tokio::test]
    async fn answers_that_are_not_http() {
        for garbage in [
            b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n".as_slice(),
            b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        ] {
            assert_eq!(class(&answered(garbage).await), ErrorClass::Protocol, "{}", String::from_utf8_lossy(garbage));
        }
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
        assert_eq!(class(&held(b"").await), ErrorClass::TimeoutFirstByte);
        assert_eq!(class(&held(b"HTTP/1.1 200 OK\r\n").await), ErrorClass::TimeoutFirstByte);
        let body = held(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await;
        assert_eq!(class(&body), ErrorClass::TimeoutBody);
    }

    #[tokio::test]
    async fn a_full_backlog_is_a_timeout_while_connecting() {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        // Nobody accepts: a backlog of 0 holds one connection on Linux, the handshakes after it are not answered.
        let _held = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(class(&ask(address, Duration::from_millis(50)).await), ErrorClass::TimeoutConnect);
    }
}
