//! A check's request over HTTP/2 (RFC 9113), on a connection of its own.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Method, Request, Uri};
use lab_net::Stream;
use lab_net::tls::HTTP_2;

use super::probe_error::ProbeError;
use super::raw_response::{RawResponse, Repetition};

/// More than any check receives, so that no response waits for the window.
const WINDOW: u32 = (1 << 31) - 1;

/// A composed request, whose placeholders are filled in.
pub(super) struct Message<'r> {
    pub(super) method: &'r str,
    pub(super) target: &'r str,
    /// In order. `Host` becomes `:authority`.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Sends a request repeatedly, each time after the response to the one before. Returns the responses.
pub(super) async fn exchange(
    stream: Stream,
    message: &Message<'_>,
    repetition: Repetition,
) -> Result<Vec<RawResponse>, ProbeError> {
    let Repetition { times, pause } = repetition;
    let session = stream.session();
    let scheme = if session.is_some() { "https" } else { "http" };
    if let Some(session) = session
        && session.alpn_protocol().as_deref() != Some(HTTP_2)
    {
        return Err(ProbeError::NoHttp2);
    }
    let head = head(message, scheme).map_err(|error| ProbeError::NotForHttp2(error.to_string()))?;
    let mut builder = Builder::new();
    builder.enable_push(false).initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let (sender, connection) = builder.handshake(stream).await.map_err(failure)?;
    let exchange = async {
        let (mut answered, mut responses) = (0, Vec::new());
        loop {
            let not_kept = |cause: String| ProbeError::NotKept { answered, times, cause };
            // A failure of the first request says nothing about persistence.
            let response = send(&sender, &head, &message.body).await.map_err(|error| match answered {
                0 => error,
                _ => not_kept(error.to_string()),
            })?;
            if answered + 1 == times {
                responses.push(response);
                return Ok(responses);
            }
            if let Some(error) = response.framing_error {
                return Err(not_kept(format!("after {} bytes of body: {error}", response.body.len())));
            }
            responses.push(response);
            answered += 1;
            tokio::time::sleep(pause).await;
        }
    };
    // The streams receive the error that ends the connection.
    let driving = async {
        let _ = connection.await;
        pending::<Infallible>().await
    };
    let (exchange, driving) = (pin!(exchange), pin!(driving));
    tokio::select! {
        biased;
        responses = exchange => responses,
        never = driving => match never {},
    }
}

/// The head of a request. The error says what HTTP/2 cannot send.
fn head(message: &Message<'_>, scheme: &str) -> Result<Request<()>, http::Error> {
    let is_host = |name: &str| name.eq_ignore_ascii_case("host");
    let authority = message.fields.iter().find(|(name, _)| is_host(name)).map_or("", |(_, value)| value);
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(message.target).build()?;
    let mut head = Request::builder().method(Method::from_bytes(message.method.as_bytes())?).uri(uri);
    for (name, value) in message.fields.iter().filter(|(name, _)| !is_host(name)) {
        head = head.header(name, value);
    }
    head.body(())
}

async fn send(sender: &SendRequest<Bytes>, head: &Request<()>, body: &[u8]) -> Result<RawResponse, ProbeError> {
    let sent = Instant::now();
    let mut ready = sender.clone().ready().await.map_err(failure)?;
    let (response, mut stream) = ready.send_request(head.clone(), body.is_empty()).map_err(failure)?;
    if !body.is_empty() {
        // The server's window may be smaller than the body; `h2` holds the rest back.
        let _ = stream.send_data(Bytes::copy_from_slice(body), true);
    }
    let (parts, mut receiver) = response.await.map_err(failure)?.into_parts();
    let mut content = Vec::new();
    let framing_error = loop {
        match receiver.data().await {
            Some(Ok(piece)) => {
                content.extend_from_slice(&piece);
                let _ = receiver.flow_control().release_capacity(piece.len());
            }
            Some(Err(error)) => break Some(error.to_string()),
            None => break None,
        }
    };
    Ok(RawResponse {
        status: parts.status.as_u16(),
        reason: Vec::new(),
        fields: fields(&parts.headers),
        body: content,
        framing_error,
        sent,
        ended: Instant::now(),
    })
}

fn fields(map: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    map.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into())).collect()
}

fn failure(error: h2::Error) -> ProbeError {
    match error.is_io() {
        // The kernel's own error says more.
        true => ProbeError::Broken(error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())),
        false => ProbeError::Http2(error),
    }
}
