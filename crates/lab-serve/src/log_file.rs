//! A file that lines are appended to, and that can be opened anew after it was moved away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where lines go.
#[derive(Debug)]
pub enum LogFile {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file.
    File {
        /// Where it is, however the current folder changes.
        path: PathBuf,
        /// It.
        file: File,
        /// Whom it belongs to, if this process may decide on that.
        owner: (u32, u32),
    },
}

/// Why a log cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write log {}: {error}", .path.display())]
pub struct LogFileError {
    path: PathBuf,
    error: io::Error,
}

impl LogFile {
    /// Opens a file for appending. It is given to `owner`, so that the server's user may move it (as gunicorn does).
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path, owner: (u32, u32)) -> Result<LogFile, LogFileError> {
        let failed = |error| LogFileError { path: path.to_owned(), error };
        let path = std::path::absolute(path).map_err(failed)?;
        let file = append(&path, owner).map_err(failed)?;
        Ok(LogFile::File { path, file, owner })
    }

    /// Opens the file anew.
    ///
    /// # Errors
    /// It cannot be opened; the one that was open stays so.
    pub fn reopen(&mut self) -> io::Result<()> {
        if let LogFile::File { path, file, owner } = self {
            *file = append(path, *owner)?;
        }
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            LogFile::Stdout => io::stdout().write(bytes),
            LogFile::Stderr => io::stderr().write(bytes),
            LogFile::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            LogFile::Stdout => io::stdout().flush(),
            LogFile::Stderr | LogFile::File { .. } => Ok(()),
        }
    }
}

fn append(path: &Path, owner: (u32, u32)) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if owner != own {
        // It may well be a device like /dev/null.
        let _ = std::os::unix::fs::fchown(&file, Some(owner.0), Some(owner.1));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let mut log = LogFile::open(&path, own).unwrap();
        log.write_all(b"one\n").unwrap();
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        log.write_all(b"two\n").unwrap();
        log.reopen().unwrap();
        log.write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("old")).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn one_that_cannot_be_opened_is_named() {
        let error = LogFile::open(Path::new("/nowhere/log"), (0, 0)).unwrap_err().to_string();
        assert!(error.starts_with("cannot write log /nowhere/log: "), "{error}");
    }
}
