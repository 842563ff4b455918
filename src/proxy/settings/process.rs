//! The main level and `events`: what concerns the whole process.

use std::path::{Path, PathBuf};

use super::super::conf::{ConfError, Directive};
use super::logs::ErrorLog;

/// What the process as a whole is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// `worker_processes`: how many workers, or one for every core the process may run on.
    pub workers: Workers,
    /// `worker_connections`: how many connections of clients one worker holds at a time; nginx counts those to upstreams
    /// as well.
    pub worker_connections: usize,
    /// `pid`: where the process id is written. Without the directive none is written, unlike nginx.
    pub pid: Option<PathBuf>,
    /// `error_log` of the main level; standard error without the directive, unlike nginx.
    pub error_log: ErrorLog,
}

/// The argument of `worker_processes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One for every core of the process's affinity mask.
    Auto,
    /// That many; at least 1.
    Count(usize),
}

/// Reads the main level and the `events` block.
pub(super) fn read(tree: &[Directive], events: &Directive, prefix: &Path) -> Result<Process, ConfError> {
    let mut process =
        Process { workers: Workers::Count(1), worker_connections: 512, pid: None, error_log: ErrorLog::default() };
    for directive in tree {
        match directive.name.as_str() {
            "worker_processes" => process.workers = workers(directive)?,
            "pid" => process.pid = Some(prefix.join(directive.first())),
            "error_log" => process.error_log = ErrorLog::read(directive, prefix)?,
            "daemon" if directive.flag()? => {
                return Err(directive.unsupported("\"on\"", "off (lab stays in the foreground)"));
            }
            _ => {}
        }
    }
    for directive in events.block.as_deref().unwrap_or_default() {
        // the only directive of this block
        process.worker_connections = positive(directive)?;
    }
    Ok(process)
}

fn workers(directive: &Directive) -> Result<Workers, ConfError> {
    if directive.first() == "auto" {
        return Ok(Workers::Auto);
    }
    positive(directive)
        .map(Workers::Count)
        .map_err(|_| directive.invalid(directive.first(), "auto, or a number from 1"))
}

fn positive(directive: &Directive) -> Result<usize, ConfError> {
    match directive.number()? {
        0 => Err(directive.invalid("0", "a number from 1")),
        number => Ok(number),
    }
}
