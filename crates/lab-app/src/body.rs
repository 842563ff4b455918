//! The body of a response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Any error of a handler or a streamed body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a response: complete, or streamed.
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Chunks(Box<dyn Iterator<Item = Bytes> + Send>),
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body {
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// A body sent item by item, like a generator in Flask. Its length is unknown in advance, so a host sends it
    /// chunked. Empty items are skipped.
    #[must_use]
    pub fn from_chunks<I>(chunks: I) -> Self
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Into<Bytes> + 'static>,
    {
        Self(Kind::Chunks(Box::new(chunks.into_iter().map(Into::into).filter(|chunk: &Bytes| !chunk.is_empty()))))
    }

    /// A body whose pieces are awaited.
    #[must_use]
    pub fn from_stream(body: impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static) -> Self {
        Self(Kind::Stream(Box::pin(body)))
    }

    /// The length in bytes, if known in advance.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }

    /// Whether the body is known to be empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = match &mut self.0 {
            Kind::Empty => None,
            Kind::Full(bytes) => Some(std::mem::take(bytes)),
            Kind::Chunks(chunks) => match chunks.next() {
                Some(chunk) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
                None => None,
            },
            Kind::Stream(stream) => return stream.as_mut().poll_frame(cx),
        };
        self.0 = Kind::Empty;
        Poll::Ready(frame.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) | Kind::Chunks(_) => false,
            Kind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Chunks(_) => SizeHint::default(),
            Kind::Stream(stream) => stream.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Empty => f.write_str("Body(empty)"),
            Kind::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Chunks(_) | Kind::Stream(_) => f.write_str("Body(streamed)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Kind::Empty } else { Kind::Full(bytes) })
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}
