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

/// Sends a request and reads its response to the end, passing each chunk of the body to `on_chunk`; returns the head
/// and the length of the body, or the outcome of the failure.
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

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::client::failing_server::{
        Ending, FAILING_RESPONSES, FullBacklog, SHORT_TIMEOUT, TIMEOUT, accept_request, reset, respond,
    };

    async fn send_to(address: SocketAddr, timeout: Duration) -> RequestOutcome {
        let watch = ConnectWatch::default();
        let client = client_builder(&watch).build().unwrap();
        let send = async { client.get(format!("http://{address}/")).send().await.map_err(Into::into) };
        exchange(send, &watch, timeout).await
    }

    #[tokio::test]
    async fn complete_responses() {
        for (bytes, body_bytes) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPong!", 5),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 3),
            // A redirect is not followed.
            ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 0),
            // A compressed body is not decompressed.
            ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 3),
        ] {
            let outcome = respond(bytes, Ending::Hold, |address| send_to(address, TIMEOUT)).await;
            assert_eq!(outcome, RequestOutcome::Ok { body_bytes }, "{bytes}");
        }
    }

    #[tokio::test]
    async fn failures_by_class() {
        for response in FAILING_RESPONSES {
            let send = |address| send_to(address, response.timeout());
            let outcome = respond(response.bytes, response.ending, send).await;
            assert_eq!(outcome, RequestOutcome::failed(response.class), "{response:?}");
        }
    }

    #[tokio::test]
    async fn failures_while_connecting() {
        let backlog = FullBacklog::new();
        let address = backlog.address;
        let outcome = send_to(address, SHORT_TIMEOUT).await;
        assert_eq!(outcome, RequestOutcome::failed(ErrorClass::TimeoutConnect));
        drop(backlog);
        assert_eq!(send_to(address, TIMEOUT).await, RequestOutcome::failed(ErrorClass::ConnectRefused));
    }

    #[tokio::test]
    async fn reset_within_a_body() {
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
            let (mut stream, _) = accept_request(&listener).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await.unwrap();
            wait.await.unwrap();
            reset(stream);
        };
        let (outcome, ()) = tokio::join!(exchange(send, &watch, TIMEOUT), server);
        assert_eq!(outcome, RequestOutcome::failed(ErrorClass::ResetMidBody));
    }
}
