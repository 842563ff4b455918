//! The main level and `events`: what concerns the whole process.

use std::path::{Path, PathBuf};

use super::super::conf::{ConfError, Directive};
use super::logs::ErrorLog;
use super::reading::Reading;

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
///
/// `error_log` is where errors go if no directive says so.
pub(super) fn read(
    tree: &[Directive],
    events: &Directive,
    error_log: Option<&Path>,
    reading: &mut Reading<'_>,
) -> Result<Process, ConfError> {
    let mut process =
        Process { workers: Workers::Count(1), worker_connections: 512, pid: None, error_log: ErrorLog::none() };
    for directive in tree {
        match directive.name.as_str() {
            "worker_processes" => process.workers = workers(directive)?,
            "pid" => process.pid = Some(reading.prefix.join(directive.first())),
            "error_log" => process.error_log.add(directive, reading)?,
            "pcre_jit" => _ = directive.flag()?,
            "daemon" if directive.flag()? => {
                return Err(directive.unsupported("\"on\"", "off (lab stays in the foreground)"));
            }
            _ => {}
        }
    }
    for directive in events.block.as_deref().unwrap_or_default() {
        match directive.name.as_str() {
            "worker_connections" => process.worker_connections = positive(directive)?,
            "use" if directive.first() == "epoll" => {}
            "use" => return Err(directive.unsupported(format!("\"{}\"", directive.first()), "epoll")),
            // how connections are accepted is the runtime's choice; the value has to be one all the same
            _ => _ = directive.flag()?,
        }
    }
    if process.error_log.targets.is_empty() {
        process.error_log = match error_log {
            None => ErrorLog::default(),
            Some(path) if path == Path::new("stderr") => ErrorLog::default(),
            Some(path) => {
                let path = reading.prefix.join(path);
                reading.error_files.push(path.clone());
                ErrorLog::to_file(path)
            }
        };
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
