//! The body of a response, pulled in pieces from any source.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::time::Duration;

use lab_http::{BodyDecoder, BodyLength, Incoming, Limits, ReadError, Refusal};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use crate::config::logs::Severity;
use crate::context::{RateLimit, StoredFile};
use lab_cache::store::EntryWriter;
use lab_net::OwnedReadHalf;
use lab_net::deadline::{TimedOut, Timer};
use lab_net::spool::SpoolReader;

/// The bytes of a file that are read at a time.
pub(crate) const BLOCK: usize = 64 * 1024;

/// The source of a response's content.
///
/// An enum instead of a trait object: a piece costs a branch and no allocation.
#[derive(Debug)]
pub(crate) enum Body {
    Empty,
    Bytes {
        content: Vec<u8>,
        is_taken: bool,
    },
    File(FileBody),
    /// Texts and ranges of a file.
    Parts(PartsBody),
    Spooled(SpooledBody),
    Stream(StreamBody),
}

/// Content that was collected.
#[derive(Debug)]
pub(crate) struct SpooledBody {
    reader: SpoolReader,
    block: Vec<u8>,
}

/// The content of a file or of a range.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: File,
    /// Where in the file the content begins.
    base: u64,
    position: u64,
    left: u64,
    block: Vec<u8>,
}

/// A part of a `multipart/byteranges`.
#[derive(Debug)]
pub(crate) enum Part {
    Text(Vec<u8>),
    Range { start: u64, length: u64 },
}

/// Parts in order. The ranges are those of one file.
#[derive(Debug)]
pub(crate) struct PartsBody {
    file: FileBody,
    parts: std::vec::IntoIter<Part>,
    text: Vec<u8>,
    length: u64,
}

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
    /// The part of the content that is passed on; None for all of it.
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
#[derive(Debug, Clone, Copy)]
struct Window {
    /// How many bytes in front of it are still to be read.
    skipped: u64,
    /// How many of its bytes are still to be read.
    left: u64,
    length: u64,
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

#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("upstream prematurely closed connection while reading upstream")]
    Truncated,
    #[error("upstream sent an invalid body: {0} while reading upstream")]
    Invalid(Refusal),
    #[error("recv() failed ({0}) while reading upstream")]
    Receive(io::Error),
    #[error("a file became shorter while it was sent")]
    FileTruncated,
    #[error("read() failed ({0})")]
    FileRead(io::Error),
    /// A filter cannot process the content.
    #[error("{0}")]
    Filter(String),
}

impl BodyError {
    /// How the error log rates the failure.
    pub(crate) fn severity(&self) -> Severity {
        match self {
            BodyError::FileTruncated => Severity::Alert,
            BodyError::FileRead(_) => Severity::Crit,
            BodyError::Truncated | BodyError::Invalid(_) | BodyError::Receive(_) | BodyError::Filter(_) => {
                Severity::Error
            }
        }
    }
}

impl From<ReadError> for BodyError {
    fn from(error: ReadError) -> BodyError {
        match error {
            ReadError::Refused(Refusal::Truncated) => BodyError::Truncated,
            ReadError::Refused(refusal) => BodyError::Invalid(refusal),
            ReadError::Io(error) => BodyError::Receive(error),
        }
    }
}

impl Body {
    pub(crate) fn bytes(content: Vec<u8>) -> Body {
        if content.is_empty() { Body::Empty } else { Body::Bytes { content, is_taken: false } }
    }

    /// `length` bytes of a file.
    pub(crate) fn file(file: File, length: u64) -> Body {
        Body::file_part(file, 0, length)
    }

    /// `length` bytes of a file, from `start` on.
    pub(crate) fn file_part(file: File, start: u64, length: u64) -> Body {
        Body::File(FileBody { file, base: start, position: start, left: length, block: Vec::new() })
    }

    pub(crate) fn spooled(reader: SpoolReader) -> Body {
        Body::Spooled(SpooledBody { reader, block: Vec::new() })
    }

    /// Replaces a file or bytes by parts of them, which have `length` bytes together. Other bodies stay.
    pub(crate) fn into_parts(self, parts: Vec<Part>, length: u64) -> Body {
        match self {
            Body::File(file) => {
                let file = FileBody { left: 0, ..file };
                Body::Parts(PartsBody { file, parts: parts.into_iter(), text: Vec::new(), length })
            }
            Body::Bytes { content, .. } => {
                let mut whole = Vec::new();
                for part in parts {
                    match part {
                        Part::Text(text) => whole.extend_from_slice(&text),
                        Part::Range { start, length } => {
                            whole.extend_from_slice(&content[start as usize..(start + length) as usize]);
                        }
                    }
                }
                Body::bytes(whole)
            }
            other => other,
        }
    }

    /// How the source delimits the content.
    pub(crate) fn length(&self) -> BodyLength {
        match self {
            Body::Empty => BodyLength::None,
            Body::Bytes { content, .. } => BodyLength::Sized(content.len() as u64),
            Body::File(file) => BodyLength::Sized(file.left),
            Body::Parts(parts) => BodyLength::Sized(parts.length),
            Body::Spooled(spooled) => BodyLength::Sized(spooled.reader.left() as u64),
            Body::Stream(stream) => stream.window.map_or(stream.length, |window| BodyLength::Sized(window.length)),
        }
    }

    /// The next piece of the content; none at the end. Cancel-safe.
    #[inline]
    pub(crate) async fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
        match self {
            Body::Stream(stream) => stream.next_piece().await,
            Body::Empty => Ok(None),
            Body::Bytes { is_taken: true, .. } => Ok(None),
            Body::Bytes { content, is_taken } => {
                *is_taken = true;
                Ok(Some(content))
            }
            Body::File(file) => file.next_piece(),
            Body::Parts(parts) => parts.next_piece(),
            Body::Spooled(spooled) => spooled.next_piece(),
        }
    }
}

impl SpooledBody {
    fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
        self.block.resize(self.reader.left().min(BLOCK), 0);
        self.reader.read_exact(&mut self.block).map_err(BodyError::FileRead)?;
        Ok((!self.block.is_empty()).then_some(&self.block))
    }
}

impl PartsBody {
    fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
        if self.file.left > 0 {
            return self.file.next_piece();
        }
        match self.parts.next() {
            None => Ok(None),
            Some(Part::Text(text)) => {
                self.text = text;
                Ok(Some(&self.text))
            }
            Some(Part::Range { start, length }) => {
                self.file.cut(start, length);
                self.file.next_piece()
            }
        }
    }
}

impl FileBody {
    /// How many bytes are left.
    pub(crate) fn length(&self) -> u64 {
        self.left
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where in the file the rest of the content begins.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Skips content that was sent by other means.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.position += bytes;
        self.left -= bytes;
    }

    /// Limits the content to a range.
    pub(crate) fn cut(&mut self, start: u64, length: u64) {
        self.position = self.base + start;
        self.left = length;
    }

    fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
        if self.left == 0 {
            return Ok(None);
        }
        let wanted = BLOCK.min(usize::try_from(self.left).unwrap_or(BLOCK));
        self.block.clear();
        self.block.reserve_exact(wanted);
        loop {
            match rustix::io::pread(&self.file, spare_capacity(&mut self.block), self.position) {
                Ok(0) => return Err(BodyError::FileTruncated),
                Ok(_) => {
                    // there may be more room than was asked for
                    self.block.truncate(wanted);
                    self.left -= self.block.len() as u64;
                    self.position += self.block.len() as u64;
                    return Ok(Some(&self.block));
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(BodyError::FileRead(error.into())),
            }
        }
    }
}

impl Window {
    /// The part of the next piece that is within the window, which may be empty.
    fn part_of<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
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

    /// Limits what is passed on to a range.
    pub(crate) fn cut(&mut self, start: u64, length: u64) {
        self.window = Some(Window { skipped: start, left: length, length });
    }

    #[inline]
    async fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
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

    /// Waits until more has arrived, or the connection has ended; [`next_piece`](Body::next_piece) returns which.
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
