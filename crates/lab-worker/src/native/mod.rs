//! Serves a native application: a tower service, called on the worker's own thread.

pub mod observer;
mod request;

use std::any::Any;
use std::fmt::Display;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use lab_http::h1::encode::LengthError;
use lab_http::h1::outgoing::WriteError;
use lab_http::{BodyDecoder, BodyEncoder};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use self::observer::{CompletedRequest, NoObserver, Observer};
use crate::admission::admit;
use crate::connection::{Connection, ConnectionEnd};
use crate::gateway::Gateway;
use crate::request_body::RequestBody;
use crate::response::{self, RequestMeta};
use lab_http::message::extensions::{OverTls, RawHead};
use lab_net::deadline::{now_or_pending, within};

/// Serves requests with a tower service, and reports each to an observer. The extensions of a request hold its head
/// exactly as it arrived.
#[derive(Debug, Clone)]
pub struct ServiceGateway<S, O = NoObserver>(pub S, pub O);

impl<IO, S, O, B> Gateway<IO> for ServiceGateway<S, O>
where
    O: Observer,
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Display,
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    async fn exchange(&mut self, connection: &mut Connection<IO>, arrived: RawHead) -> Result<(), ConnectionEnd> {
        connection.exchange(arrived, &mut self.0, &self.1).await
    }
}

/// Bytes of a response that are written under one send timeout.
const WRITE_SIZE: usize = 256 * 1024;

/// Why a response could not be completed.
#[derive(Debug, thiserror::Error)]
enum ResponseBodyError {
    #[error("the app failed within its response: {0}")]
    App(String),
    #[error("the app's response does not fit its Content-Length: {0}")]
    Length(#[from] LengthError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the client did not read its response in time")]
    SendTimeout,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<IO> {
    /// Serves one request. An error ends the connection.
    async fn exchange<S, O, B>(&mut self, arrived: RawHead, service: &mut S, observer: &O) -> Result<(), ConnectionEnd>
    where
        O: Observer,
        S: Service<Request<RequestBody>, Response = Response<B>>,
        S::Error: Display,
        B: Body<Data = Bytes>,
        B::Error: Display,
    {
        let info = self.client_info();
        let meta = RequestMeta { is_head: arrived.head().method() == b"HEAD", version: arrived.head().version };
        let valid = match admit(arrived.head(), &self.config.limits) {
            Ok(valid) => valid,
            Err(refusal) => return Err(self.refuse(meta.is_head, refusal).await),
        };
        let body = if valid.body.is_empty() {
            RequestBody::empty()
        } else {
            let body = BodyDecoder::new(valid.body, &self.config.limits);
            self.outgoing.io_mut().lend(body, valid.expects_continue, self.config.body_timeout)
        };
        let mut request = match request::build(&arrived, &valid.target, info, body) {
            Ok(request) => request,
            Err(refusal) => return Err(self.refuse(meta.is_head, refusal).await),
        };
        if self.config.is_tls() {
            request.extensions_mut().insert(OverTls);
        }
        let began = Instant::now();
        let report = |status, headers: &HeaderMap, sent_bytes| {
            let duration = began.elapsed();
            let arrived = &arrived;
            observer.on_complete(&CompletedRequest { arrived, info: &info, status, headers, sent_bytes, duration });
        };
        let response = call(service, request, observer, &arrived).await.and_then(|response| {
            let framing = response::choose_http_framing(
                meta,
                response.status(),
                response.headers(),
                &response.body().size_hint(),
            );
            framing.map(|framing| (response, framing)).map_err(|error| error.to_string())
        });
        let (response, framing) = match response {
            Ok(response) => response,
            Err(error) => {
                tracing::error!("{} {}: {error}", arrived.method(), arrived.target());
                let end = self.send_body_or_server_error(meta.is_head).await;
                report(StatusCode::INTERNAL_SERVER_ERROR, &HeaderMap::new(), 0);
                return Err(end);
            }
        };
        let (parts, body) = response.into_parts();
        // A response of known size is complete, so its application will not read more of the body, and what is left must
        // be short enough to drain. A stream may still read the body to its end.
        let is_drainable = match body.size_hint().exact() {
            Some(_) => self.outgoing.io_mut().is_drainable(self.config.drain_bytes),
            None => self.outgoing.io_mut().is_drainable(u64::MAX),
        };
        let mut encoder = BodyEncoder::new(framing.body);
        let keep_alive = valid.persistent && is_drainable && !encoder.ends_connection() && self.may_keep_alive();
        response::write_head(self.outgoing.buffer(), meta, keep_alive, parts.status, &parts.headers, framing);
        let mut sent_bytes = 0;
        let written = self.write_body(&mut encoder, body, &mut sent_bytes, (observer, &arrived)).await;
        report(parts.status, &parts.headers, sent_bytes);
        let is_complete = match written {
            Ok(()) => true,
            Err(ResponseBodyError::Length(LengthError::TooLong)) => {
                let (method, target) = (arrived.method(), arrived.target());
                tracing::error!("{method} {target}: the response is longer than its Content-Length, and was cut");
                true
            }
            Err(ResponseBodyError::Io(_) | ResponseBodyError::SendTimeout) => return Err(ConnectionEnd::Close),
            Err(error) => {
                tracing::error!("{} {}: {error}", arrived.method(), arrived.target());
                false
            }
        };
        self.prepare_for_next(keep_alive && is_complete).await
    }

    /// Writes the body of a response, and flushes whenever the application has no more content ready.
    async fn write_body<B, O>(
        &mut self,
        encoder: &mut BodyEncoder,
        body: B,
        sent_bytes: &mut u64,
        (observer, arrived): (&O, &RawHead),
    ) -> Result<(), ResponseBodyError>
    where
        O: Observer,
        B: Body<Data = Bytes>,
        B::Error: Display,
    {
        let send_timeout = self.config.send_timeout;
        let mut body = pin!(body);
        // Where a body is not allowed, the application's is not polled: it may be endless.
        while encoder.length() != lab_http::BodyLength::None && !body.is_end_stream() {
            let mut next = poll_fn(|cx| {
                observer.on_enter(arrived);
                let frame = body.as_mut().poll_frame(cx);
                observer.on_leave();
                frame
            });
            let frame = match now_or_pending(&mut next).await {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    within(send_timeout, self.outgoing.flush()).await.map_err(|_| ResponseBodyError::SendTimeout)??;
                    next.await
                }
            };
            let content = match frame {
                None => break,
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    within(send_timeout, self.outgoing.flush()).await.map_err(|_| ResponseBodyError::SendTimeout)??;
                    return Err(ResponseBodyError::App(error.to_string()));
                }
            };
            self.write_content(encoder, &content).await?;
            *sent_bytes += content.len() as u64;
        }
        let ended = within(send_timeout, self.outgoing.finish_body(encoder, None))
            .await
            .map_err(|_| ResponseBodyError::SendTimeout)?;
        if let Err(WriteError::Length(error)) = ended {
            within(send_timeout, self.outgoing.flush()).await.map_err(|_| ResponseBodyError::SendTimeout)??;
            return Err(error.into());
        }
        Ok(ended?)
    }

    /// Writes one piece of content. Content beyond the Content-Length is cut off, so the client still gets a complete
    /// response.
    async fn write_content(&mut self, encoder: &mut BodyEncoder, content: &[u8]) -> Result<(), ResponseBodyError> {
        let room = encoder.remaining().map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX));
        let (fitting, excess) = content.split_at(room.min(content.len()));
        // In blocks, because the timeout is for one write and not for all of a large response.
        for block in fitting.chunks(WRITE_SIZE) {
            let sent = within(self.config.send_timeout, self.outgoing.write_piece(encoder, block)).await;
            sent.map_err(|_| ResponseBodyError::SendTimeout)??;
        }
        if excess.is_empty() {
            return Ok(());
        }
        within(self.config.send_timeout, self.outgoing.flush()).await.map_err(|_| ResponseBodyError::SendTimeout)??;
        Err(LengthError::TooLong.into())
    }

    /// Makes the connection ready for the next request by discarding the body that the application did not read.
    async fn prepare_for_next(&mut self, keep_alive: bool) -> Result<(), ConnectionEnd> {
        let unread = self.outgoing.io_mut().reclaim();
        let config = Rc::clone(&self.config);
        let incoming = self.outgoing.io_mut().incoming().ok_or(ConnectionEnd::Close)?;
        let is_all_read = unread.as_ref().is_none_or(|unread| unread.decoder.is_finished());
        if !keep_alive {
            let has_nothing_unread = is_all_read && incoming.buffered().is_empty();
            return Err(if has_nothing_unread { ConnectionEnd::Close } else { ConnectionEnd::Linger });
        }
        let Some(mut unread) = unread.filter(|_| !is_all_read) else { return Ok(()) };
        if !unread.is_readable {
            return Err(ConnectionEnd::Linger);
        }
        match within(config.body_timeout, incoming.drain(&mut unread.decoder, config.drain_bytes)).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(ConnectionEnd::Linger),
        }
    }
}

impl From<WriteError> for ResponseBodyError {
    fn from(error: WriteError) -> ResponseBodyError {
        match error {
            WriteError::Length(error) => ResponseBodyError::Length(error),
            WriteError::Io(error) => ResponseBodyError::Io(error),
        }
    }
}

/// Calls the application on this thread. A panic becomes an error, and the worker continues.
async fn call<S, O, B>(
    service: &mut S,
    request: Request<RequestBody>,
    observer: &O,
    arrived: &RawHead,
) -> Result<Response<B>, String>
where
    O: Observer,
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Display,
{
    let failed = |error: S::Error| format!("the app failed: {error}");
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(failed)?;
    observer.on_enter(arrived);
    let future = catch_unwind(AssertUnwindSafe(|| service.call(request)));
    observer.on_leave();
    let mut future = pin!(future.map_err(panic_message)?);
    poll_fn(|cx| {
        observer.on_enter(arrived);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        observer.on_leave();
        match polled {
            Ok(poll) => poll.map(|response| response.map_err(failed)),
            Err(panic) => std::task::Poll::Ready(Err(panic_message(panic))),
        }
    })
    .await
}

#[expect(clippy::needless_pass_by_value, reason = "passed to map_err, which gives the panic by value")]
fn panic_message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the app panicked: {}", text.unwrap_or("with a value that is not a string"))
}
