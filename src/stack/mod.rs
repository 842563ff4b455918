//! Stacks: start, wait until ready, stop; logs and addresses.
//!
//! A stack is started as a user would start it, from the same files, but on ports that lab has bound before and in a
//! process tree that cannot outlive lab. Nothing here knows what is asked of a stack, or why.

pub mod command;
pub mod container;
pub mod guard;
pub mod guarded;
pub mod listener;
pub mod prerequisites;
pub mod process;
pub mod ready;
pub mod relocate;
pub mod verify;
pub mod running;
pub mod component_spec;
mod image_programs;
mod nginx;

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

pub use crate::catalog::Role;

/// Why a stack could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operating system refused something.
    #[error("cannot {operation}")]
    Io {
        operation: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not to be had on this machine.
    #[error("the {role} is not to be had: {reason}")]
    Unavailable {
        /// Which component.
        role: Role,
        /// Why.
        reason: String,
    },
    /// Its kind's command line cannot be filled in.
    #[error(transparent)]
    Command(#[from] command::MissingValue),
    /// A configuration cannot be relocated.
    #[error(transparent)]
    Relocate(#[from] relocate::RelocateError),
    /// The engine has no place for the run, or lab's image cannot be made.
    #[error(transparent)]
    Network(#[from] container::run_network::RunNetworkError),
    /// A configuration that was relocated cannot be read again.
    #[error(transparent)]
    Configuration(#[from] lab_nginx_conf::ConfError),
    /// The component ended before it was ready.
    #[error("the {role} ended with {status} before it was ready{}", log_excerpt(log, last_lines))]
    Ended {
        /// Which component.
        role: Role,
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The end of that log.
        last_lines: String,
    },
    /// The component did not answer in time.
    #[error("the {role} was not ready within {} s: {observed}{}", deadline.as_secs_f64(), log_excerpt(log, last_lines))]
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

/// How much of a log's end an error shows.
const EXCERPT_LINES: usize = 10;

/// A log's path and last lines, as they stand under an error.
fn log_excerpt(log: &std::path::Path, last_lines: &str) -> String {
    let mut text = format!("\n  log: {}", log.display());
    if last_lines.is_empty() {
        text.push_str(" (empty)");
    }
    for line in last_lines.lines() {
        text.push_str("\n  | ");
        text.push_str(line);
    }
    text
}
