//! The body of a response, pulled in pieces from any source.

pub(crate) mod error;
pub(crate) mod file;
pub(crate) mod sliced;
pub(crate) mod stream;

use std::fs::File;

use lab_http::BodyLength;
use lab_net::deadline::TimedOut;
use lab_net::spool::SpoolReader;

pub(crate) use error::BodyError;
pub(crate) use file::{FileBody, Part, PartsBody};
pub(crate) use sliced::{FetchedSlice, SliceContent, SlicePlan, SlicedBody};
pub(crate) use stream::{ContentCopy, StreamBody, StreamReader};

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
    Sliced(Box<SlicedBody>),
}

/// Content that was collected.
#[derive(Debug)]
pub(crate) struct SpooledBody {
    reader: SpoolReader,
    block: Vec<u8>,
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
        Body::File(FileBody::new(file, start, length))
    }

    pub(crate) fn spooled(reader: SpoolReader) -> Body {
        Body::Spooled(SpooledBody::new(reader))
    }

    /// Replaces a file or bytes by parts of them, which have `length` bytes together. Other bodies stay.
    pub(crate) fn into_parts(self, parts: Vec<Part>, length: u64) -> Body {
        match self {
            Body::File(file) => Body::Parts(PartsBody::new(file, parts, length)),
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
            Body::File(file) => BodyLength::Sized(file.length()),
            Body::Parts(parts) => BodyLength::Sized(parts.length()),
            Body::Spooled(spooled) => BodyLength::Sized(spooled.length()),
            Body::Stream(stream) => stream.length(),
            Body::Sliced(sliced) => sliced.length(),
        }
    }

    /// Waits until [`next_piece`](Body::next_piece) has a piece, or the content has ended. Only content that is on its way
    /// is waited for.
    pub(crate) async fn wait(&mut self) -> Result<(), TimedOut> {
        match self {
            Body::Stream(stream) => stream.wait().await,
            Body::Sliced(sliced) => {
                sliced.wait().await;
                Ok(())
            }
            _ => Ok(()),
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
            Body::Sliced(sliced) => sliced.next_piece().await,
        }
    }
}

impl SpooledBody {
    fn new(reader: SpoolReader) -> SpooledBody {
        SpooledBody { reader, block: Vec::new() }
    }

    fn length(&self) -> u64 {
        self.reader.left() as u64
    }

    fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
        self.block.resize(self.reader.left().min(BLOCK), 0);
        self.reader.read_exact(&mut self.block).map_err(BodyError::FileRead)?;
        Ok((!self.block.is_empty()).then_some(&self.block))
    }
}
