//! The upgrade of a running server (gunicorn: "Upgrading to a new binary on the fly"). On SIGUSR2 the arbiter starts the
//! program again, as it was started itself, with the same listening sockets. Both serve until one is ended: SIGWINCH ends
//! the workers of the old arbiter, SIGHUP brings them back, and SIGTERM or SIGQUIT ends either arbiter.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, getppid};

use super::child::exit_status;
use super::worker_handle::describe_exit;
use super::{Arbiter, ArbiterHooks};
use crate::listen::Listener;
use crate::listener_source::{self, ListenerSource};
use crate::process::daemon;

/// The first descriptor behind the standard ones, where systemd passes sockets as well.
const FIRST_FD: i32 = 3;

/// How this program was started.
#[derive(Debug, Clone)]
pub struct StartCommand {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub folder: PathBuf,
}

/// The arbiter whose upgrade has started this process: its parent, by gunicorn's variable `GUNICORN_PID`. One that has
/// ended since is named as well.
#[must_use]
pub fn old_arbiter(variable: Option<&str>) -> Option<Pid> {
    Pid::from_raw(variable?.parse().ok()?)
}

impl Arbiter {
    /// Starts a new arbiter beside this one.
    pub(super) async fn upgrade(&mut self) {
        // This signal may be handled before that of a new arbiter's end.
        self.reap_new_arbiter();
        if self.new_arbiter.is_some() {
            return tracing::warn!("SIGUSR2 is ignored: there is a new arbiter already");
        }
        if self.old_arbiter.is_some() {
            return tracing::warn!("SIGUSR2 is ignored: the old arbiter still runs");
        }
        if let Some(fork_server) = &self.fork_server
            && let Err(error) = fork_server.call_hook(self.server_state(), "pre_exec").await
        {
            return tracing::error!("{error}; the server is not upgraded");
        }
        match self.new_arbiter_command().and_then(|mut command| command.spawn()) {
            Ok(process) => {
                tracing::info!("started the new arbiter {}", process.id());
                self.new_arbiter = Some(Pid::from_child(&process));
            }
            Err(error) => {
                tracing::error!("cannot start {} as the new arbiter: {error}", self.start_command.program.display());
            }
        }
    }

    fn new_arbiter_command(&self) -> io::Result<Command> {
        let mut command = Command::new(&self.start_command.program);
        command.args(&self.start_command.arguments).current_dir(&self.start_command.folder);
        for variable in daemon::VARIABLES.iter().chain(&listener_source::VARIABLES) {
            command.env_remove(variable);
        }
        // With reuse_port the others follow: the kernel drops the queue of a socket once its last descriptor is closed.
        let is_bound_here = !matches!(self.listener_source, ListenerSource::Systemd(_));
        let slots = self.slot_listeners.iter().flatten().filter(|_| is_bound_here);
        let mapping = |(listener, child_fd): (&Listener, i32)| {
            listener.as_fd().try_clone_to_owned().map(|parent_fd| FdMapping { parent_fd, child_fd })
        };
        let mappings =
            self.listeners.iter().chain(slots).zip(FIRST_FD..).map(mapping).collect::<io::Result<Vec<_>>>()?;
        let numbers: Vec<String> = mappings.iter().map(|mapping| mapping.child_fd.to_string()).collect();
        command.env("GUNICORN_PID", std::process::id().to_string());
        match self.listener_source {
            // The new arbiter itself adds LISTEN_PID, which is not known here.
            ListenerSource::Systemd(_) => command.env("LISTEN_FDS", numbers.len().to_string()),
            ListenerSource::Bind | ListenerSource::OldArbiter(_) => command.env("GUNICORN_FD", numbers.join(",")),
        };
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        Ok(command)
    }

    /// Keeps the first listeners for all workers, and gives those that follow them to the slots that had them in the old
    /// arbiter.
    pub(super) fn assign_slot_listeners(&mut self) {
        let count = self.worker_spec.config.bind.len();
        if let ListenerSource::OldArbiter(_) = self.listener_source
            && self.worker_spec.config.reuse_port
        {
            let mut rest = self.listeners.split_off(count.min(self.listeners.len()));
            while rest.len() >= count {
                let further = rest.split_off(count);
                self.slot_listeners.push(std::mem::replace(&mut rest, further));
            }
        }
    }

    /// Notices the end of the new arbiter, after which this one can be upgraded again.
    pub(super) fn reap_new_arbiter(&mut self) {
        let Some(pid) = self.new_arbiter else { return };
        if let Some(status) = exit_status(pid) {
            tracing::info!("the new arbiter {} {}", pid.as_raw_pid(), describe_exit(status));
            self.new_arbiter = None;
        }
    }

    /// Takes the place of the old arbiter when it has ended.
    pub(super) fn check_old_arbiter(&mut self, hooks: &mut dyn ArbiterHooks) {
        let Some(old_arbiter) = self.old_arbiter else { return };
        if getppid() == Some(old_arbiter) {
            return;
        }
        tracing::info!("the old arbiter {} has ended, and this one takes its place", old_arbiter.as_raw_pid());
        self.old_arbiter = None;
        if let ListenerSource::OldArbiter(_) = self.listener_source {
            self.listeners.iter_mut().for_each(Listener::own_path);
        }
        hooks.promoted();
    }
}
