//! Where a log goes: a file that can be reopened, or one of the standard streams.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lab_net::log_file::LogFile;

#[derive(Debug)]
pub enum LogSink {
    Stdout,
    Stderr,
    File(LogFile),
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write log {}: {error}", .path.display())]
pub struct LogSinkError {
    path: PathBuf,
    error: io::Error,
}

impl LogSink {
    /// Opens a file for appending, and makes `owner` its owner, who may then move it (as gunicorn does).
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path, owner: (u32, u32)) -> Result<LogSink, LogSinkError> {
        // The current folder may have changed when the file is reopened.
        let file = std::path::absolute(path).and_then(|path| LogFile::open_as(&path, owner));
        file.map(LogSink::File).map_err(|error| LogSinkError { path: path.to_owned(), error })
    }

    /// Opens the file at the path again.
    ///
    /// # Errors
    /// The file cannot be opened. The old one then stays open.
    pub fn reopen(&self) -> io::Result<()> {
        match self {
            LogSink::Stdout | LogSink::Stderr => Ok(()),
            LogSink::File(file) => file.reopen(),
        }
    }
}

impl Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            LogSink::Stdout => io::stdout().write(bytes),
            LogSink::Stderr => io::stderr().write(bytes),
            LogSink::File(file) => file.append(bytes).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            LogSink::Stdout => io::stdout().flush(),
            LogSink::Stderr | LogSink::File(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unopenable_log_is_named() {
        let error = LogSink::open(Path::new("/nowhere/log"), (0, 0)).unwrap_err().to_string();
        assert!(error.starts_with("cannot write log /nowhere/log: "), "{error}");
    }
}
