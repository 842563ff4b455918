//! Log files that can be reopened after logrotate moved them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use rustix::process::{getegid, geteuid};

/// A file that lines are appended to. Threads may share it.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    owner: Option<(u32, u32)>,
    file: RwLock<File>,
}

impl LogFile {
    /// Opens or creates a file.
    pub fn open(path: &Path) -> io::Result<LogFile> {
        LogFile::new(path, None)
    }

    /// Like [`open`](LogFile::open), and changes the file's owner to a user and group, who can then move it.
    pub fn open_as(path: &Path, owner: (u32, u32)) -> io::Result<LogFile> {
        LogFile::new(path, Some(owner))
    }

    fn new(path: &Path, owner: Option<(u32, u32)>) -> io::Result<LogFile> {
        Ok(LogFile { path: path.to_owned(), owner, file: RwLock::new(append_to(path, owner)?) })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends whole lines.
    pub fn append(&self, lines: &[u8]) -> io::Result<()> {
        // a panic in another thread does not damage the file
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        (&*file).write_all(lines)
    }

    /// Opens the file at the path again. On failure, lines still go to the old file.
    pub fn reopen(&self) -> io::Result<()> {
        let file = append_to(&self.path, self.owner)?;
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }
}

fn append_to(path: &Path, owner: Option<(u32, u32)>) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    if let Some((user, group)) = owner
        && (user, group) != (geteuid().as_raw(), getegid().as_raw())
    {
        // best effort: the path may be a device like /dev/null
        _ = fchown(&file, Some(user), Some(group));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reopened_log_starts_a_new_file() {
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

    #[test]
    fn failed_reopen_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, moved) = (folder.path().join("logs"), folder.path().join("moved"));
        std::fs::create_dir(&inside).unwrap();
        let log = LogFile::open(&inside.join("log")).unwrap();
        std::fs::rename(&inside, &moved).unwrap();
        assert!(log.reopen().is_err());
        log.append(b"one\n").unwrap();
        assert_eq!(std::fs::read_to_string(moved.join("log")).unwrap(), "one\n");
    }
}
