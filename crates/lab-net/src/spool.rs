//! Bodies that wait: a file without a name, which the system deletes with its last descriptor.
//!
//! [`SpoolFile`] is the file alone, for a reader at any position. [`Spool`] keeps small bodies in memory, and becomes a
//! [`SpoolReader`] once the body is complete.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Cursor, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// How much is read back at a time, in bytes.
const BLOCK: usize = 64 * 1024;

/// A file that is written at its end and read from anywhere.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    length: u64,
}

impl SpoolFile {
    /// Creates an empty file in `folder`, or in the system's folder for temporary files.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to.
    pub fn new(folder: Option<&Path>) -> io::Result<SpoolFile> {
        let file = match folder {
            Some(folder) => tempfile::tempfile_in(folder)?,
            None => tempfile::tempfile()?,
        };
        Ok(SpoolFile { file, length: 0 })
    }

    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Appends at most one block of bytes from `position` on to `out`; returns how many, 0 at the end.
    pub fn read(&self, position: u64, out: &mut Vec<u8>) -> io::Result<usize> {
        let count = usize::try_from(self.length.saturating_sub(position)).unwrap_or(BLOCK).min(BLOCK);
        let start = out.len();
        out.resize(start + count, 0);
        self.file.read_exact_at(&mut out[start..], position)?;
        Ok(count)
    }

    /// Reads it from its start: writing leaves the file's own position there.
    fn into_reader(self) -> BufReader<File> {
        BufReader::with_capacity(BLOCK, self.file)
    }
}

/// A body that is still arriving: in memory up to a limit, then in a file.
#[derive(Debug)]
pub struct Spool {
    memory: Vec<u8>,
    memory_limit: usize,
    file: Option<SpoolFile>,
    length: u64,
}

/// A complete body, at the byte that is read next.
#[derive(Debug)]
pub struct SpoolReader {
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
    #[must_use]
    pub fn new(memory_limit: usize, length: Option<u64>) -> Spool {
        let capacity = length.and_then(|length| usize::try_from(length).ok()).filter(|&length| length <= memory_limit);
        Spool { memory: Vec::with_capacity(capacity.unwrap_or_default()), memory_limit, file: None, length: 0 }
    }

    /// # Errors
    /// The body became too large for memory, and the file cannot be created or written.
    pub fn push(&mut self, content: &[u8]) -> io::Result<()> {
        self.length += content.len() as u64;
        if let Some(file) = &mut self.file {
            return file.push(content);
        }
        if self.memory.len() + content.len() <= self.memory_limit {
            self.memory.extend_from_slice(content);
            return Ok(());
        }
        let mut file = SpoolFile::new(None)?;
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
            Some(file) => Content::File(file.into_reader()),
        };
        SpoolReader { content, left: self.length }
    }
}

impl SpoolReader {
    #[must_use]
    pub fn empty() -> SpoolReader {
        SpoolReader { content: Content::Memory(Cursor::default()), left: 0 }
    }

    /// The number of bytes left.
    #[must_use]
    pub fn left(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }

    /// Fills `into`, which must not be longer than what is [`left`](SpoolReader::left).
    pub fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        match &mut self.content {
            Content::Memory(memory) => memory.read_exact(into)?,
            Content::File(file) => file.read_exact(into)?,
        }
        self.left -= into.len() as u64;
        Ok(())
    }

    /// Reads up to the end of a line, but at most `bound` bytes.
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
    fn spool_file_returns_what_was_pushed() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = SpoolFile::new(Some(folder.path())).unwrap();
        let bytes = sample();
        spool.push(&bytes[..70_000]).unwrap();
        spool.push(&bytes[70_000..]).unwrap();
        let mut read = Vec::new();
        while (read.len() as u64) < spool.length() {
            assert!(spool.read(read.len() as u64, &mut read).unwrap() > 0);
        }
        assert_eq!(read, bytes);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(spool.read(spool.length(), &mut read).unwrap(), 0);
    }

    #[test]
    fn missing_folder_is_an_error() {
        assert!(SpoolFile::new(Some(Path::new("/nonexistent"))).is_err());
    }

    #[test]
    fn body_reads_alike_from_memory_and_file() {
        let bytes = sample();
        for memory_limit in [bytes.len(), 100_000, 0] {
            let mut spool = Spool::new(memory_limit, None);
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
