//! A stream that can be lent to the body of the request in progress.
//!
//! Most requests have no body; their stream stays where it is and nothing is shared. With a body, the application reads
//! while the server waits for the application, so both need the stream: it moves behind a lock until the response is
//! complete. There is no channel, no task and only one copy between the application and the socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use lab_http::h1::write::CONTINUE;
use lab_http::{BodyDecoder, Incoming, ReadError, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep};

use crate::admission::check_trailers;
use crate::request_body::{BodyError, BodySource, RequestBody};

/// A stream, at hand or lent to a request body.
pub(crate) struct LendableStream<IO> {
    at_hand: Option<Incoming<IO>>,
    lent: Option<Arc<Mutex<BodyLease<IO>>>>,
}

/// A stream on loan, with the state of the body read from it.
pub(crate) struct BodyLease<IO> {
    /// None once the response is complete.
    incoming: Option<Incoming<IO>>,
    body: BodyDecoder,
    /// The part of `100 Continue` that is not written yet. It goes out before the body is read.
    interim: &'static [u8],
    /// Whether the response began before the application read the body, so that `100 Continue` was never sent.
    continue_withheld: bool,
    failure: Option<BodyFailure>,
    stall_timeout: Duration,
    /// Runs while the client sends nothing.
    stall: Option<Pin<Box<Sleep>>>,
}

/// Why a body could not be read, kept for the error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFailure {
    Refused(Refusal),
    Io,
}

/// The part of a request body that the application left unread.
pub(crate) struct UnreadBody {
    pub(crate) decoder: BodyDecoder,
    /// Whether the rest can be read: not after a failure, and not if the client is still waiting for `100 Continue`.
    pub(crate) is_readable: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> LendableStream<IO> {
    pub(crate) fn new(incoming: Incoming<IO>) -> LendableStream<IO> {
        LendableStream { at_hand: Some(incoming), lent: None }
    }

    /// The reading side, unless it is lent.
    pub(crate) fn incoming(&mut self) -> Option<&mut Incoming<IO>> {
        self.at_hand.as_mut()
    }

    pub(crate) fn lend(&mut self, body: BodyDecoder, expects_continue: bool, stall_timeout: Duration) -> RequestBody {
        let left = body.remaining();
        let lease = Arc::new(Mutex::new(BodyLease {
            incoming: self.at_hand.take(),
            body,
            interim: if expects_continue { CONTINUE } else { b"" },
            continue_withheld: false,
            failure: None,
            stall_timeout,
            stall: None,
        }));
        self.lent = Some(Arc::clone(&lease));
        RequestBody::new(lease, left)
    }

    /// Takes the stream back from a request body; None if it was not lent.
    pub(crate) fn reclaim(&mut self) -> Option<UnreadBody> {
        let lease = self.lent.take()?;
        let mut lease = lock(&lease);
        self.at_hand = lease.incoming.take();
        let decoder = std::mem::replace(&mut lease.body, BodyDecoder::finished());
        let is_readable = lease.failure.is_none() && !lease.continue_withheld && !lease.is_continue_unsent();
        Some(UnreadBody { decoder, is_readable })
    }

    pub(crate) fn failure(&self) -> Option<BodyFailure> {
        lock(self.lent.as_ref()?).failure
    }

    /// Whether at most `bound` bytes of the request body are left to read before the next request.
    pub(crate) fn is_drainable(&self, bound: u64) -> bool {
        let Some(lease) = &self.lent else { return true };
        let lease = lock(lease);
        lease.failure.is_none()
            && !lease.is_continue_unsent()
            && lease.body.remaining().is_none_or(|left| left <= bound)
    }

    /// Writes to the stream, wherever it is.
    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut IO>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Some(incoming) = &mut self.at_hand {
            return poll(Pin::new(incoming.io_mut()), cx);
        }
        let closed = Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        let Some(lease) = &self.lent else { return closed };
        let mut lease = lock(lease);
        ready!(lease.poll_before_response(cx))?;
        match &mut lease.incoming {
            Some(incoming) => poll(Pin::new(incoming.io_mut()), cx),
            None => closed,
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> BodyLease<IO> {
    fn is_continue_unsent(&self) -> bool {
        self.interim.len() == CONTINUE.len()
    }

    /// Prepares for the final response: `100 Continue` must not follow it, and one that was begun must be completed.
    fn poll_before_response(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_continue_unsent() {
            self.interim = b"";
            self.continue_withheld = true;
        }
        self.poll_interim(cx)
    }

    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(Ok(())) };
        while !self.interim.is_empty() {
            let written = ready!(Pin::new(incoming.io_mut()).poll_write(cx, self.interim))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim = &self.interim[written..];
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ReadError>> {
        // A client that has begun to send the body no longer waits for 100 Continue (RFC 9110 §10.1.1).
        if self.is_continue_unsent() && self.incoming.as_ref().is_some_and(|incoming| !incoming.buffered().is_empty()) {
            self.interim = b"";
        }
        ready!(self.poll_interim(cx))?;
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(Ok(None)) };
        if let Poll::Ready(read) = incoming.poll_body_piece(cx, &mut self.body) {
            self.stall = None;
            let content = read?.map(Bytes::copy_from_slice);
            if content.is_none() {
                check_trailers(&self.body)?;
            }
            return Poll::Ready(Ok(content));
        }
        let timeout = self.stall_timeout;
        ready!(self.stall.get_or_insert_with(|| Box::pin(sleep(timeout))).as_mut().poll(cx));
        Poll::Ready(Err(Refusal::Timeout.into()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send> BodySource for BodyLease<IO> {
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        if self.incoming.is_none() {
            return Poll::Ready(Err(BodyError::ResponseComplete));
        }
        match self.failure {
            Some(BodyFailure::Refused(refusal)) => return Poll::Ready(Err(refusal.into())),
            Some(BodyFailure::Io) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::NotConnected).into())),
            None => {}
        }
        Poll::Ready(ready!(self.poll_read(cx)).map_err(|error| match error {
            ReadError::Refused(refusal) => {
                self.failure = Some(BodyFailure::Refused(refusal));
                BodyError::Refused(refusal)
            }
            ReadError::Io(error) => {
                self.failure = Some(BodyFailure::Io);
                BodyError::Io(error)
            }
        }))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncWrite for LendableStream<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |io, cx| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |io, cx| io.poll_write_vectored(cx, slices))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, AsyncWrite::poll_shutdown)
    }
}

// A panic of the application while it holds the lock leaves the lease in a valid state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
