//! Why the proxy did not start, or stopped.

use std::io;

use lab_net::pid_file::PidFileError;

use crate::logging::OpenError;
use crate::runtime::sockets::SocketError;

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Log(#[from] OpenError),
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
