//! A connection that can be lent to the body of the request in progress.
//!
//! Most requests have no body; then the connection stays where it is and nothing is shared. Where there is a body, the
//! app reads it while the server waits for the app, so both need the connection: it moves behind a lock for the time of
//! one exchange. No channel, no task and no copy but the content's own stands between the app and the socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use lab_http::write::CONTINUE;
use lab_http::{BodyDecoder, Incoming, ReadError, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep};

use crate::request_body::{BodyError, RequestBody, Source};

/// One connection: at hand, or lent to a request body.
pub(crate) struct Wire<IO> {
    at_hand: Option<Incoming<IO>>,
    lent: Option<Arc<Mutex<Lease<IO>>>>,
}

/// What a request body needs of its connection.
pub(crate) struct Lease<IO> {
    /// None when the exchange is over.
    incoming: Option<Incoming<IO>>,
    body: BodyDecoder,
    /// What of `100 Continue` is still to be written before the body is read.
    interim: &'static [u8],
    /// Whether the client was answered without having been asked for the body it announced.
    unasked: bool,
    /// Why the body could not be read.
    failure: Option<Failure>,
    stall_timeout: Duration,
    /// Running while the client sends nothing.
    stall: Option<Pin<Box<Sleep>>>,
}

/// Why a body could not be read, kept for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It was refused.
    Refused(Refusal),
    /// The connection failed.
    Io,
}

/// What is left of a request body after the response.
pub(crate) struct Remains {
    /// At the first byte that the app has not read.
    pub(crate) body: BodyDecoder,
    /// Whether reading on makes sense: the body did not fail, and the client was asked for it.
    pub(crate) readable: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire<IO> {
    /// A connection that is at hand.
    pub(crate) fn new(incoming: Incoming<IO>) -> Wire<IO> {
        Wire { at_hand: Some(incoming), lent: None }
    }

    /// The reading side, while the connection is at hand.
    pub(crate) fn incoming(&mut self) -> Option<&mut Incoming<IO>> {
        self.at_hand.as_mut()
    }

    /// Lends the connection to a request body.
    pub(crate) fn lend(&mut self, body: BodyDecoder, expects_continue: bool, stall_timeout: Duration) -> RequestBody {
        let left = body.left();
        let lease = Arc::new(Mutex::new(Lease {
            incoming: self.at_hand.take(),
            body,
            interim: if expects_continue { CONTINUE } else { b"" },
            unasked: false,
            failure: None,
            stall_timeout,
            stall: None,
        }));
        self.lent = Some(Arc::clone(&lease));
        RequestBody::new(lease, left)
    }

    /// Takes the connection back from a request body; None if it was not lent.
    pub(crate) fn reclaim(&mut self) -> Option<Remains> {
        let lease = self.lent.take()?;
        let mut lease = lock(&lease);
        self.at_hand = lease.incoming.take();
        let body = std::mem::replace(&mut lease.body, BodyDecoder::at_end());
        Some(Remains { body, readable: lease.failure.is_none() && !lease.unasked && !lease.is_continue_unsent() })
    }

    /// Why the request body could not be read, if it could not.
    pub(crate) fn failure(&self) -> Option<Failure> {
        lock(self.lent.as_ref()?).failure
    }

    /// Whether the rest of the request body can be read in a bounded way, so that another request may follow.
    pub(crate) fn is_drainable(&self, bound: u64) -> bool {
        let Some(lease) = &self.lent else { return true };
        let lease = lock(lease);
        lease.failure.is_none() && !lease.is_continue_unsent() && lease.body.left().is_none_or(|left| left <= bound)
    }

    /// Writes through whoever has the connection.
    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut IO>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Some(incoming) = &mut self.at_hand {
            return poll(Pin::new(incoming.io_mut()), cx);
        }
        let gone = Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        let Some(lease) = &self.lent else { return gone };
        let mut lease = lock(lease);
        ready!(lease.poll_answer(cx))?;
        match &mut lease.incoming {
            Some(incoming) => poll(Pin::new(incoming.io_mut()), cx),
            None => gone,
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Lease<IO> {
    fn is_continue_unsent(&self) -> bool {
        self.interim.len() == CONTINUE.len()
    }

    /// Before the final response is written: no `100 Continue` may follow it, and one that was begun has to be ended.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_continue_unsent() {
            self.interim = b"";
            self.unasked = true;
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
        // Who has sent some of the body already does not wait to be asked for it (RFC 9110 §10.1.1).
        if self.is_continue_unsent() && self.incoming.as_ref().is_some_and(|incoming| !incoming.buffered().is_empty()) {
            self.interim = b"";
        }
        ready!(self.poll_interim(cx))?;
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(Ok(None)) };
        if let Poll::Ready(read) = incoming.poll_body_piece(cx, &mut self.body) {
            self.stall = None;
            return Poll::Ready(Ok(read?.map(Bytes::copy_from_slice)));
        }
        let timeout = self.stall_timeout;
        ready!(self.stall.get_or_insert_with(|| Box::pin(sleep(timeout))).as_mut().poll(cx));
        Poll::Ready(Err(Refusal::Timeout.into()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send> Source for Lease<IO> {
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        if self.incoming.is_none() {
            return Poll::Ready(Err(BodyError::Answered));
        }
        match self.failure {
            Some(Failure::Refused(refusal)) => return Poll::Ready(Err(refusal.into())),
            Some(Failure::Io) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::NotConnected).into())),
            None => {}
        }
        Poll::Ready(ready!(self.poll_read(cx)).map_err(|error| match error {
            ReadError::Refused(refusal) => {
                self.failure = Some(Failure::Refused(refusal));
                BodyError::Refused(refusal)
            }
            ReadError::Io(error) => {
                self.failure = Some(Failure::Io);
                BodyError::Io(error)
            }
        }))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncWrite for Wire<IO> {
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

// A panic of the app while it read its body leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
