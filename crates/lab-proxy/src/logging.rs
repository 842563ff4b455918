//! Log files: access logs, gathered per worker and written when it has nothing else to do; error logs, at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::clock;
use crate::config::Config;
use crate::config::logs::{AccessLog, AccessLogFile, ErrorLog, ErrorLogTarget, Severity};
use crate::eval::{Scope, Template, Variable};
use lab_net::log_file::LogFile;

/// The files of all logs, open for appending and shared by all workers.
#[derive(Debug, Clone)]
pub struct LogFiles {
    /// By [`AccessLog::file`](crate::config::logs::AccessLog::file).
    access: Vec<(Arc<LogFile>, AccessLogFile)>,
    errors: HashMap<PathBuf, Arc<LogFile>>,
}

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open log {}: {source}", path.display())]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

/// A worker writes what it has gathered once it is this much, in bytes.
const ENOUGH: usize = 64 * 1024;

thread_local! {
    /// What this worker has gathered, by file.
    static GATHERED: RefCell<Vec<Gathered>> = const { RefCell::new(Vec::new()) };
}

/// Lines that wait to be written to one file.
#[derive(Debug)]
struct Gathered {
    file: Arc<LogFile>,
    lines: Vec<u8>,
    /// How much waits, if `buffer=` says so.
    buffer: Option<usize>,
    /// How long it waits at most.
    flush: Option<Duration>,
    /// Since when it has waited.
    since: Instant,
}

impl LogFiles {
    /// Opens every log the settings name; what is not there is created.
    ///
    /// # Errors
    /// The first that cannot be opened.
    pub fn open(settings: &Config) -> Result<LogFiles, OpenError> {
        let access = settings.access_log_files.iter().map(|access| Ok((open(&access.path)?, access.clone())));
        let access = access.collect::<Result<_, _>>()?;
        let errors = settings.error_log_files.iter().map(|path| Ok((path.clone(), open(path)?)));
        Ok(LogFiles { access, errors: errors.collect::<Result<_, _>>()? })
    }

    /// Opens every file anew, under its name; returns those of which that failed, which go on as they were.
    pub(crate) fn reopen(&self) -> Vec<OpenError> {
        let files = self.access.iter().map(|(file, _)| file).chain(self.errors.values());
        let failed = files.filter_map(|file| Some((file, file.reopen().err()?)));
        failed.map(|(file, source)| OpenError { path: file.path().to_owned(), source }).collect()
    }

    /// Makes this thread a worker's: from now on [`append`] gathers lines here.
    pub(crate) fn begin_gathering(&self) {
        let gathered = |(file, access): &(Arc<LogFile>, AccessLogFile)| Gathered {
            file: Arc::clone(file),
            lines: Vec::new(),
            buffer: access.buffer,
            flush: access.flush,
            since: Instant::now(),
        };
        GATHERED.with_borrow_mut(|all| *all = self.access.iter().map(gathered).collect());
    }

    /// Writes a line to an error log in nginx's format, if it is severe enough.
    pub(crate) fn error(&self, log: &ErrorLog, severity: Severity, message: &str, about: Option<&ErrorSubject<'_>>) {
        if severity > log.level {
            return;
        }
        let mut line = Vec::with_capacity(256);
        clock::write_error_time(SystemTime::now(), &mut line);
        let (process, thread) = (std::process::id(), rustix::thread::gettid().as_raw_nonzero());
        line.extend_from_slice(format!(" [{}] {process}#{thread}: ", severity.as_str()).as_bytes());
        if let Some(about) = about {
            line.extend_from_slice(format!("*{} ", about.scope.connection.serial).as_bytes());
        }
        line.extend_from_slice(message.as_bytes());
        if let Some(about) = about {
            about.write(&mut line);
        }
        // a client's bytes must not begin a line of their own
        for byte in &mut line {
            if *byte < 0x20 || *byte == 0x7f {
                *byte = b'?';
            }
        }
        line.push(b'\n');
        // there is nowhere left to tell of a log that cannot be written
        for (target, _) in log.targets.iter().filter(|(_, level)| severity <= *level) {
            _ = match target {
                ErrorLogTarget::File(path) => self.errors.get(path).map(|file| file.append(&line)),
                ErrorLogTarget::Stderr => Some(io::stderr().write_all(&line)),
            };
        }
    }
}

/// What a line of an error log is about.
#[derive(Debug)]
pub(crate) struct ErrorSubject<'a> {
    pub(crate) scope: Scope<'a>,
    /// What an upstream was asked, if one was.
    pub(crate) upstream: Option<String>,
}

impl ErrorSubject<'_> {
    /// The tail nginx gives its lines.
    fn write(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(b", client: ");
        line.extend_from_slice(self.scope.client_address().as_bytes());
        line.extend_from_slice(b", server: ");
        line.extend_from_slice(self.scope.server.first_name.as_bytes());
        let mut quoted = |name: &str, variable: &Variable| {
            let mut value = Vec::new();
            if self.scope.write(variable, &mut value) && !value.is_empty() {
                line.extend_from_slice(format!(", {name}: \"").as_bytes());
                line.extend_from_slice(&value);
                line.push(b'"');
            }
        };
        quoted("request", &Variable::Request);
        let host = Variable::HttpField("host".to_owned());
        match &self.upstream {
            None => quoted("host", &host),
            Some(upstream) => {
                line.extend_from_slice(format!(", upstream: \"{upstream}\"").as_bytes());
                let mut value = Vec::new();
                if self.scope.write(&host, &mut value) {
                    line.extend_from_slice(b", host: \"");
                    line.extend_from_slice(&value);
                    line.push(b'"');
                }
            }
        }
    }
}

/// Gathers a line for an access log. Without `buffer=` it is in the file before this thread next sleeps.
pub(crate) fn append(log: &AccessLog, scope: &Scope<'_>) {
    let is_unwanted = |condition: &Template| matches!(&*condition.value(scope), b"" | b"0");
    if log.condition.as_ref().is_some_and(is_unwanted) {
        return;
    }
    GATHERED.with_borrow_mut(|gathered| {
        let Some(gathered) = gathered.get_mut(log.file) else { return };
        if gathered.lines.is_empty() && gathered.flush.is_some() {
            gathered.since = Instant::now();
        }
        log.format.line.write_log(scope, log.format.escape, &mut gathered.lines);
        gathered.lines.push(b'\n');
        if gathered.lines.len() >= gathered.buffer.unwrap_or(ENOUGH) {
            gathered.write_out();
        }
    });
}

/// Writes what this thread has gathered and nothing tells to wait for more.
pub(crate) fn flush() {
    write_where(|gathered| gathered.buffer.is_none());
}

/// Writes what has waited long enough.
pub(crate) fn flush_due() {
    write_where(|gathered| gathered.flush.is_some_and(|flush| gathered.since.elapsed() >= flush));
}

/// Writes all that this thread has gathered.
pub(crate) fn flush_all() {
    write_where(|_| true);
}

fn write_where(is_wanted: impl Fn(&Gathered) -> bool) {
    GATHERED.with_borrow_mut(|gathered| {
        for gathered in gathered.iter_mut().filter(|gathered| !gathered.lines.is_empty() && is_wanted(gathered)) {
            gathered.write_out();
        }
    });
}

impl Gathered {
    fn write_out(&mut self) {
        if let Err(error) = self.file.append(&self.lines) {
            // as nginx, which goes on serving; the lines are lost
            _ = writeln!(io::stderr(), "[alert] cannot write to an access log: {error}");
        }
        self.lines.clear();
    }
}

fn open(path: &Path) -> Result<Arc<LogFile>, OpenError> {
    LogFile::open(path).map(Arc::new).map_err(|source| OpenError { path: path.to_owned(), source })
}
