//! One request through goose and its response, read to the last byte; a failure is classified.

use std::error::Error;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::connect_watch::ConnectWatch;
use super::step::StepResponse;
use crate::accounting::RequestOutcome;
use crate::client::failure::{Phase, failed, timed_out};
use crate::wire::ErrorClass;

/// The largest body that is kept for a step's rules, in bytes.
const LARGEST_KEPT: usize = 4 * 1024 * 1024;

/// The client of one user, without features that would distort a benchmark.
///
/// One kept-alive connection. Redirects are not followed; only requests that were never written are retried; no
/// compression, no cookies, no proxy from the environment. No certificate is trusted.
pub(super) fn client_builder(watch: &ConnectWatch) -> reqwest::ClientBuilder {
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

/// Sends a request and reads its response to the end.
///
/// `timeout` covers the whole request, from connecting to the body's last byte. `watch` is that of the sending client.
pub(super) async fn exchange(
    send: impl Future<Output = Result<reqwest::Response, Box<dyn Error + Send + Sync>>>,
    watch: &ConnectWatch,
    timeout: Duration,
) -> RequestOutcome {
    match receive(send, watch, timeout, |_| {}).await {
        Ok((response, body_bytes)) => RequestOutcome::from_status(response.status().as_u16(), body_bytes),
        Err(outcome) => outcome,
    }
}

/// As [`exchange`], but `evaluate` decides the outcome of a complete response. It sees the body if `wants_body`; a body
/// too large to keep is a failed check.
pub(super) async fn evaluated_exchange(
    send: impl Future<Output = Result<reqwest::Response, Box<dyn Error + Send + Sync>>>,
    watch: &ConnectWatch,
    timeout: Duration,
    wants_body: bool,
    evaluate: impl FnOnce(&StepResponse) -> Result<(), ErrorClass>,
) -> RequestOutcome {
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
    let response = StepResponse { status: response.status().as_u16(), headers: response.headers().clone(), body };
    match evaluate(&response) {
        Ok(()) if is_kept => RequestOutcome::Ok { body_bytes },
        Ok(()) => RequestOutcome::failed(ErrorClass::CheckFailed),
        Err(class) => RequestOutcome::failed(class),
    }
}

/// Sends a request and reads its response to the end, passing each chunk of the body to `on_chunk`; returns the head and
/// the length of the body, or the outcome of the failure.
async fn receive(
    send: impl Future<Output = Result<reqwest::Response, Box<dyn Error + Send + Sync>>>,
    watch: &ConnectWatch,
    timeout: Duration,
    mut on_chunk: impl FnMut(&[u8]),
) -> Result<(reqwest::Response, u64), RequestOutcome> {
    let deadline = Instant::now() + timeout;
    watch.request_begins();
    let mut response = match timeout_at(deadline, send).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(failed(error.as_ref(), phase_before_response(watch))),
        Err(_) => return Err(timed_out(phase_before_response(watch))),
    };
    let read_body = async {
        let mut body_bytes = 0;
        while let Some(chunk) = response.chunk().await? {
            body_bytes += chunk.len() as u64;
            on_chunk(&chunk);
        }
        Ok::<u64, reqwest::Error>(body_bytes)
    };
    match timeout_at(deadline, read_body).await {
        Ok(Ok(body_bytes)) => Ok((response, body_bytes)),
        Ok(Err(error)) => Err(failed(&error, Phase::ReadingBody)),
        Err(_) => Err(timed_out(Phase::ReadingBody)),
    }
}

fn phase_before_response(watch: &ConnectWatch) -> Phase {
    if watch.is_connecting() { Phase::Connecting } else { Phase::AwaitingResponse }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    async fn send_to(address: SocketAddr, timeout: Duration) -> RequestOutcome {
        let watch = ConnectWatch::default();
        let client = client_builder(&watch).build().unwrap();
        let send = async { client.get(format!("http://{address}/")).send().await.map_err(Into::into) };
        exchange(send, &watch, timeout).await
    }

    /// Sends a request to a server that reads one request head and then passes the connection to `respond`.
    async fn served<F>(timeout: Duration, respond: impl FnOnce(TcpStream) -> F) -> RequestOutcome
    where
        F: Future<Output = ()>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            respond(accept_request(&listener).await).await;
            // Only the client ends the test.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            outcome = send_to(address, timeout) => outcome,
            () = server => unreachable!(),
        }
    }

    /// A connection on which one request head has been read.
    async fn accept_request(listener: &TcpListener) -> TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream
    }

    async fn responded(bytes: &'static [u8]) -> RequestOutcome {
        served(TIMEOUT, |mut stream| async move { stream.write_all(bytes).await.unwrap() }).await
    }

    fn class(outcome: &RequestOutcome) -> ErrorClass {
        match outcome {
            RequestOutcome::Failed { class, .. } => *class,
            RequestOutcome::Ok { .. } => panic!("{outcome:?}"),
        }
    }

    /// Closes with a reset instead of a FIN.
    fn reset(stream: TcpStream) {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
    }

    #[tokio::test]
    async fn complete_responses() {
        let ok = responded(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPong!").await;
        assert_eq!(ok, RequestOutcome::Ok { body_bytes: 5 });
        let chunked = responded(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
        assert_eq!(chunked, RequestOutcome::Ok { body_bytes: 3 });
        let redirect = responded(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(redirect, RequestOutcome::Ok { body_bytes: 0 }, "not followed");
        let gzip = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(responded(gzip).await, RequestOutcome::Ok { body_bytes: 3 }, "not unpacked");
    }

    #[tokio::test]
    async fn error_statuses_are_failures() {
        let not_found = responded(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").await;
        assert_eq!(class(&not_found), ErrorClass::Status4xx);
        let error = responded(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(class(&error), ErrorClass::Status5xx);
    }

    #[tokio::test]
    async fn refused_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(class(&send_to(address, TIMEOUT).await), ErrorClass::ConnectRefused);
    }

    #[tokio::test]
    async fn resets() {
        let before = served(TIMEOUT, |stream| async move { reset(stream) }).await;
        assert_eq!(class(&before), ErrorClass::ResetBeforeFirstByte);
        // A reset discards what the client has not read yet, so the server waits until the client has the head.
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
            let mut stream = accept_request(&listener).await;
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
    async fn malformed_responses() {
        for garbage in [
            b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n".as_slice(),
            b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        ] {
            assert_eq!(class(&responded(garbage).await), ErrorClass::Protocol, "{}", String::from_utf8_lossy(garbage));
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
    async fn full_backlog_times_out_connecting() {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        // Without accept, a backlog of 0 holds one connection on Linux; later handshakes are not completed.
        let _held = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(class(&send_to(address, Duration::from_millis(50)).await), ErrorClass::TimeoutConnect);
    }
}
