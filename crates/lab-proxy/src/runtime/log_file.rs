//! A file that lines are appended to, and that can be opened anew under its name: `USR1`, after somebody moved it away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::RwLock;

/// One file, shared by all workers.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: RwLock<File>,
}

impl LogFile {
    /// Opens a file; what is not there is created.
    pub(crate) fn open(path: &Path) -> io::Result<LogFile> {
        Ok(LogFile { path: path.to_owned(), file: RwLock::new(append_to(path)?) })
    }

    /// Appends whole lines.
    pub(crate) fn append(&self, lines: &[u8]) -> io::Result<()> {
        // a thread that panicked has not harmed a file
        let file = self.file.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        (&*file).write_all(lines)
    }

    /// Opens what is under the name now. If that fails, lines go on into the old file.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let file = append_to(&self.path)?;
        *self.file.write().unwrap_or_else(std::sync::PoisonError::into_inner) = file;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let log = LogFile::open(&path).unwrap();
        log.append(b"one\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        log.append(b"two\n").unwrap();
        log.reopen().unwrap();
        log.append(b"three\n").unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("one\ntwo\n", "three\n"));
    }
}
