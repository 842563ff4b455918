//! Content of files: a whole one, a range, or several ranges with texts in between.

use std::fs::File;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use super::{BLOCK, BodyError};

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

impl PartsBody {
    /// Parts of `file` that have `length` bytes together, texts included.
    pub(super) fn new(file: FileBody, parts: Vec<Part>, length: u64) -> PartsBody {
        let file = FileBody { left: 0, ..file };
        PartsBody { file, parts: parts.into_iter(), text: Vec::new(), length }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
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
    /// `length` bytes of a file, from `start` on.
    pub(crate) fn new(file: File, start: u64, length: u64) -> FileBody {
        FileBody { file, base: start, position: start, left: length, block: Vec::new() }
    }

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

    pub(super) fn next_piece(&mut self) -> Result<Option<&[u8]>, BodyError> {
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
