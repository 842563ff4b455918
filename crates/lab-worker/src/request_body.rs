//! A request body, read from the connection as fast as the application asks for it and no faster.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use lab_http::Refusal;

/// A request body. Every frame is one read from the connection: an application that does not read slows its client
/// down, and nothing accumulates in between. Trailers are dropped.
///
/// Once the response is complete the body can no longer be read.
#[derive(Default)]
pub struct RequestBody {
    source: Option<Arc<Mutex<dyn BodySource>>>,
    /// Bytes still to come, if there is a Content-Length.
    left: Option<u64>,
}

/// Why a request body could not be read to its end. An incomplete body never looks like a short one.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is malformed, too large, or did not arrive in time.
    #[error("the request body was refused: {0}")]
    Refused(#[from] Refusal),
    #[error("the connection failed within the request body: {0}")]
    Io(#[from] io::Error),
    /// The response is complete and the connection may be in use for another request.
    #[error("the response is already complete")]
    ResponseComplete,
}

/// The connection side of a body.
pub(crate) trait BodySource: Send {
    /// Polls for the next content; None at the end.
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>>;
}

impl RequestBody {
    #[must_use]
    pub fn empty() -> RequestBody {
        RequestBody { source: None, left: Some(0) }
    }

    /// A body of `left` bytes, or of unknown length.
    pub(crate) fn new(source: Arc<Mutex<dyn BodySource>>, left: Option<u64>) -> RequestBody {
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
