//! Content that arrives on an upstream's connection, which may be copied, cut and slowed down on its way.

use std::future::poll_fn;
use std::time::Duration;

use lab_cache::store::EntryWriter;
use lab_http::{BodyDecoder, BodyLength, Incoming, Limits};
use lab_net::OwnedReadHalf;
use lab_net::deadline::{TimedOut, Timer};

use super::BodyError;
use crate::context::{RateLimit, StoredFile};

/// The reading side of an upstream's connection.
#[derive(Debug)]
pub(crate) struct StreamReader {
    /// Boxed, so that moving the reader between pool, exchange and body is cheap.
    pub(crate) incoming: Box<Incoming<OwnedReadHalf>>,
    pub(crate) timer: Timer,
}

/// Content that arrives on an upstream's connection.
#[derive(Debug)]
pub(crate) struct StreamBody {
    pub(crate) reader: StreamReader,
    decoder: BodyDecoder,
    length: BodyLength,
    read_timeout: Duration,
    /// Bytes of content read so far.
    content: u64,
    copy: Option<Box<ContentCopy>>,
    /// The part of the content that is passed on. None for the whole content.
    window: Option<Window>,
    /// `proxy_limit_rate`
    throttle: Option<Box<Throttle>>,
}

/// A copy of the content.
#[derive(Debug)]
pub(crate) enum ContentCopy {
    /// `proxy_store`
    File(StoredFile),
    /// `proxy_cache`
    Entry(Box<EntryWriter>),
}

/// A part of the content. The rest is read as well.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    /// How many bytes in front of it are still to be read.
    pub(super) skipped: u64,
    /// How many of its bytes are still to be read.
    pub(super) left: u64,
    pub(super) length: u64,
}

/// Content that is passed on at a limited rate.
#[derive(Debug)]
struct Throttle {
    limit: RateLimit,
    /// The last piece that was read. Its first `position` bytes were passed on.
    piece: Vec<u8>,
    position: usize,
    passed: u64,
}

impl Window {
    /// The part of the next piece that is within the window, which may be empty.
    pub(super) fn part_of<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        let skipped = usize::try_from(self.skipped).unwrap_or(usize::MAX).min(piece.len());
        let rest = &piece[skipped..];
        let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
        self.skipped -= skipped as u64;
        self.left -= taken as u64;
        &rest[..taken]
    }
}

impl ContentCopy {
    fn push(&mut self, content: &[u8]) {
        match self {
            ContentCopy::File(file) => file.push(content),
            ContentCopy::Entry(entry) => entry.push(content),
        }
    }
}

impl StreamBody {
    pub(crate) fn new(reader: StreamReader, length: BodyLength, read_timeout: Duration) -> StreamBody {
        let decoder = BodyDecoder::new(length, &Limits::response());
        StreamBody { reader, decoder, length, read_timeout, content: 0, copy: None, window: None, throttle: None }
    }

    /// Limits how many bytes are read per second; 0 for no limit.
    pub(crate) fn limit_rate(&mut self, bytes_per_s: u64) {
        let throttle = |limit| Throttle { limit, piece: Vec::new(), position: 0, passed: 0 };
        let limit = (bytes_per_s > 0).then(|| RateLimit::new(bytes_per_s, 0, 0));
        self.throttle = limit.map(throttle).map(Box::new);
    }

    /// Has the content copied.
    pub(crate) fn copy_to(&mut self, copy: ContentCopy) {
        self.copy = Some(Box::new(copy));
    }

    /// The copy of the content.
    pub(crate) fn take_copy(&mut self) -> Option<ContentCopy> {
        self.copy.take().map(|copy| *copy)
    }

    /// Whether the content is stored in a cache, so that it is read to its end even if the client does not want it.
    pub(crate) fn is_cached(&self) -> bool {
        matches!(self.copy.as_deref(), Some(ContentCopy::Entry(_)))
    }

    /// Limits the content that is passed on to a range.
    pub(crate) fn cut(&mut self, start: u64, length: u64) {
        self.window = Some(Window { skipped: start, left: length, length });
    }

    /// How the content that is passed on is delimited.
    pub(super) fn length(&self) -> BodyLength {
        self.window.map_or(self.length, |window| BodyLength::Sized(window.length))
    }

    #[inline]
    pub(super) async fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
        let Some(throttle) = &mut self.throttle else {
            let piece = self.reader.incoming.read_body_piece(&mut self.decoder).await?;
            self.content += piece.map_or(0, <[u8]>::len) as u64;
            if let (Some(copy), Some(piece)) = (&mut self.copy, piece) {
                copy.push(piece);
            }
            return Ok(match &mut self.window {
                Some(window) => piece.map(|piece| window.part_of(piece)),
                None => piece,
            });
        };
        if throttle.position == throttle.piece.len() {
            let Some(piece) = self.reader.incoming.read_body_piece(&mut self.decoder).await? else { return Ok(None) };
            self.content += piece.len() as u64;
            if let Some(copy) = &mut self.copy {
                copy.push(piece);
            }
            throttle.piece.clear();
            throttle.piece.extend_from_slice(piece);
            throttle.position = 0;
        }
        let room = poll_fn(|cx| throttle.limit.poll_room(throttle.passed, cx)).await;
        let start = throttle.position;
        throttle.position = throttle.piece.len().min(start.saturating_add(room));
        throttle.passed += (throttle.position - start) as u64;
        let piece = &throttle.piece[start..throttle.position];
        Ok(Some(match &mut self.window {
            Some(window) => window.part_of(piece),
            None => piece,
        }))
    }

    /// Waits until more has arrived, or the connection has ended; [`next_piece`](super::Body::next_piece) returns which.
    pub(crate) async fn wait(&mut self) -> Result<(), TimedOut> {
        if let Some(throttle) = &mut self.throttle
            && throttle.position < throttle.piece.len()
        {
            poll_fn(|cx| throttle.limit.poll_room(throttle.passed, cx)).await;
            return Ok(());
        }
        let StreamReader { incoming, timer } = &mut self.reader;
        timer.within(self.read_timeout, poll_fn(|cx| incoming.poll_fill(cx))).await.map(drop)
    }

    /// Whether more may be read while the client is slow.
    pub(crate) fn reads_ahead(&self) -> bool {
        self.throttle.is_none()
    }

    /// Bytes of content read so far.
    pub(crate) fn content(&self) -> u64 {
        self.content
    }

    /// Whether the body has ended, and the connection can carry another response.
    pub(crate) fn leaves_connection_usable(&self) -> bool {
        self.length != BodyLength::UntilClose
            && self.decoder.is_finished()
            && self.reader.incoming.buffered().is_empty()
    }
}
