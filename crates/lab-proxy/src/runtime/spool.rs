//! Bytes that wait: their beginning in memory, the rest in a file without a name, which is gone when nobody needs it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much is read back at a time, in bytes.
const BLOCK: usize = 64 * 1024;

/// A file that is written at its end and read from anywhere.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    length: u64,
}

impl Spool {
    /// An empty one in `folder`, or where the system has such files.
    pub(crate) fn new(folder: Option<&Path>) -> io::Result<Spool> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lab-proxy-{}-{number}", std::process::id());
        let path = folder.map_or_else(std::env::temp_dir, Path::to_owned).join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Spool { file, length: 0 })
    }

    /// How many bytes there are.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Appends the bytes from `position` on to `out`, one block of them at most; returns how many.
    pub(crate) fn read(&self, position: u64, out: &mut Vec<u8>) -> io::Result<usize> {
        let count = usize::try_from(self.length.saturating_sub(position)).unwrap_or(BLOCK).min(BLOCK);
        let start = out.len();
        out.resize(start + count, 0);
        self.file.read_exact_at(&mut out[start..], position)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_read_back_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(Some(folder.path())).unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
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
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(Spool::new(Some(Path::new("/nonexistent"))).is_err());
    }
}
