//! Stacks: start, wait until ready, stop; logs and addresses.
//!
//! A stack is started as a user would start it, from the same files, but on ports that lab has bound before and in a
//! process tree that cannot outlive lab. Nothing here knows what a stack is for.

pub mod command;
pub mod container;
pub mod env_file;
pub mod guard;
pub mod guarded;
pub mod listener;
pub mod log_follower;
pub mod logs;
pub mod orphans;
pub mod prerequisites;
pub mod process;
pub mod ready;
pub mod relocate;
pub mod verify;
pub mod running;
pub mod component_spec;
pub mod recording;
mod app_environment;
mod app_module;
pub mod app_observer;
mod certificate;
mod container_addresses;
mod failure_cause;
mod image_programs;
mod nginx;
mod original_names;
pub mod relay;
mod server_settings;
pub mod service;
mod shell_command;
pub mod swarm;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

pub use crate::catalog::Role;

/// Why a stack could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operating system refused something.
    #[error("cannot {operation}")]
    Io { operation: String, source: std::io::Error },
    #[error("the {role} is not available: {reason}")]
    Unavailable {
        /// Which component.
        role: Role,
        /// Why.
        reason: String,
    },
    /// Its kind's command line cannot be filled in.
    #[error(transparent)]
    Command(#[from] command::MissingValue),
    /// The variables of the application cannot be read.
    #[error(transparent)]
    EnvFile(#[from] env_file::EnvFileError),
    /// A command that prepares the application or a service failed.
    #[error("{title} {outcome}: {command}{}", log_excerpt(log, &Some(last_lines.clone())))]
    ShellCommand {
        title: String,
        /// What happened: `ended with exit status: 1`.
        outcome: String,
        command: String,
        log: PathBuf,
        last_lines: String,
    },
    /// A service of the application is not installed.
    #[error("the service `{name}` is not available: {reason}")]
    NoService { name: String, reason: String },
    /// Only root may enter the network of a container.
    #[error(
        "the requests between proxy and server cannot be recorded in containers without root: run lab as root, or the \
         stack with `backend = \"process\"`"
    )]
    NotRecorded,
    /// The relay and the socket of the application's requests are on lab's machine.
    #[error(
        "the requests behind the proxy cannot be recorded in a swarm: select the checks without `expect.upstream`, \
         `expect.app` and `expect.cache`, or run the stack with `backend = \"process\"`"
    )]
    NotRecordedInSwarm,
    #[error("the service `{name}` {outcome}{}", log_excerpt(log, &Some(last_lines.clone())))]
    Service {
        name: String,
        /// What happened: `ended with exit status: 1 before it was ready`.
        outcome: String,
        log: PathBuf,
        last_lines: String,
    },
    /// A configuration cannot be relocated.
    #[error(transparent)]
    Relocate(#[from] relocate::RelocateError),
    /// The engine has no place for the run, or lab's image cannot be made.
    #[error(transparent)]
    Network(#[from] container::run_network::RunNetworkError),
    /// A swarm has no place for the component.
    #[error(transparent)]
    Swarm(#[from] swarm::SwarmError),
    /// A configuration that was relocated cannot be read again.
    #[error(transparent)]
    Configuration(#[from] lab_nginx_conf::ConfError),
    /// The component ended before it was ready.
    #[error(
        "the {role} ended with {status} before it was ready{}{}",
        cause_clause(cause),
        log_excerpt(log, last_lines)
    )]
    Ended {
        /// Which component.
        role: Role,
        /// How it ended.
        status: ExitStatus,
        /// Why, in one line, if its log says so.
        cause: Option<String>,
        /// Its log.
        log: PathBuf,
        /// The end of that log, unless the cause says all.
        last_lines: Option<String>,
    },
    /// The component's service ended before it was ready.
    #[error("{ended}{}{}", cause_clause(cause), log_excerpt(log, last_lines))]
    ServiceEnded {
        /// The role, the node and the engine's reason.
        ended: Box<swarm::TaskError>,
        /// Why, in one line, if its log says so.
        cause: Option<String>,
        log: PathBuf,
        /// The end of that log, unless the cause says all.
        last_lines: Option<String>,
    },
    /// The component did not answer in time.
    #[error("the {role} was not ready within {} s: {observed}{}", deadline.as_secs_f64(), log_excerpt(log, &Some(last_lines.clone())))]
    NotReady {
        /// Which component.
        role: Role,
        /// How long lab waited.
        deadline: Duration,
        /// What the last probe saw.
        observed: String,
        /// Its log.
        log: PathBuf,
        /// The end of that log.
        last_lines: String,
    },
}

/// `operation` is in the imperative, as in "create the folder".
fn io_error(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> StartError {
    let operation = operation.into();
    move |source| StartError::Io { operation, source }
}

fn create_folder(folder: &Path) -> Result<(), StartError> {
    std::fs::create_dir_all(folder).map_err(io_error(format!("create {}", folder.display())))
}

fn write_file(path: &Path, text: &str) -> Result<(), StartError> {
    std::fs::write(path, text).map_err(io_error(format!("write {}", path.display())))
}

/// The number of lines of a log that an error shows.
const EXCERPT_LINES: usize = 10;

fn cause_clause(cause: &Option<String>) -> String {
    cause.as_ref().map_or(String::new(), |cause| format!(": {cause}"))
}

/// A log's path and last lines, as they stand under an error.
fn log_excerpt(log: &Path, last_lines: &Option<String>) -> String {
    let mut text = format!("\n  log: {}", log.display());
    let Some(last_lines) = last_lines else { return text };
    if last_lines.is_empty() {
        text.push_str(" (empty)");
    }
    for line in last_lines.lines() {
        text.push_str("\n  | ");
        text.push_str(line);
    }
    text
}
