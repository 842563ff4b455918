//! Spooled bodies, in anonymous temporary files. The system deletes such a file with its last descriptor.
//!
//! [`SpoolFile`] is the file alone, with reads at any position. [`Spool`] keeps small bodies in memory, and becomes a
//! [`SpoolReader`] when the body is complete. [`SpoolShare`] bounds the space that all files of a process take together.

mod file;
mod share;

use std::io::{self, BufRead as _, BufReader, Cursor, Read as _};

use file::{BLOCK, SequentialFile};
pub use file::{SpoolFile, default_folder, set_folder};
pub use share::{SpoolShare, is_out_of_space};

/// A body that is still arriving: in memory up to a limit, then in a file.
#[derive(Debug)]
pub struct Spool {
    memory: Vec<u8>,
    memory_limit: usize,
    share: SpoolShare,
    file: Option<SpoolFile>,
    length: u64,
}

/// A complete body and a position in it.
#[derive(Debug)]
pub struct SpoolReader {
    content: Content,
    left: u64,
}

#[derive(Debug)]
enum Content {
    Memory(Cursor<Vec<u8>>),
    File(BufReader<SequentialFile>),
}

impl Spool {
    /// For a body of `length` bytes, if known. `share` bounds its file.
    #[must_use]
    pub fn new(memory_limit: usize, length: Option<u64>, share: SpoolShare) -> Spool {
        let capacity = length.and_then(|length| usize::try_from(length).ok()).filter(|&length| length <= memory_limit);
        Spool { memory: Vec::with_capacity(capacity.unwrap_or_default()), memory_limit, share, file: None, length: 0 }
    }

    /// # Errors
    /// The body became too large for memory, and the file cannot be created or written, or would exceed the share
    /// ([`is_out_of_space`]).
    pub fn push(&mut self, content: &[u8]) -> io::Result<()> {
        self.length += content.len() as u64;
        if let Some(file) = &mut self.file {
            return file.push(content);
        }
        if self.memory.len() + content.len() <= self.memory_limit {
            self.memory.extend_from_slice(content);
            return Ok(());
        }
        let mut file = SpoolFile::new(None, self.share)?;
        file.push(&std::mem::take(&mut self.memory))?;
        file.push(content)?;
        self.file = Some(file);
        Ok(())
    }

    /// The complete body, from its first byte.
    #[must_use]
    pub fn finish(self) -> SpoolReader {
        let content = match self.file {
            None => Content::Memory(Cursor::new(self.memory)),
            Some(file) => Content::File(BufReader::with_capacity(BLOCK, file.into_sequential())),
        };
        SpoolReader { content, left: self.length }
    }
}

impl SpoolReader {
    #[must_use]
    pub fn empty() -> SpoolReader {
        SpoolReader { content: Content::Memory(Cursor::default()), left: 0 }
    }

    /// Whether the body occupies a file.
    #[must_use]
    pub fn is_in_file(&self) -> bool {
        matches!(self.content, Content::File(_))
    }

    /// The number of bytes left.
    #[must_use]
    pub fn left(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }

    /// Fills `into`, which must not be longer than [`left`](SpoolReader::left).
    pub fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        match &mut self.content {
            Content::Memory(memory) => memory.read_exact(into)?,
            Content::File(file) => file.read_exact(into)?,
        }
        self.left -= into.len() as u64;
        Ok(())
    }

    /// Reads to the end of the line, but at most `bound` bytes.
    pub fn read_line(&mut self, bound: usize) -> io::Result<Vec<u8>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect()
    }

    #[test]
    fn body_reads_alike_from_memory_and_file() {
        let bytes = sample();
        for memory_limit in [bytes.len(), 100_000, 0] {
            let mut spool = Spool::new(memory_limit, None, SpoolShare::UNLIMITED);
            spool.push(&bytes[..70_000]).unwrap();
            spool.push(&bytes[70_000..]).unwrap();
            assert_eq!(spool.file.is_none(), memory_limit == bytes.len());
            let mut reader = spool.finish();
            let mut start = [0; 5];
            reader.read_exact(&mut start).unwrap();
            assert_eq!(start, bytes[..5]);
            assert_eq!(reader.read_line(100).unwrap(), bytes[5..=usize::from(b'\n')]);
            assert_eq!(reader.read_line(10).unwrap(), bytes[11..21]);
            let mut rest = vec![0; reader.left()];
            reader.read_exact(&mut rest).unwrap();
            assert_eq!(rest, bytes[21..]);
            assert_eq!((reader.left(), reader.read_line(1).unwrap().len()), (0, 0));
        }
    }
}
