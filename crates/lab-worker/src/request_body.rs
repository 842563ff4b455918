//! The body of a request as the app reads it: straight from the connection, only as fast as it is asked for.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use lab_http::Refusal;

/// A request body. Every frame is one read from the connection, so that an app that does not read makes the client
/// wait, and nothing piles up in between. Trailers are not handed on.
///
/// After the response is complete the body can no longer be read, whoever still holds it.
#[derive(Default)]
pub struct RequestBody {
    source: Option<Arc<Mutex<dyn Source>>>,
    /// Bytes still to come, where Content-Length said so.
    left: Option<u64>,
}

/// Why a request body could not be read to its end. It never looks like an early end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is not to be accepted, or did not arrive in time.
    #[error("the request body was refused: {0}")]
    Refused(#[from] Refusal),
    /// The connection failed.
    #[error("the connection failed within the request body: {0}")]
    Io(#[from] io::Error),
    /// The request has been answered, and its connection is used for another one.
    #[error("the request has already been answered")]
    Answered,
}

/// Where a body comes from.
pub(crate) trait Source: Send {
    /// The next content; None at the end.
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>>;
}

impl RequestBody {
    /// No content.
    #[must_use]
    pub fn empty() -> RequestBody {
        RequestBody { source: None, left: Some(0) }
    }

    /// What `source` gives: `left` bytes, or as many as there are.
    pub(crate) fn new(source: Arc<Mutex<dyn Source>>, left: Option<u64>) -> RequestBody {
        RequestBody { source: Some(source), left }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(source) = &self.source else { return Poll::Ready(None) };
        let content = ready!(source.lock().unwrap_or_else(PoisonError::into_inner).poll_content(cx));
        Poll::Ready(match content {
            Ok(Some(content)) => {
                self.left = self.left.map(|left| left.saturating_sub(content.len() as u64));
                if self.left == Some(0) {
                    self.source = None;
                }
                Some(Ok(Frame::data(content)))
            }
            Ok(None) => {
                *self = RequestBody::empty();
                None
            }
            Err(error) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestBody").field("left", &self.left).field("ended", &self.is_end_stream()).finish()
    }
}
