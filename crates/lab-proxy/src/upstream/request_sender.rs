//! Sends a request to a peer while the response is awaited or written.

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use lab_http::{BodyEncoder, BodyLength, Incoming, Outgoing};

use crate::config::proxy::pass::ProxyPass;
use crate::context::{ClientReadHalf, CountingWriter, RequestBodyError, RequestContext, RequestSource};
use crate::routing::route::BodyAdmission;
use lab_net::OwnedWriteHalf;
use lab_net::deadline::{Timer, now_or_pending};
use lab_net::turn::TurnBudget;

/// Pipelined requests are read ahead up to this many bytes while a client is watched.
const READ_AHEAD: usize = 64 * 1024;
/// No more of the body is read while this many bytes are unwritten.
const MAX_UNWRITTEN: usize = 16 * 1024;

/// The writing side of an upstream connection, and how much of the request was sent.
#[derive(Debug)]
pub(crate) struct RequestSender {
    pub(crate) outgoing: Outgoing<CountingWriter<OwnedWriteHalf>>,
    encoder: BodyEncoder,
    stage: Stage,
    limits: SendLimits,
}

/// The part of the request that is sent next. The head lies in the output buffer from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The collected body in memory.
    Memory,
    /// The collected body in a file, from this position on.
    File(u64),
    /// The rest, as the client sends it.
    Stream,
    End,
    Flush,
    Complete,
    /// The peer accepts no more bytes, but may still respond.
    PeerClosed,
}

#[derive(Debug, Clone, Copy)]
struct SendLimits {
    /// `proxy_send_timeout`
    send_timeout: Duration,
    /// `client_body_timeout`
    body_timeout: Duration,
    /// `client_max_body_size`
    max_body_size: Option<u64>,
    /// `proxy_ignore_client_abort`
    ignores_client_abort: bool,
    /// Whether the client may be sending a body that is not passed on.
    is_body_refused: bool,
}

impl RequestSender {
    /// `length` is how the head announced the body.
    pub(crate) fn new(
        outgoing: Outgoing<CountingWriter<OwnedWriteHalf>>,
        length: BodyLength,
        context: &RequestContext<'_>,
        pass: &ProxyPass,
    ) -> RequestSender {
        let rules = context.config();
        let limits = SendLimits {
            send_timeout: pass.send_timeout,
            body_timeout: rules.client_body_timeout,
            max_body_size: rules.client_max_body_size,
            // others may be waiting for a response that is stored
            ignores_client_abort: rules.ignore_client_abort || context.outcome.is_storable(),
            is_body_refused: context.route.body == BodyAdmission::Refused,
        };
        RequestSender { outgoing, encoder: BodyEncoder::new(length), stage: Stage::Memory, limits }
    }

    /// Whether the whole request was sent.
    pub(crate) fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }

    /// Awaits `future` while the request is sent, and then while the client is watched. The future goes first: a
    /// response that has arrived counts more than a client that has just gone.
    pub(crate) async fn alongside<T>(
        &mut self,
        source: &mut RequestSource<'_, '_>,
        mut future: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, RequestBodyError> {
        let mut sending = pin!(self.run(source));
        poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            sending.as_mut().poll(cx).map(Err)
        })
        .await
    }

    /// Runs until the client fails. May be dropped while it waits, and called again.
    async fn run(&mut self, source: &mut RequestSource<'_, '_>) -> RequestBodyError {
        if let Err(error) = self.send(source).await {
            return error;
        }
        if self.stage == Stage::Complete
            && !self.limits.ignores_client_abort
            && let Some(client) = source.incoming.as_deref_mut()
        {
            return watch(client, self.limits.is_body_refused).await;
        }
        pending().await
    }

    /// Sends the rest of the request. A stage ends when its bytes are in the output buffer, so this can be dropped
    /// without losing any.
    async fn send(&mut self, source: &mut RequestSource<'_, '_>) -> Result<(), RequestBodyError> {
        let mut block = Vec::new();
        let mut turn = TurnBudget::default();
        loop {
            if self.outgoing.unwritten() >= MAX_UNWRITTEN && self.stage != Stage::PeerClosed {
                self.flush(source.timer).await;
            }
            match self.stage {
                Stage::Memory => {
                    self.stage = Stage::File(0);
                    push(&mut self.outgoing, &mut self.encoder, &mut self.stage, source.body.memory()).await;
                }
                Stage::File(position) => {
                    block.clear();
                    let read = source.body.read_file(position, &mut block)?;
                    self.stage = if read == 0 { Stage::Stream } else { Stage::File(position + read as u64) };
                    push(&mut self.outgoing, &mut self.encoder, &mut self.stage, &block).await;
                    turn.spend(read).await;
                }
                Stage::Stream if source.body.is_complete() => self.stage = Stage::End,
                Stage::Stream => {
                    let passed = self.stream(source).await?;
                    turn.spend(passed).await;
                }
                Stage::End => {
                    let ended = self.encoder.finish(self.outgoing.buffer(), None);
                    self.stage = if ended.is_ok() { Stage::Flush } else { Stage::PeerClosed };
                }
                Stage::Flush => {
                    self.flush(source.timer).await;
                    if self.stage == Stage::Flush {
                        self.stage = Stage::Complete;
                    }
                }
                Stage::Complete | Stage::PeerClosed => return Ok(()),
            }
        }
    }

    /// Passes one piece of the body on, and returns its size. Pieces that have arrived are sent together; everything is flushed before a
    /// wait.
    async fn stream(&mut self, source: &mut RequestSource<'_, '_>) -> Result<usize, RequestBodyError> {
        let limit = self.limits.max_body_size;
        let RequestSource { incoming, body, timer } = source;
        let Some(incoming) = incoming else {
            // a copy of a request has its whole body from the start
            self.stage = Stage::End;
            return Ok(0);
        };
        let piece = match now_or_pending(body.next_piece(incoming, limit)).await {
            Poll::Ready(piece) => piece?,
            Poll::Pending => {
                self.flush(timer).await;
                if self.stage == Stage::PeerClosed {
                    return Ok(0);
                }
                let next = body.next_piece(incoming, limit);
                let next = timer.within(self.limits.body_timeout, next).await;
                next.unwrap_or(Err(RequestBodyError::TimedOut))?
            }
        };
        let Some(piece) = piece else {
            self.stage = Stage::End;
            return Ok(0);
        };
        let length = piece.len();
        push(&mut self.outgoing, &mut self.encoder, &mut self.stage, piece).await;
        Ok(length)
    }

    async fn flush(&mut self, timer: &mut Timer) {
        let flushed: Result<io::Result<()>, _> = timer.within(self.limits.send_timeout, self.outgoing.flush()).await;
        if !matches!(flushed, Ok(Ok(()))) {
            self.stage = Stage::PeerClosed;
        }
    }
}

/// Frames a piece and writes as much as the peer accepts, without blocking.
async fn push(
    outgoing: &mut Outgoing<CountingWriter<OwnedWriteHalf>>,
    encoder: &mut BodyEncoder,
    stage: &mut Stage,
    piece: &[u8],
) {
    if !piece.is_empty() && outgoing.write_piece_nonblocking(encoder, piece).await.is_err() {
        *stage = Stage::PeerClosed;
    }
}

/// Waits for the client to close its connection, and reads ahead the bytes that it sends in the meantime. The rest of a refused
/// body is discarded: the client may read its response only after it has sent everything.
async fn watch(client: &mut Incoming<ClientReadHalf<'_>>, is_body_refused: bool) -> RequestBodyError {
    while client.buffered().len() < READ_AHEAD {
        let read = match is_body_refused {
            true => client.discard_once().await,
            false => poll_fn(|cx| client.poll_fill(cx)).await,
        };
        match read {
            Ok(0) => return RequestBodyError::Closed("the connection was closed".to_owned()),
            Ok(_) => {}
            Err(error) => return RequestBodyError::Closed(error.to_string()),
        }
    }
    pending().await
}
