//! The fork server: a Python process that forks the workers, so that each starts without the start of an interpreter. It
//! runs the server hooks that gunicorn runs in its arbiter, and loads a preloaded application.
//!
//! A worker is forked twice, and the process in between ends at once. This process is a subreaper, so the worker becomes
//! its child, like a worker that it has started itself: signals, heartbeats and exit status are the same.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::{Command, Stdio};
use std::time::Duration;

use lab_worker::bootstrap::WorkerSettings;
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::child::{SpawnError, exit_status, spawn};
use super::handover::{self, HandoverError, WorkerBootstrap};
use super::worker_spec::WorkerSpec;
use crate::logging::log_sinks::LogSinks;

/// The longest reply.
const LONGEST_REPLY: usize = 64 * 1024;
/// How often the end of the process is checked.
const END_POLL: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct ForkServer {
    pub(super) pid: Pid,
    /// Of the kind that keeps the boundaries of messages (unix(7): `SOCK_SEQPACKET`).
    control: UnixStream,
}

/// The state of the arbiter that server hooks see.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ServerState {
    pub(super) num_workers: usize,
    /// The listeners as URLs.
    pub(super) listeners: Vec<String>,
    /// The old arbiter of an upgrade, as long as it runs; otherwise 0.
    pub(super) master_pid: u32,
    /// The new arbiter of an upgrade; otherwise 0.
    pub(super) reexec_pid: u32,
}

#[derive(Debug, Serialize)]
struct Request<'a> {
    server: ServerState,
    #[serde(flatten)]
    action: Action<'a>,
}

/// What the fork server is asked to do.
#[derive(Debug, Serialize)]
#[serde(tag = "request", rename_all = "snake_case")]
enum Action<'a> {
    /// Sets the process up, and evaluates the configuration file if functions or classes of the file are needed.
    Configure {
        settings: &'a WorkerSettings,
        keeps_former: bool,
    },
    /// Loads the application, unless it is loaded already.
    LoadApplication,
    /// Returns to the former configuration.
    RestoreConfiguration,
    CallHook {
        hook: &'static str,
    },
    /// Reopens the log files of the logger that the configuration sets up.
    ReopenLogs,
    /// Calls `nworkers_changed`.
    ChangeWorkerCount {
        before: Option<usize>,
    },
    /// Calls `child_exit`.
    ReportExit {
        pid: u32,
    },
    /// Calls `pre_fork`, and forks a worker.
    Fork {
        bootstrap: &'a WorkerBootstrap,
    },
}

impl Action<'_> {
    /// The code that an exception comes from.
    fn origin(&self) -> String {
        let hook = match self {
            Action::Configure { .. } | Action::LoadApplication | Action::RestoreConfiguration => {
                return "the configuration".to_owned();
            }
            Action::ReopenLogs => return "the logger's reopen_files".to_owned(),
            Action::CallHook { hook } => hook,
            Action::ChangeWorkerCount { .. } => "nworkers_changed",
            Action::ReportExit { .. } => "child_exit",
            Action::Fork { .. } => "pre_fork",
        };
        format!("the server hook {hook}")
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Done,
    /// The process id of the new worker.
    Forked(i32),
    /// The exception of a hook.
    Raised(String),
    /// The hook raised SystemExit with this code.
    Exited(u8),
    /// The application cannot be loaded; the exit code of a worker in this case.
    NotLoaded(u8),
}

/// Why the fork server did not carry out a command.
#[derive(Debug, thiserror::Error)]
pub enum ForkServerError {
    #[error("{origin} raised {exception}")]
    Raised { origin: String, exception: String },
    #[error("{origin} raised SystemExit")]
    Exited { origin: String, code: u8 },
    /// The application cannot be preloaded. Python has printed the reason.
    #[error("the fork server failed to load the application")]
    NotLoaded(u8),
    /// It has ended, or does not speak the protocol.
    #[error("the fork server does not reply: {0}")]
    Gone(io::Error),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

impl ForkServer {
    /// Starts and configures the fork server; None for a native application. Call it on the main thread: the kernel kills the
    /// process when the thread that started it ends.
    pub(super) async fn start(
        spec: &WorkerSpec,
        state: ServerState,
        sinks: &mut LogSinks,
    ) -> Result<Option<ForkServer>, ForkServerError> {
        let Some(command) = spec.fork_server_command() else { return Ok(None) };
        let fork_server = ForkServer::start_process(command, spec, sinks).map_err(ForkServerError::Spawn)?;
        fork_server.configure(state, spec, false).await?;
        Ok(Some(fork_server))
    }

    fn start_process(mut command: Command, spec: &WorkerSpec, sinks: &mut LogSinks) -> Result<ForkServer, SpawnError> {
        set_child_subreaper(Some(getpid())).map_err(io::Error::from)?;
        let (ours, theirs) = handover::socket_pair()?;
        let ours = std::os::unix::net::UnixStream::from(ours);
        ours.set_nonblocking(true)?;
        let control = UnixStream::from_std(ours)?;
        command.stdin(Stdio::from(theirs));
        let pid = spawn(command, spec, sinks)?;
        tracing::debug!("started the fork server {}", pid.as_raw_pid());
        Ok(ForkServer { pid, control })
    }

    /// Configures the process. `keeps_former` is whether the configuration to return to stays the one it is,
    /// because the present one is that of an incomplete reload.
    pub(super) async fn configure(
        &self,
        state: ServerState,
        spec: &WorkerSpec,
        keeps_former: bool,
    ) -> Result<(), ForkServerError> {
        let settings = spec.settings(&[], 0, None);
        self.act(state, Action::Configure { settings: &settings, keeps_former }).await
    }

    /// Loads the application if it is to be preloaded, and is not loaded already.
    pub(super) async fn preload(&self, state: ServerState, spec: &WorkerSpec) -> Result<(), ForkServerError> {
        if spec.config.preload_app { self.act(state, Action::LoadApplication).await } else { Ok(()) }
    }

    /// Returns to the former configuration. The error says that there is none.
    pub(super) async fn restore_configuration(&self, state: ServerState) -> Result<(), ForkServerError> {
        self.act(state, Action::RestoreConfiguration).await
    }

    /// Reopens the log files that the process has open, and its workers inherit.
    pub(super) async fn reopen_logs(&self, state: ServerState) -> Result<(), ForkServerError> {
        self.act(state, Action::ReopenLogs).await
    }

    /// Calls a hook whose only argument is the server.
    pub(super) async fn call_hook(&self, state: ServerState, hook: &'static str) -> Result<(), ForkServerError> {
        self.act(state, Action::CallHook { hook }).await
    }

    /// Calls `nworkers_changed`.
    pub(super) async fn change_worker_count(
        &self,
        state: ServerState,
        before: Option<usize>,
    ) -> Result<(), ForkServerError> {
        self.act(state, Action::ChangeWorkerCount { before }).await
    }

    /// Calls `child_exit`.
    pub(super) async fn report_exit(&self, state: ServerState, pid: u32) -> Result<(), ForkServerError> {
        self.act(state, Action::ReportExit { pid }).await
    }

    /// Calls `pre_fork` and forks a worker, which is a child of this process.
    pub(super) async fn fork(
        &self,
        state: ServerState,
        bootstrap: &WorkerBootstrap,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Pid, ForkServerError> {
        match self.request(state, Action::Fork { bootstrap }, fds).await? {
            Reply::Forked(pid) => Pid::from_raw(pid).ok_or_else(unexpected),
            _ => Err(unexpected()),
        }
    }

    async fn act(&self, state: ServerState, action: Action<'_>) -> Result<(), ForkServerError> {
        match self.request(state, action, &[]).await? {
            Reply::Done => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// Sends a request and waits for its reply. The socket is empty between two requests, so sending does not block.
    async fn request(
        &self,
        server: ServerState,
        action: Action<'_>,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Reply, ForkServerError> {
        let origin = action.origin();
        let document = serde_json::to_vec(&Request { server, action }).map_err(|error| gone(error.into()))?;
        handover::send_message(self.control.as_fd(), &document, fds).map_err(|error| match error {
            HandoverError::Io(error) => gone(error),
            other => SpawnError::Handover(other).into(),
        })?;
        let mut reply = vec![0; LONGEST_REPLY];
        let read = || Ok(rustix::io::read(&self.control, &mut reply)?);
        let length = self.control.async_io(Interest::READABLE, read).await.map_err(gone)?;
        if length == 0 {
            return Err(gone(io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_slice(&reply[..length]).map_err(|error| gone(error.into()))? {
            Reply::Raised(exception) => Err(ForkServerError::Raised { origin, exception }),
            Reply::Exited(code) => Err(ForkServerError::Exited { origin, code }),
            Reply::NotLoaded(code) => Err(ForkServerError::NotLoaded(code)),
            reply => Ok(reply),
        }
    }

    /// Ends the fork server. Its exit handlers may take as long as `limit`.
    pub(super) async fn end(self, limit: Duration) {
        let ForkServer { pid, control } = self;
        drop(control);
        let wait = async {
            while exit_status(pid).is_none() {
                sleep(END_POLL).await;
            }
        };
        if timeout(limit, wait).await.is_err() {
            tracing::warn!("killing the fork server, which did not end within {limit:?}");
            // Fails only for a process that has just ended.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn gone(error: io::Error) -> ForkServerError {
    ForkServerError::Gone(error)
}

fn unexpected() -> ForkServerError {
    gone(io::Error::other("unexpected reply"))
}
