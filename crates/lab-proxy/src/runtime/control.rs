//! Telling a running proxy something: `-s stop|quit|reload|reopen`, through its pid file.

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use lab_nginx_conf::parse_number;

/// What a proxy can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// SIGTERM: end at once.
    Stop,
    /// SIGQUIT: finish what has begun, then end.
    Quit,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: open the logs again.
    Reopen,
}

impl Order {
    /// By nginx's names.
    #[must_use]
    pub fn named(name: &str) -> Option<Order> {
        let order = match name {
            "stop" => Order::Stop,
            "quit" => Order::Quit,
            "reload" => Order::Reload,
            "reopen" => Order::Reopen,
            _ => return None,
        };
        Some(order)
    }

    fn signal(self) -> Signal {
        match self {
            Order::Stop => Signal::TERM,
            Order::Quit => Signal::QUIT,
            Order::Reload => Signal::HUP,
            Order::Reopen => Signal::USR1,
        }
    }
}

/// Why nobody could be told.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The configuration names no pid file.
    #[error("the configuration has no \"pid\" directive, so nobody knows which process is meant")]
    NoPidFile,
    /// The pid file cannot be read: nothing is running, most often.
    #[error("open() \"{}\" failed: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is something else in the pid file.
    #[error("invalid PID number \"{text}\" in \"{}\"", path.display())]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// What is in it.
        text: String,
    },
    /// The process is gone, or belongs to somebody else.
    #[error("kill({pid}) failed: {source}")]
    Kill {
        /// The process.
        pid: i32,
        /// Why.
        source: io::Error,
    },
}

/// Tells the proxy whose id is in `pid_file`.
///
/// # Errors
/// There is no such file, no process in it, or it cannot be signalled.
pub fn tell(pid_file: Option<&Path>, order: Order) -> Result<(), ControlError> {
    let path = pid_file.ok_or(ControlError::NoPidFile)?;
    let text = std::fs::read_to_string(path).map_err(|source| ControlError::Read { path: path.to_owned(), source })?;
    let text = text.trim();
    let pid = parse_number::<i32>(text).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| ControlError::NotANumber { path: path.to_owned(), text: text.to_owned() })?;
    kill_process(pid, order.signal())
        .map_err(|error| ControlError::Kill { pid: pid.as_raw_nonzero().get(), source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pid_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        assert!(matches!(tell(None, Order::Stop), Err(ControlError::NoPidFile)));
        assert!(matches!(tell(Some(&file), Order::Stop), Err(ControlError::Read { .. })));
        for text in ["", "x", "0", "-1", "99999999999"] {
            std::fs::write(&file, text).unwrap();
            assert!(matches!(tell(Some(&file), Order::Stop), Err(ControlError::NotANumber { .. })), "{text}");
        }
        // beyond what a system numbers
        std::fs::write(&file, "2147483647\n").unwrap();
        assert!(matches!(tell(Some(&file), Order::Reload), Err(ControlError::Kill { .. })));
    }
}
