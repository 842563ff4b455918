//! The file that holds the master's process id (gunicorn's `pidfile`).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};

/// A pidfile that this process has written, and removes when it is dropped.
#[derive(Debug)]
pub struct Pidfile {
    path: PathBuf,
    pid: u32,
}

/// Why there is no pidfile.
#[derive(Debug, thiserror::Error)]
pub enum PidfileError {
    /// The process it names is alive.
    #[error("already running on PID {pid} (or pid file {} is stale)", .path.display())]
    Running {
        /// The file.
        path: PathBuf,
        /// The process.
        pid: i32,
    },
    /// It cannot be written.
    #[error("cannot write pid file {}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Pidfile {
    /// Writes the file, unless it names another process that is alive. One that names none, or nothing, is stale and
    /// replaced.
    ///
    /// # Errors
    /// Another server runs, or the file cannot be written.
    pub fn create(path: &Path) -> Result<Pidfile, PidfileError> {
        let failed = |error| PidfileError::Io { path: path.to_owned(), error };
        let path = std::path::absolute(path).map_err(failed)?;
        let pid = std::process::id();
        if let Some(other) = named(&path).filter(|other| u32::try_from(*other) != Ok(pid) && is_alive(*other)) {
            return Err(PidfileError::Running { path, pid: other });
        }
        // Written beside it and moved, so that nobody reads half a number.
        let write = || {
            let beside = path.with_extension(format!("{pid}.tmp"));
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&beside)?;
            writeln!(file, "{pid}")?;
            fs::rename(&beside, &path)
        };
        write().map_err(failed)?;
        Ok(Pidfile { path, pid })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        // Another server may have taken it over since.
        if named(&self.path).and_then(|pid| u32::try_from(pid).ok()) == Some(self.pid) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn named(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether there is such a process, of whatever user.
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
    fn it_is_there_as_long_as_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let pidfile = Pidfile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(pidfile);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_stale_one_is_replaced_and_that_of_a_living_process_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        for stale in ["4194305\n", "", "nothing"] {
            fs::write(&path, stale).unwrap();
            drop(Pidfile::create(&path).unwrap());
        }
        fs::write(&path, "1\n").unwrap();
        assert!(matches!(Pidfile::create(&path), Err(PidfileError::Running { pid: 1, .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
    }

    #[test]
    fn one_that_another_server_has_taken_over_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let pidfile = Pidfile::create(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(pidfile);
        assert!(path.exists());
    }
}
