//! One request on a stream: the gateway serves it on an inner connection, and its body and response pass between that and
//! the frames.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use lab_http::h1::framing::{request_body, response_body};
use lab_http::http2::{self, Reason, RequestHalf, ResponseHalf, Traffic, fields};
use lab_http::message::extensions::RawHead;
use lab_http::{BodyDecoder, BodyEncoder, BodyLength, Incoming, Limits, Outgoing, Refusal, RequestHead};
use lab_net::deadline::{TimedOut, now_or_pending, within};
use lab_net::{OwnedReadHalf, OwnedWriteHalf, Stream};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::client_context::ClientContext;
use super::inner_connection::{FramesEnd, InnerConnection};
use crate::gateway::Gateway;

/// How much of a body is copied at a time.
const BLOCK: usize = 16 * 1024;

/// Why a request ended before its response was complete.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error("the client is gone: {0}")]
    Client(#[from] io::Error),
    /// The gateway has ended the inner connection, as it does if the application fails within its response.
    #[error("the response is incomplete")]
    Incomplete,
}

/// What a request's body and response need to know of its head.
#[derive(Debug, Clone, Copy)]
struct RelayedRequest {
    is_head: bool,
    body: BodyLength,
    /// Whether frames with content may follow the head.
    has_content: bool,
    expects_continue: bool,
}

/// Serves one request. Returns whether the client did not wait for its response.
pub(super) async fn serve<G: Gateway<Stream> + Clone>(
    client: Rc<ClientContext<G>>,
    traffic: Rc<Traffic>,
    request: Request<RecvStream>,
    response: SendResponse<Bytes>,
) -> bool {
    let (parts, receiver) = request.into_parts();
    traffic.count_content(fields::size(&parts.headers));
    let has_content = !receiver.is_end_stream();
    let has_unannounced_body = has_content && !parts.headers.contains_key(CONTENT_LENGTH);
    let (mut request, mut response) = http2::halves(receiver, response, has_unannounced_body, &traffic);
    // A request that waits has no inner connection, and ends when its client cancels it.
    let _permit = tokio::select! {
        biased;
        permit = client.streams.acquire() => permit,
        () = poll_fn(|cx| response.poll_cancelled(cx)) => return true,
    };
    let inner = match client.take_inner() {
        Ok(inner) => inner,
        Err(error) => {
            tracing::error!("{}: cannot serve a request: {error}", client.info);
            response.reset(Reason::REFUSED_STREAM);
            return false;
        }
    };
    let InnerConnection { mut gateway, mut connection, mut frames_end } = inner;
    let head = request_head(&parts, &client.config.limits, has_unannounced_body);
    let body = head.as_ref().ok().and_then(|head| request_body(head).ok());
    let meta = RelayedRequest {
        is_head: parts.method == Method::HEAD,
        body: body.unwrap_or(BodyLength::None),
        has_content,
        expects_continue: has_content && parts.headers.contains_key(EXPECT),
    };
    drop(parts);
    let exchange = async move {
        let served = match head {
            Ok(head) => gateway.exchange(&mut connection, RawHead::from(head)).await,
            Err(refusal) => Err(connection.refuse(meta.is_head, refusal).await),
        };
        // Without another request, the socket is closed here.
        served.ok().map(|()| (gateway, connection))
    };
    let send_timeout = client.config.send_timeout;
    let relay = async move {
        let relayed = relay(&mut request, &mut response, &mut frames_end, meta, send_timeout).await;
        match relayed {
            Ok(is_body_passed) => (Some(frames_end).filter(|_| is_body_passed), response.is_cancelled()),
            Err(StreamError::Incomplete) => {
                response.reset(Reason::INTERNAL_ERROR);
                (None, false)
            }
            Err(StreamError::Client(error)) => {
                tracing::debug!("the client is gone: {error}");
                response.reset(Reason::CANCEL);
                (None, true)
            }
        }
    };
    let (kept, (frames_end, is_cancelled)) = tokio::join!(exchange, relay);
    if let (Some((gateway, connection)), Some(frames_end)) = (kept, frames_end) {
        client.give_back(InnerConnection { gateway, connection, frames_end });
    }
    is_cancelled
}

/// The head of a request. A body without an announced length passes the inner connection in chunks.
fn request_head(parts: &Parts, limits: &Limits, has_unannounced_body: bool) -> Result<RequestHead, Refusal> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let line = format!("{} {target} HTTP/2.0", parts.method);
    if line.len() > limits.start_line {
        return Err(Refusal::StartLineTooLong);
    }
    // The line of a field has a colon and a space as well.
    let mut head = fields::request_head(parts, limits.field.saturating_sub(2))?;
    if head.headers.len() > limits.fields {
        return Err(Refusal::TooManyFields);
    }
    if has_unannounced_body {
        head.headers.push("transfer-encoding", "chunked");
    }
    Ok(head)
}

/// Passes the request's body to the gateway and the response to the client. Returns whether the whole body was passed.
async fn relay(
    request: &mut RequestHalf,
    response: &mut ResponseHalf,
    frames_end: &mut FramesEnd,
    meta: RelayedRequest,
    send_timeout: Duration,
) -> Result<bool, StreamError> {
    let FramesEnd { incoming, outgoing } = frames_end;
    if meta.expects_continue {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::CONTINUE;
        response.send_informational(head)?;
    }
    let is_passed = Cell::new(false);
    tokio::select! {
        biased;
        passed = pass_response(response, incoming, meta.is_head, send_timeout) => passed.map(|()| is_passed.get()),
        error = pass_body(request, outgoing, meta, &is_passed) => Err(error.into()),
    }
}

/// Passes the body of a request on, and then waits until the client cancels it.
async fn pass_body(
    request: &mut RequestHalf,
    outgoing: &mut Outgoing<OwnedWriteHalf>,
    meta: RelayedRequest,
    is_passed: &Cell<bool>,
) -> io::Error {
    let mut encoder = BodyEncoder::new(meta.body);
    let mut block = vec![0; if meta.has_content { BLOCK } else { 1 }];
    while encoder.remaining() != Some(0) {
        match read(request, &mut block).await {
            Ok(0) => break,
            Ok(length) => {
                if outgoing.write_piece(&mut encoder, &block[..length]).await.is_err()
                    || outgoing.flush().await.is_err()
                {
                    break;
                }
            }
            Err(error) => return error,
        }
    }
    is_passed.set(outgoing.finish_body(&mut encoder, None).await.is_ok());
    // What the gateway does not want is discarded, so that the client gets to read its response.
    loop {
        if let Err(error) = read(request, &mut block).await {
            return error;
        }
    }
}

async fn read(request: &mut RequestHalf, into: &mut [u8]) -> io::Result<usize> {
    let mut into = ReadBuf::new(into);
    poll_fn(|cx| Pin::new(&mut *request).poll_read(cx, &mut into)).await?;
    Ok(into.filled().len())
}

/// Passes a response on: its head, and the part of its body that has arrived already.
async fn pass_response(
    response: &mut ResponseHalf,
    incoming: &mut Incoming<OwnedReadHalf>,
    is_head: bool,
    send_timeout: Duration,
) -> Result<(), StreamError> {
    let head = loop {
        let head = incoming.read_response_head().await.ok().flatten().ok_or(StreamError::Incomplete)?;
        let converted = fields::response_head(head.status, [], &head.headers);
        if !head.is_interim() {
            response.set_head(converted);
            break head;
        }
        response.send_informational(converted)?;
    };
    let method: &[u8] = if is_head { b"HEAD" } else { b"GET" };
    let length = response_body(method, &head).map_err(|_| StreamError::Incomplete)?;
    let mut body = BodyDecoder::new(length, &Limits::default());
    // What has arrived leaves together: clients may refuse many small frames.
    let mut collected = Vec::new();
    loop {
        let piece = match now_or_pending(incoming.read_body_piece(&mut body)).await {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                write(response, &mut collected, send_timeout).await?;
                poll_fn(|cx| Pin::new(&mut *response).poll_flush(cx)).await?;
                incoming.read_body_piece(&mut body).await
            }
        };
        let Some(content) = piece.map_err(|_| StreamError::Incomplete)? else { break };
        collected.extend_from_slice(content);
        if collected.len() >= BLOCK {
            write(response, &mut collected, send_timeout).await?;
        }
    }
    write(response, &mut collected, send_timeout).await?;
    response.finish(body.trailers().filter(|trailers| !trailers.is_empty()).map(fields::trailers));
    Ok(poll_fn(|cx| Pin::new(&mut *response).poll_flush(cx)).await?)
}

/// Writes the content as fast as the windows of the client allow, and empties it.
async fn write(response: &mut ResponseHalf, content: &mut Vec<u8>, limit: Duration) -> io::Result<()> {
    let mut rest = content.as_slice();
    while !rest.is_empty() {
        let writing = poll_fn(|cx| Pin::new(&mut *response).poll_write(cx, rest));
        let written = within(limit, writing).await.map_err(|TimedOut| io::Error::from(io::ErrorKind::TimedOut))?;
        rest = &rest[written?..];
    }
    content.clear();
    Ok(())
}
