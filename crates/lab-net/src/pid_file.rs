//! The file with the process id of a server.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};

/// A file with this process's id. Dropping it removes the file, unless another server has overwritten it.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

/// Why there is no pid file.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// The process in the file is alive.
    #[error("already running on PID {pid} (or pid file {} is stale)", .path.display())]
    Running { path: PathBuf, pid: i32 },
    #[error("cannot write pid file {}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl PidFile {
    /// Writes the file as gunicorn's `pidfile`, unless it names another live process. A stale file is replaced.
    ///
    /// # Errors
    /// Another server runs, or the file cannot be written.
    pub fn create(path: &Path) -> Result<PidFile, PidFileError> {
        let failed = |source| PidFileError::Io { path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(failed)?;
        if let Some(pid) = read_pid(&path).filter(|pid| !is_own(*pid) && is_alive(*pid)) {
            return Err(PidFileError::Running { path, pid });
        }
        // Renamed into place, so no reader sees half a number.
        let write = || {
            let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
            writeln!(file, "{}", std::process::id())?;
            fs::rename(&temporary, &path)
        };
        write().map_err(failed)?;
        Ok(PidFile { path })
    }

    /// Overwrites the file in place, as nginx does for `pid`; the path may be `/dev/null`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn overwrite(path: &Path) -> Result<PidFile, PidFileError> {
        let failed = |source| PidFileError::Io { path: path.to_owned(), source };
        fs::write(path, format!("{}\n", std::process::id())).map_err(failed)?;
        Ok(PidFile { path: path.to_owned() })
    }

    /// Checks that the file can be written, and creates it if it does not exist, as `nginx -t` does.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn check(path: &Path) -> Result<(), PidFileError> {
        let opened = fs::OpenOptions::new().append(true).create(true).open(path);
        opened.map(drop).map_err(|source| PidFileError::Io { path: path.to_owned(), source })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if read_pid(&self.path).is_some_and(is_own) {
            _ = fs::remove_file(&self.path);
        }
    }
}

fn read_pid(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn is_own(pid: i32) -> bool {
    u32::try_from(pid) == Ok(std::process::id())
}

/// Whether the process exists, under any user.
fn is_alive(pid: i32) -> bool {
    match Pid::from_raw(pid).map(test_kill_process) {
        Some(Ok(())) => true,
        Some(Err(errno)) => errno == rustix::io::Errno::PERM,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_file_lives_as_long_as_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        for write in [PidFile::create, PidFile::overwrite] {
            let pid_file = write(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
            drop(pid_file);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn only_stale_pid_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        for stale in ["4194305\n", "", "nothing"] {
            fs::write(&path, stale).unwrap();
            drop(PidFile::create(&path).unwrap());
        }
        fs::write(&path, "1\n").unwrap();
        assert!(matches!(PidFile::create(&path), Err(PidFileError::Running { pid: 1, .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        drop(PidFile::overwrite(&path).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn pid_file_of_another_server_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let pid_file = PidFile::create(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(pid_file);
        assert!(path.exists());
    }
}
