//! The workers of a master: how one is started, told something, and seen to have ended.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::Duration;
use std::{env, io};

use lab_worker::worker_settings::{HeaderMapPolicy, InheritedSocket, WorkerSettings};
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::handover::{self, HandoverError, Identity, Orders};
use crate::heartbeat::{Condition, Heartbeat};
use crate::interpreter::{self, InterpreterError};
use crate::journal::{self, Journal};
use crate::listen::Listener;
use crate::log::ErrorLog;
use crate::settings::Config;

/// A worker that lives shorter than this and fails has not done its work, and is replaced with a delay.
pub(super) const SHORT_LIFE: Duration = Duration::from_secs(1);
/// The delay after one short life; every further one doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// What every worker of one generation is made from.
#[derive(Debug)]
pub struct Plan {
    /// The settings.
    pub config: Config,
    /// What runs the workers: a Python interpreter, or for a native app lab itself.
    pub python: Option<PathBuf>,
    /// Environment variables that the configuration sets, and (None) removes.
    pub environment: BTreeMap<String, Option<String>>,
}

/// A worker.
#[derive(Debug)]
pub(super) struct Member {
    process: Child,
    heartbeat: Heartbeat,
    /// Which reload it belongs to.
    pub(super) generation: u64,
    /// Which of the sockets it serves, where each worker has its own.
    pub(super) seat: usize,
    pub(super) started: Instant,
    /// When it was told to end.
    pub(super) dismissed: Option<Instant>,
    /// When it was told to abort, having been silent for too long.
    pub(super) aborted: Option<Instant>,
    /// Whether it serves.
    pub(super) ready: bool,
}

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing could be handed over.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// There can be no notes where `worker_tmp_dir` says.
    #[error("cannot keep the notes of a worker in worker_tmp_dir {folder:?}, a folder to write to would do: {error}")]
    Notes {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system refused.
    #[error("cannot start a worker: {0}")]
    Io(#[from] io::Error),
}

/// Where a worker's reports go.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) journal: Rc<RefCell<Journal>>,
    pub(super) log: ErrorLog,
    /// What still reads; each ends with its worker.
    pub(super) readers: Vec<JoinHandle<()>>,
}

impl Member {
    /// Starts a worker around `sockets`. To be called on the main thread: with that of its master a worker dies.
    pub(super) fn start(
        plan: &Plan,
        sockets: &[Listener],
        (age, generation, seat): (u64, u64, usize),
        desk: &mut Desk,
    ) -> Result<Member, StartError> {
        let config = &plan.config;
        let now = Instant::now();
        let folder = config.process.worker_tmp_dir.as_deref();
        let heartbeat = Heartbeat::new(folder, now).map_err(|error| match folder {
            Some(folder) => StartError::Notes { folder: folder.to_owned(), error },
            None => error.into(),
        })?;
        let mut orders = orders(plan, sockets, age);
        orders.settings.access_log = desk.journal.borrow().wanted();
        let records = orders.settings.access_log.is_some().then(pipe).transpose()?;
        let fds: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
        let access = records.as_ref().map(|(_, writer)| writer.as_fd());
        let mut command = command(plan, &orders.name);
        command.stdin(handover::give(&orders, &fds, heartbeat.file().as_fd(), access)?);
        let words = if config.logs.errorlog == "-" { None } else { Some(pipe()?) };
        if let Some((_, writer)) = &words {
            command.stderr(Stdio::from(writer.try_clone()?));
            if config.logs.capture_output {
                command.stdout(Stdio::from(writer.try_clone()?));
            }
        }
        let process = command.spawn()?;
        // Holds the writers of the pipes as well, of which nobody else may be left when the worker has ended.
        drop(command);
        let pid = process.id();
        if let Some((reader, _)) = records {
            desk.readers.push(journal::record(reader, pid, Rc::clone(&desk.journal))?);
        }
        if let Some((reader, _)) = words {
            desk.readers.push(journal::pass_on(reader, desk.log.clone())?);
        }
        desk.readers.retain(|reader| !reader.is_finished());
        tracing::info!("started worker {pid}");
        Ok(Member { process, heartbeat, generation, seat, started: now, dismissed: None, aborted: None, ready: false })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal. It has not been waited for, so that its number cannot be another process's.
    pub(super) fn tell(&self, signal: Signal) {
        // A process that has just ended does not need to be told.
        let _ = kill_process(Pid::from_child(&self.process), signal);
    }

    /// Lets it finish what it is in, and end.
    pub(super) fn dismiss(&mut self, now: Instant) {
        if self.dismissed.is_none() {
            self.dismissed = Some(now);
            self.tell(Signal::TERM);
        }
    }

    /// How it is.
    pub(super) fn check(&mut self, now: Instant, timeout: Duration) -> Condition {
        let condition = self.heartbeat.check(now, timeout);
        self.ready |= condition == Condition::Alive;
        condition
    }

    /// Kills it and waits for its end.
    pub(super) fn kill(&mut self) {
        // A process that has just ended can neither be killed nor needs to be.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Removes the workers that have ended, with how they did.
pub(super) fn take_ended(members: &mut Vec<Member>) -> Vec<(Member, ExitStatus)> {
    let (mut ended, mut alive) = (Vec::new(), Vec::new());
    for mut member in members.drain(..) {
        match member.process.try_wait() {
            Ok(Some(status)) => ended.push((member, status)),
            _ => alive.push(member),
        }
    }
    *members = alive;
    ended
}

/// How long to wait before a worker is replaced, after so many short lives in a row: against restart storms.
pub(super) fn restart_delay(short_lives: u32) -> Duration {
    match short_lives {
        0 => Duration::ZERO,
        lives => FIRST_DELAY.saturating_mul(1 << (lives - 1).min(10)).min(LONGEST_DELAY),
    }
}

pub(super) fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, code) => format!("exited with code {}", code.unwrap_or_default()),
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// This very program, even if its file has been replaced since it was started.
fn command(plan: &Plan, name: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(name).arg("serve-worker");
    furnish(&mut command, plan);
    command
}

/// Gives a command the environment of a worker.
fn furnish(command: &mut Command, plan: &Plan) {
    for (name, value) in &plan.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    for variable in crate::daemon::VARIABLES.iter().chain(&crate::listen::VARIABLES) {
        command.env_remove(variable);
    }
    command.envs(plan.config.raw_env.iter().filter_map(|pair| pair.split_once('=')));
}

/// Loads the application as a worker would (gunicorn's `check_config`).
///
/// # Errors
/// It cannot be loaded.
pub fn check_application(plan: &Plan) -> Result<(), InterpreterError> {
    let Some(python) = &plan.python else { return Ok(()) };
    let config = &plan.config;
    let mut command = Command::new(python);
    furnish(&mut command, plan);
    let settings = serde_json::json!({
        "app": config.app, "chdir": config.chdir, "pythonpath": config.pythonpath, "raw_env": config.raw_env,
    });
    interpreter::load_application(command, &config.app, &settings)
}

/// What one worker is told; but for the access log, which is not its master's alone to decide.
fn orders(plan: &Plan, sockets: &[Listener], age: u64) -> Orders {
    let config = &plan.config;
    let trust = &config.trust;
    // Descriptors are numbered where they arrive.
    let socket = |listener: &Listener| InheritedSocket { fd: 0, address: listener.address.clone() };
    let settings = WorkerSettings {
        app: config.app.clone(),
        master: i32::try_from(std::process::id()).unwrap_or_default(),
        sockets: sockets.iter().map(socket).collect(),
        chdir: Some(config.chdir.clone()),
        pythonpath: config.pythonpath.clone(),
        raw_env: config.raw_env.clone(),
        age,
        workers: u32::try_from(config.workers).unwrap_or(u32::MAX),
        threads: config.threads,
        worker_connections: config.worker_connections,
        max_requests: config.max_requests,
        max_requests_jitter: config.max_requests_jitter,
        timeout_s: config.timeout.as_secs(),
        graceful_timeout_s: config.graceful_timeout.as_secs(),
        keepalive_s: config.keepalive.as_secs(),
        limit_request_line: config.limit_request_line,
        limit_request_fields: config.limit_request_fields,
        limit_request_field_size: config.limit_request_field_size,
        forwarded_allow_ips: trust.forwarded_allow_ips.clone(),
        secure_scheme_headers: trust.secure_scheme_headers.iter().cloned().collect(),
        forwarder_headers: trust.forwarder_headers.clone(),
        header_map: match trust.header_map.as_str() {
            "refuse" => HeaderMapPolicy::Refuse,
            "dangerous" => HeaderMapPolicy::Dangerous,
            _ => HeaderMapPolicy::Drop,
        },
        tls: config.tls.clone(),
        proxy_protocol: config.proxy_protocol,
        proxy_allow_ips: trust.proxy_allow_ips.clone(),
        loglevel: config.logs.loglevel.as_str().to_lowercase(),
        access_log: None,
    };
    let process = &config.process;
    Orders {
        settings,
        python: plan.python.clone(),
        name: format!("lab: worker [{}]", process.name),
        identity: Identity { user: process.user, group: process.group, initgroups: process.initgroups },
    }
}

/// The folders that code is looked for in, for `reload`.
pub(super) fn code_folders(config: &Config) -> Vec<PathBuf> {
    let paths = config.pythonpath.iter().map(PathBuf::from);
    let inherited = env::var_os("PYTHONPATH").unwrap_or_default();
    let mut folders: Vec<_> =
        std::iter::once(config.chdir.clone()).chain(paths).chain(env::split_paths(&inherited)).collect();
    folders.retain(|folder| folder.is_absolute());
    folders.dedup();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lives_slow_restarts_down() {
        let millis: Vec<_> = (0..9).map(|lives| restart_delay(lives).as_millis()).collect();
        assert_eq!(millis, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(restart_delay(u32::MAX), LONGEST_DELAY);
    }
}
