//! A spool file.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{FallocateFlags, fallocate};

use super::share::{Occupied, SpoolShare};

/// Bytes read back at a time.
pub(super) const BLOCK: usize = 64 * 1024;

/// The size in bytes from which closing takes a millisecond or more.
const SLOW_TO_CLOSE: u64 = 4 * 1024 * 1024;

/// The folder of this process, unless it is the system's.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Sets the folder of all spool files that are created without one. Only the first call has an effect.
pub fn set_folder(folder: PathBuf) {
    let _ = FOLDER.set(folder);
}

/// The folder of spool files that are created without one.
#[must_use]
pub fn default_folder() -> PathBuf {
    FOLDER.get().cloned().unwrap_or_else(std::env::temp_dir)
}

/// A file with writes at its end and reads at any position.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    length: u64,
    /// Bytes at the start whose space was given back.
    released: u64,
    occupied: Occupied,
}

/// A spool file that is read once, from its start.
#[derive(Debug)]
pub(super) struct SequentialFile {
    file: File,
    _occupied: Occupied,
}

impl SpoolFile {
    /// Creates an empty file in `folder`, or in the [default folder](default_folder). `share` bounds it together with the
    /// other spool files of this process.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to.
    pub fn new(folder: Option<&Path>, share: SpoolShare) -> io::Result<SpoolFile> {
        let file = match folder.or(FOLDER.get().map(PathBuf::as_path)) {
            Some(folder) => tempfile::tempfile_in(folder)?,
            None => tempfile::tempfile()?,
        };
        Ok(SpoolFile::from_file(file, share))
    }

    /// Makes an empty file a spool file. `share` bounds it together with the other spool files of this process.
    #[must_use]
    pub fn from_file(file: File, share: SpoolShare) -> SpoolFile {
        SpoolFile { file, length: 0, released: 0, occupied: Occupied::new(share) }
    }

    /// Another handle of the file, for readers of the bytes written so far.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn duplicate(&self) -> io::Result<SpoolFile> {
        let occupied = Occupied::new(SpoolShare::UNLIMITED);
        Ok(SpoolFile { file: self.file.try_clone()?, length: self.length, released: self.released, occupied })
    }

    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// # Errors
    /// The file cannot be written to, or would exceed the share ([`is_out_of_space`](super::is_out_of_space)).
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.occupied.grow(&self.file, bytes.len() as u64)?;
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Appends at most one block from `position` to `out`; returns its length in bytes, 0 at the end.
    pub fn read(&self, position: u64, out: &mut Vec<u8>) -> io::Result<usize> {
        let count = usize::try_from(self.length.saturating_sub(position)).unwrap_or(BLOCK).min(BLOCK);
        let start = out.len();
        out.resize(start + count, 0);
        self.file.read_exact_at(&mut out[start..], position)?;
        Ok(count)
    }

    /// Frees the space before `position`, which must not be read again. `position` is rounded down to a
    /// block. A file system that cannot do this keeps the space until the file ends.
    pub fn release_before(&mut self, position: u64) {
        let end = position.min(self.length) / BLOCK as u64 * BLOCK as u64;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if end > self.released && fallocate(&self.file, flags, self.released, end - self.released).is_ok() {
            self.occupied.shrink(end - self.released);
            self.released = end;
        }
    }

    /// Closes the file, a large one on another thread: the system frees its pages, which takes milliseconds that the other
    /// connections of a runtime would have to wait.
    pub fn close(self) {
        if self.length - self.released >= SLOW_TO_CLOSE
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn_blocking(|| drop(self));
        }
    }

    // Positioned writes leave the file's own position at its start.
    pub(super) fn into_sequential(self) -> SequentialFile {
        SequentialFile { file: self.file, _occupied: self.occupied }
    }
}

impl AsFd for SpoolFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Read for SequentialFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.file.read(into)
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
        let mut spool = SpoolFile::new(Some(folder.path()), SpoolShare::UNLIMITED).unwrap();
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
    fn released_space_is_given_back() {
        let mut spool = SpoolFile::new(None, SpoolShare::UNLIMITED).unwrap();
        let bytes = sample();
        spool.push(&bytes).unwrap();
        spool.release_before(150_000);
        let mut read = Vec::new();
        spool.read(150_000, &mut read).unwrap();
        assert_eq!(read, bytes[150_000..]);
        assert_eq!(spool.released, 2 * BLOCK as u64);
    }

    #[test]
    fn missing_folder_is_an_error() {
        assert!(SpoolFile::new(Some(Path::new("/nonexistent")), SpoolShare::UNLIMITED).is_err());
    }
}
