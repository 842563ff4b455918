//! The errors that keep the proxy from starting, or end it.

use std::io;

use lab_net::pid_file::PidFileError;
use lab_nginx_conf::ConfError;

use crate::cache::CacheZoneError;
use crate::logging::LogFileError;
use crate::runtime::sockets::SocketError;
use crate::runtime::temp_folders::TempFolderError;

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    TempFolder(#[from] TempFolderError),
    #[error(transparent)]
    CacheZone(#[from] CacheZoneError),
    #[error(transparent)]
    Log(#[from] LogFileError),
    /// A certificate or another file of TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] ConfError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    /// The system refused a thread, a signal handler or an event queue.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    /// A worker ended without a signal.
    #[error("a worker ended unexpectedly")]
    Worker,
}
