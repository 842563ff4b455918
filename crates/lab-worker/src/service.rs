//! The native gateway: the app is a tower service, called in place.

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
use lab_http::connection::judge_request;
use lab_http::outgoing::WriteError;
use lab_http::{BodyDecoder, BodyEncoder};
use lab_net::deadline::{now_or_pending, within};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use crate::connection::{Connection, Ending, Gateway};
use crate::observer::{Answered, Nobody, Observer};
use crate::request;
use crate::request_body::RequestBody;
use crate::response::{self, Asked};
use lab_http::extensions::{ArrivedHead, OverTls};

/// Answers requests with a tower service, while an observer looks on. What arrived is in the extensions of the request,
/// to the byte.
#[derive(Debug, Clone)]
pub struct ServiceGateway<S, O = Nobody>(pub S, pub O);

impl<IO, S, O, B> Gateway<IO> for ServiceGateway<S, O>
where
    O: Observer,
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Display,
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    async fn exchange(&mut self, connection: &mut Connection<IO>, arrived: ArrivedHead) -> Result<(), Ending> {
        connection.exchange(arrived, &mut self.0, &self.1).await
    }
}

/// Bytes of a response that are written under one timeout.
const WRITTEN_AT_ONCE: usize = 256 * 1024;

/// Why an answer could not be completed.
#[derive(Debug, thiserror::Error)]
enum AnswerError {
    #[error("the app failed within its response: {0}")]
    App(String),
    #[error("the app's response does not fit its Content-Length: {0}")]
    Length(#[from] lab_http::encode::LengthError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the client did not read its response in time")]
    Slow,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<IO> {
    /// Answers one request; an error ends the connection.
    async fn exchange<S, O, B>(&mut self, arrived: ArrivedHead, service: &mut S, observer: &O) -> Result<(), Ending>
    where
        O: Observer,
        S: Service<Request<RequestBody>, Response = Response<B>>,
        S::Error: Display,
        B: Body<Data = Bytes>,
        B::Error: Display,
    {
        let info = self.client();
        let asked = Asked { head: arrived.head().method() == b"HEAD", version: arrived.head().version };
        let judged = match judge_request(arrived.head()) {
            Ok(judged) => judged,
            Err(refusal) => return Err(self.refuse(asked.head, refusal).await),
        };
        let body = if judged.body.is_empty() {
            RequestBody::empty()
        } else {
            let body = BodyDecoder::new(judged.body, &self.settings.limits);
            self.wire.io_mut().lend(body, judged.expects_continue, self.settings.body_timeout)
        };
        let mut request = match request::build(&arrived, &judged.target, info, body) {
            Ok(request) => request,
            Err(refusal) => return Err(self.refuse(asked.head, refusal).await),
        };
        if self.settings.is_tls {
            request.extensions_mut().insert(OverTls);
        }
        let began = Instant::now();
        let answered = |status, headers: &HeaderMap, sent_bytes| {
            let took = began.elapsed();
            observer.answered(&Answered { arrived: &arrived, info: &info, status, headers, sent_bytes, took });
        };
        let response = call(service, request, observer, &arrived).await.and_then(|response| {
            let framing = response::frame(asked, response.status(), response.headers(), &response.body().size_hint());
            framing.map(|framing| (response, framing)).map_err(|error| error.to_string())
        });
        let (response, framing) = match response {
            Ok(response) => response,
            Err(error) => {
                tracing::error!("{} {}: {error}", arrived.method(), arrived.target());
                let ending = self.apologise(asked.head).await;
                answered(StatusCode::INTERNAL_SERVER_ERROR, &HeaderMap::new(), 0);
                return Err(ending);
            }
        };
        let (parts, body) = response.into_parts();
        // A response of known size is complete: its app will not read on in a body that is too long to drain.
        let is_drainable = match body.size_hint().exact() {
            Some(_) => self.wire.io_mut().is_drainable(self.settings.drain_bytes),
            None => self.wire.io_mut().is_drainable(u64::MAX),
        };
        let mut encoder = BodyEncoder::new(framing.body);
        let persistent = judged.persistent && is_drainable && !encoder.ends_connection() && self.may_persist();
        response::head(self.wire.buffer(), asked, persistent, parts.status, &parts.headers, framing);
        let mut sent_bytes = 0;
        let answer = self.answer(&mut encoder, body, &mut sent_bytes, (observer, &arrived)).await;
        answered(parts.status, &parts.headers, sent_bytes);
        let is_answered = match answer {
            Ok(()) => true,
            Err(AnswerError::Io(_) | AnswerError::Slow) => return Err(Ending::Close),
            Err(error) => {
                tracing::error!("{} {}: {error}", arrived.method(), arrived.target());
                false
            }
        };
        self.settle(persistent && is_answered).await
    }

    /// Writes the body of a response, flushing whenever the app has nothing more at hand.
    async fn answer<B, O>(
        &mut self,
        encoder: &mut BodyEncoder,
        body: B,
        sent_bytes: &mut u64,
        (observer, arrived): (&O, &ArrivedHead),
    ) -> Result<(), AnswerError>
    where
        O: Observer,
        B: Body<Data = Bytes>,
        B::Error: Display,
    {
        let send_timeout = self.settings.send_timeout;
        let mut body = pin!(body);
        // Where there is no body, the app is not asked for one: it may be endless.
        while encoder.length() != lab_http::BodyLength::None && !body.is_end_stream() {
            let mut next = poll_fn(|cx| {
                observer.enter(arrived);
                let frame = body.as_mut().poll_frame(cx);
                observer.leave();
                frame
            });
            let frame = match now_or_pending(&mut next).await {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    within(send_timeout, self.wire.flush()).await.map_err(|_| AnswerError::Slow)??;
                    next.await
                }
            };
            let content = match frame {
                None => break,
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    within(send_timeout, self.wire.flush()).await.map_err(|_| AnswerError::Slow)??;
                    return Err(AnswerError::App(error.to_string()));
                }
            };
            self.piece(encoder, &content).await?;
            *sent_bytes += content.len() as u64;
        }
        let ended = within(send_timeout, self.wire.end(encoder, None)).await.map_err(|_| AnswerError::Slow)?;
        if let Err(WriteError::Length(error)) = ended {
            within(send_timeout, self.wire.flush()).await.map_err(|_| AnswerError::Slow)??;
            return Err(error.into());
        }
        Ok(ended?)
    }

    /// Writes one piece of content. Of one that is too long, so much is sent as was announced: then at least the
    /// client has a whole response.
    async fn piece(&mut self, encoder: &mut BodyEncoder, content: &[u8]) -> Result<(), AnswerError> {
        let room = encoder.room().map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX));
        let (fitting, excess) = content.split_at(room.min(content.len()));
        // Bit by bit, so that the time is for a write and not for all of a large response.
        for bit in fitting.chunks(WRITTEN_AT_ONCE) {
            let sent = within(self.settings.send_timeout, self.wire.piece(encoder, bit)).await;
            sent.map_err(|_| AnswerError::Slow)??;
        }
        if excess.is_empty() {
            return Ok(());
        }
        within(self.settings.send_timeout, self.wire.flush()).await.map_err(|_| AnswerError::Slow)??;
        Err(lab_http::encode::LengthError::TooLong.into())
    }

    /// Makes the connection ready for the next request: what the app has not read of the body is read for it.
    async fn settle(&mut self, persistent: bool) -> Result<(), Ending> {
        let remains = self.wire.io_mut().reclaim();
        let settings = Rc::clone(&self.settings);
        let incoming = self.wire.io_mut().incoming().ok_or(Ending::Close)?;
        let is_all_read = remains.as_ref().is_none_or(|remains| remains.body.is_at_end());
        if !persistent {
            let is_quiet = is_all_read && incoming.buffered().is_empty();
            return Err(if is_quiet { Ending::Close } else { Ending::Linger });
        }
        let Some(mut remains) = remains.filter(|_| !is_all_read) else { return Ok(()) };
        if !remains.readable {
            return Err(Ending::Linger);
        }
        match within(settings.body_timeout, incoming.drain(&mut remains.body, settings.drain_bytes)).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(Ending::Linger),
        }
    }
}

impl From<WriteError> for AnswerError {
    fn from(error: WriteError) -> AnswerError {
        match error {
            WriteError::Length(error) => AnswerError::Length(error),
            WriteError::Io(error) => AnswerError::Io(error),
        }
    }
}

/// Calls the app in place. A panic in it is an error like any other: the worker goes on.
async fn call<S, O, B>(
    service: &mut S,
    request: Request<RequestBody>,
    observer: &O,
    arrived: &ArrivedHead,
) -> Result<Response<B>, String>
where
    O: Observer,
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Display,
{
    let failed = |error: S::Error| format!("the app failed: {error}");
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(failed)?;
    observer.enter(arrived);
    let future = catch_unwind(AssertUnwindSafe(|| service.call(request)));
    observer.leave();
    let mut future = pin!(future.map_err(panicked)?);
    poll_fn(|cx| {
        observer.enter(arrived);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        observer.leave();
        match polled {
            Ok(poll) => poll.map(|response| response.map_err(failed)),
            Err(panic) => Poll::Ready(Err(panicked(panic))),
        }
    })
    .await
}

#[expect(clippy::needless_pass_by_value, reason = "it is used as a function value where a panic is handed over")]
fn panicked(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the app panicked: {}", text.unwrap_or("with something that is not text"))
}
