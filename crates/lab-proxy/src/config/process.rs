//! The main level and `events`: the configuration of the process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::logs::ErrorLog;
use crate::config::reader::ConfigReader;
use lab_nginx_conf::{ConfError, Directive};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessConfig {
    /// `user`, without its group. It only becomes the owner of temporary folders, because workers keep the user of the
    /// process.
    pub user: Option<String>,
    pub workers: WorkerCount,
    /// `worker_connections`: the limit of client connections of one worker. nginx also counts connections to upstreams.
    pub worker_connections: usize,
    /// `pid`: the file for the process id. Without the directive there is none, unlike in nginx.
    pub pid: Option<PathBuf>,
    /// `error_log` of the main level. Without the directive, standard error, unlike in nginx.
    pub error_log: ErrorLog,
    /// `daemon`: whether the process goes to the background. Without the directive it does not, unlike in nginx.
    pub is_daemon: bool,
    /// `worker_cpu_affinity`
    pub affinity: Affinity,
    /// `worker_shutdown_timeout`: how long requests in flight may take after a worker begins to quit. Without it, there is no
    /// limit.
    pub shutdown_timeout: Option<Duration>,
    /// `worker_rlimit_nofile`: the limit of open files. Without it, the process keeps the limit it was started with.
    pub open_files: Option<u64>,
}

/// Which cores workers run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Affinity {
    /// Each of several workers on its own core, in turn; a single worker on any. This is the default, unlike in nginx,
    /// which pins none.
    CorePerWorker,
    /// `auto`, with or without a mask: one core of the mask for each worker, in turn.
    Auto(Option<Vec<usize>>),
    /// The cores of each worker. The last mask applies to all further workers.
    Masks(Vec<Vec<usize>>),
}

/// `worker_processes`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerCount {
    /// One for every core in the process's affinity mask.
    Auto,
    /// At least 1.
    Fixed(usize),
}

/// Reads the main level and the `events` block. `error_log` applies if no directive sets one.
pub(crate) fn read(
    tree: &[Directive],
    events: &Directive,
    error_log: Option<&Path>,
    reader: &mut ConfigReader<'_>,
) -> Result<ProcessConfig, ConfError> {
    let mut process = ProcessConfig {
        user: None,
        workers: WorkerCount::Fixed(1),
        worker_connections: 512,
        pid: None,
        error_log: ErrorLog::empty(),
        is_daemon: false,
        affinity: Affinity::CorePerWorker,
        shutdown_timeout: None,
        open_files: None,
    };
    let mut is_alone = false;
    for directive in tree {
        let read = process.read_directive(directive, &mut is_alone, reader);
        reader.keep(read);
    }
    if is_alone {
        // as in nginx: without a master there is exactly one worker
        process.workers = WorkerCount::Fixed(1);
    }
    for directive in events.children() {
        let read = process.read_event(directive);
        reader.keep(read);
    }
    if process.error_log.targets.is_empty() {
        process.error_log = match error_log {
            None => ErrorLog::default(),
            Some(path) if path == Path::new("stderr") => ErrorLog::default(),
            Some(path) => {
                let path = reader.prefix.join(path);
                reader.log_paths.add_error(&path);
                ErrorLog::to_file(path)
            }
        };
    }
    Ok(process)
}

impl ProcessConfig {
    fn read_directive(
        &mut self,
        directive: &Directive,
        is_alone: &mut bool,
        reader: &mut ConfigReader<'_>,
    ) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "user" => self.user = Some(directive.first().to_owned()),
            "worker_processes" => self.workers = workers(directive)?,
            "pid" => self.pid = Some(reader.prefix.join(directive.first())),
            "error_log" => self.error_log.add(directive, reader)?,
            "pcre_jit" => _ = directive.flag()?,
            "daemon" => self.is_daemon = directive.flag()?,
            "master_process" => *is_alone = !directive.flag()?,
            "worker_cpu_affinity" => self.affinity = affinity(directive)?,
            "worker_rlimit_nofile" => self.open_files = Some(positive(directive)? as u64),
            "worker_shutdown_timeout" => self.shutdown_timeout = Some(directive.time()?),
            _ => {}
        }
        Ok(())
    }

    fn read_event(&mut self, directive: &Directive) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "worker_connections" => self.worker_connections = positive(directive)?,
            "use" if directive.first() == "epoll" => {}
            "use" => return Err(directive.unsupported(format!("\"{}\"", directive.first()), "epoll")),
            // how connections are accepted is not configurable; the value is still validated
            "multi_accept" | "accept_mutex" => _ = directive.flag()?,
            _ => {}
        }
        Ok(())
    }
}

fn affinity(directive: &Directive) -> Result<Affinity, ConfError> {
    const ACCEPTED: &str = "a mask of 0 and 1 for each worker, or auto with an optional mask";
    let mask = |text: &str| {
        let is_mask = !text.is_empty() && text.bytes().all(|bit| matches!(bit, b'0' | b'1'));
        // the last digit is the first core
        let cores = text.bytes().rev().enumerate().filter(|(_, bit)| *bit == b'1').map(|(core, _)| core);
        let cores: Vec<usize> = cores.collect();
        if is_mask && !cores.is_empty() { Ok(cores) } else { Err(directive.invalid(text, ACCEPTED)) }
    };
    let words: Vec<&str> = directive.args.iter().map(|arg| arg.value.as_str()).collect();
    match words[..] {
        ["auto"] => Ok(Affinity::Auto(None)),
        ["auto", text] => Ok(Affinity::Auto(Some(mask(text)?))),
        _ => Ok(Affinity::Masks(words.into_iter().map(mask).collect::<Result<_, _>>()?)),
    }
}

fn workers(directive: &Directive) -> Result<WorkerCount, ConfError> {
    if directive.first() == "auto" {
        return Ok(WorkerCount::Auto);
    }
    positive(directive)
        .map(WorkerCount::Fixed)
        .map_err(|_| directive.invalid(directive.first(), "auto, or a number from 1"))
}

fn positive(directive: &Directive) -> Result<usize, ConfError> {
    match directive.number()? {
        0 => Err(directive.invalid("0", "a number from 1")),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affinity_of(text: &str) -> Option<Affinity> {
        let tree = lab_nginx_conf::parse(&format!("worker_cpu_affinity {text};"), Path::new("nginx.conf")).unwrap();
        affinity(&tree[0]).ok()
    }

    #[test]
    fn masks_start_at_the_last_digit() {
        assert_eq!(affinity_of("0001 0110"), Some(Affinity::Masks(vec![vec![0], vec![1, 2]])));
        assert_eq!(affinity_of("auto"), Some(Affinity::Auto(None)));
        assert_eq!(affinity_of("auto 1010"), Some(Affinity::Auto(Some(vec![1, 3]))));
        for text in ["0", "2", "auto auto", "1 auto", "''"] {
            assert_eq!(affinity_of(text), None, "{text}");
        }
    }
}
