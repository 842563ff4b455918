//! The body of a response: one interface to pull it in pieces, whatever its source.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read as _};
use std::time::Duration;

use lab_http::{BodyDecoder, BodyLength, Incoming, Limits, ReadError, Refusal};

use crate::config::logs::Severity;
use lab_net::OwnedReadHalf;
use lab_net::deadline::{TimedOut, Timer};

/// How much of a file is read at a time, in bytes.
const BLOCK: usize = 64 * 1024;

/// The source of a response's content.
///
/// An enum and not a trait object: a piece costs a branch, and no allocation.
#[derive(Debug)]
pub(crate) enum Body {
    Empty,
    Bytes { content: Vec<u8>, is_taken: bool },
    File(FileBody),
    Stream(StreamBody),
}

/// The content of a file.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: File,
    left: u64,
    block: Vec<u8>,
}

/// The reading side of an upstream's connection.
#[derive(Debug)]
pub(crate) struct StreamReader {
    /// In a box, so that the reader moves between pool, exchange and body at little cost.
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
}

/// Why a body ends early.
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
}

impl BodyError {
    /// How the error log rates the failure.
    pub(crate) fn severity(&self) -> Severity {
        match self {
            BodyError::FileTruncated => Severity::Alert,
            BodyError::FileRead(_) => Severity::Crit,
            BodyError::Truncated | BodyError::Invalid(_) | BodyError::Receive(_) => Severity::Error,
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
        let block = vec![0; BLOCK.min(usize::try_from(length).unwrap_or(BLOCK))];
        Body::File(FileBody { file, left: length, block })
    }

    /// How the source delimits the content.
    pub(crate) fn length(&self) -> BodyLength {
        match self {
            Body::Empty => BodyLength::None,
            Body::Bytes { content, .. } => BodyLength::Sized(content.len() as u64),
            Body::File(file) => BodyLength::Sized(file.left),
            Body::Stream(stream) => stream.length,
        }
    }

    /// The next piece of the content; none at the end. May be dropped while it waits, and called again.
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
        }
    }
}

impl FileBody {
    fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
        if self.left == 0 {
            return Ok(None);
        }
        let wanted = self.block.len().min(usize::try_from(self.left).unwrap_or(BLOCK));
        loop {
            match self.file.read(&mut self.block[..wanted]) {
                Ok(0) => return Err(BodyError::FileTruncated),
                Ok(read) => {
                    self.left -= read as u64;
                    return Ok(Some(&self.block[..read]));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(BodyError::FileRead(error)),
            }
        }
    }
}

impl StreamBody {
    pub(crate) fn new(reader: StreamReader, length: BodyLength, read_timeout: Duration) -> StreamBody {
        let decoder = BodyDecoder::new(length, &Limits::response());
        StreamBody { reader, decoder, length, read_timeout, content: 0 }
    }

    #[inline]
    async fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
        let piece = self.reader.incoming.read_body_piece(&mut self.decoder).await?;
        self.content += piece.map_or(0, <[u8]>::len) as u64;
        Ok(piece)
    }

    /// Waits until more has arrived, or the connection has ended; [`next_piece`](Body::next_piece) tells which.
    pub(crate) async fn wait(&mut self) -> Result<(), TimedOut> {
        let StreamReader { incoming, timer } = &mut self.reader;
        timer.within(self.read_timeout, poll_fn(|cx| incoming.poll_fill(cx))).await.map(drop)
    }

    /// Bytes of content read so far.
    pub(crate) fn content(&self) -> u64 {
        self.content
    }

    /// Whether the body has ended, and the connection can carry another response behind it.
    pub(crate) fn leaves_connection_usable(&self) -> bool {
        self.length != BodyLength::UntilClose && self.decoder.is_at_end() && self.reader.incoming.buffered().is_empty()
    }
}
