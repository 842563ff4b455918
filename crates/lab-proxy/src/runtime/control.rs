//! Signals to a running proxy: `-s stop|quit|reload|reopen`, through its pid file.

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use lab_nginx_conf::parse_number;

/// The signals of `-s`, by nginx's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlSignal {
    /// SIGTERM: end at once.
    Stop,
    /// SIGQUIT: finish the requests in progress, then end.
    Quit,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: open the logs again.
    Reopen,
}

impl ControlSignal {
    #[must_use]
    pub fn from_name(name: &str) -> Option<ControlSignal> {
        let signal = match name {
            "stop" => ControlSignal::Stop,
            "quit" => ControlSignal::Quit,
            "reload" => ControlSignal::Reload,
            "reopen" => ControlSignal::Reopen,
            _ => return None,
        };
        Some(signal)
    }

    fn number(self) -> Signal {
        match self {
            ControlSignal::Stop => Signal::TERM,
            ControlSignal::Quit => Signal::QUIT,
            ControlSignal::Reload => Signal::HUP,
            ControlSignal::Reopen => Signal::USR1,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("the configuration has no \"pid\" directive, so the process to signal is unknown")]
    NoPidFile,
    /// The pid file cannot be read. Usually the proxy is not running.
    #[error("open() \"{}\" failed: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("invalid PID number \"{text}\" in \"{}\"", path.display())]
    InvalidPid { path: PathBuf, text: String },
    /// The process has ended, or belongs to another user.
    #[error("kill({pid}) failed: {source}")]
    Kill { pid: i32, source: io::Error },
}

/// Sends a signal to the process whose id is in `pid_file`.
///
/// # Errors
/// The file cannot be read or has no process id, or the process cannot be signalled.
pub fn send(pid_file: Option<&Path>, signal: ControlSignal) -> Result<(), ControlError> {
    let path = pid_file.ok_or(ControlError::NoPidFile)?;
    let text = std::fs::read_to_string(path).map_err(|source| ControlError::Read { path: path.to_owned(), source })?;
    let text = text.trim();
    let pid = parse_number::<i32>(text).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| ControlError::InvalidPid { path: path.to_owned(), text: text.to_owned() })?;
    kill_process(pid, signal.number())
        .map_err(|error| ControlError::Kill { pid: pid.as_raw_nonzero().get(), source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_pids_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        assert!(matches!(send(None, ControlSignal::Stop), Err(ControlError::NoPidFile)));
        assert!(matches!(send(Some(&file), ControlSignal::Stop), Err(ControlError::Read { .. })));
        for text in ["", "x", "0", "-1", "99999999999"] {
            std::fs::write(&file, text).unwrap();
            assert!(matches!(send(Some(&file), ControlSignal::Stop), Err(ControlError::InvalidPid { .. })), "{text}");
        }
        // larger than any process id
        std::fs::write(&file, "2147483647\n").unwrap();
        assert!(matches!(send(Some(&file), ControlSignal::Reload), Err(ControlError::Kill { .. })));
    }
}
