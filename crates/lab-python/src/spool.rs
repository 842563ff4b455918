//! Request bodies of any size: small ones in memory, large ones in a file without a name. No Python.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Write};

/// Bytes that are kept in memory.
const IN_MEMORY: usize = 256 * 1024;

/// A body that is still arriving.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    length: u64,
}

/// A body that has arrived, at the byte that is read next.
#[derive(Debug)]
pub(crate) struct Spooled {
    content: Content,
    left: u64,
}

#[derive(Debug)]
enum Content {
    Memory(Cursor<Vec<u8>>),
    File(BufReader<File>),
}

impl Spool {
    /// For a body of `length` bytes, if that is known.
    pub(crate) fn new(length: Option<u64>) -> Spool {
        let capacity = length.and_then(|length| usize::try_from(length).ok()).filter(|&length| length <= IN_MEMORY);
        Spool { memory: Vec::with_capacity(capacity.unwrap_or_default()), file: None, length: 0 }
    }

    /// Adds content.
    pub(crate) fn push(&mut self, content: &[u8]) -> io::Result<()> {
        self.length += content.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(content);
        }
        if self.memory.len() + content.len() <= IN_MEMORY {
            self.memory.extend_from_slice(content);
            return Ok(());
        }
        let mut file = tempfile::tempfile()?;
        file.write_all(&std::mem::take(&mut self.memory))?;
        file.write_all(content)?;
        self.file = Some(file);
        Ok(())
    }

    /// All of it, from its first byte.
    pub(crate) fn finish(self) -> io::Result<Spooled> {
        let content = match self.file {
            None => Content::Memory(Cursor::new(self.memory)),
            Some(mut file) => {
                file.seek(SeekFrom::Start(0))?;
                Content::File(BufReader::with_capacity(64 * 1024, file))
            }
        };
        Ok(Spooled { content, left: self.length })
    }
}

impl Spooled {
    /// No content.
    pub(crate) fn empty() -> Spooled {
        Spooled { content: Content::Memory(Cursor::default()), left: 0 }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }

    /// Reads exactly as much as `into` holds, which is to be no more than is left.
    pub(crate) fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        match &mut self.content {
            Content::Memory(memory) => memory.read_exact(into)?,
            Content::File(file) => file.read_exact(into)?,
        }
        self.left -= into.len() as u64;
        Ok(())
    }

    /// Reads up to the end of a line, but no more than `bound` bytes.
    pub(crate) fn read_line(&mut self, bound: usize) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let bound = bound as u64;
        match &mut self.content {
            Content::Memory(memory) => memory.take(bound).read_until(b'\n', &mut line)?,
            Content::File(file) => file.take(bound).read_until(b'\n', &mut line)?,
        };
        self.left -= line.len() as u64;
        Ok(line)
    }
}
