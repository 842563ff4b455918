//! Log files. Each worker buffers its lines of access logs and writes them when it is idle. Error logs are not
//! buffered.

mod syslog;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::clock;
use crate::config::Config;
use crate::config::logs::{AccessLog, AccessLogFile, AccessLogTarget, ErrorLog, ErrorLogTarget, Severity};
use crate::eval::Scope;
use crate::phases::error_text;
use crate::variables::{Template, Variable};
use lab_net::log_file::LogFile;

/// The open files of all logs, shared by all workers.
#[derive(Debug, Clone)]
pub struct LogFiles {
    /// By the index in [`AccessLogTarget::File`].
    access: Vec<(Arc<LogFile>, AccessLogFile)>,
    errors: HashMap<PathBuf, Arc<LogFile>>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot open log {}: {source}", path.display())]
pub struct LogFileError {
    path: PathBuf,
    source: io::Error,
}

/// A buffer of this many bytes is written at once if there is no `buffer=`.
const MAX_BUFFERED: usize = 64 * 1024;

thread_local! {
    /// This worker's buffers, by the index in [`AccessLogTarget::File`].
    static BUFFERS: RefCell<Vec<LogBuffer>> = const { RefCell::new(Vec::new()) };
}

/// Lines that will be written to one file.
#[derive(Debug)]
struct LogBuffer {
    file: Arc<LogFile>,
    lines: Vec<u8>,
    /// `buffer=`: the size in bytes at which the lines are written.
    size: Option<usize>,
    /// `flush=`: the maximum age of a line.
    max_age: Option<Duration>,
    /// The time of the first line.
    since: Instant,
    /// `gzip=`: the level of compression.
    gzip: Option<u32>,
}

impl LogFiles {
    /// Opens all logs of the configuration, and creates those that do not exist.
    ///
    /// # Errors
    /// The first log that cannot be opened.
    pub fn open(config: &Config) -> Result<LogFiles, LogFileError> {
        let access = config.access_log_files.iter().map(|access| Ok((open(&access.path)?, access.clone())));
        let access = access.collect::<Result<_, _>>()?;
        let errors = config.error_log_files.iter().map(|path| Ok((path.clone(), open(path)?)));
        Ok(LogFiles { access, errors: errors.collect::<Result<_, _>>()? })
    }

    /// Opens every file again by its path. A file that fails stays open; its error is returned.
    pub(crate) fn reopen(&self) -> Vec<LogFileError> {
        let files = self.access.iter().map(|(file, _)| file).chain(self.errors.values());
        let failed = files.filter_map(|file| Some((file, file.reopen().err()?)));
        failed.map(|(file, source)| LogFileError { path: file.path().to_owned(), source }).collect()
    }

    /// Prepares the calling thread for [`append`].
    pub(crate) fn begin_buffering(&self) {
        let buffer = |(file, access): &(Arc<LogFile>, AccessLogFile)| LogBuffer {
            file: Arc::clone(file),
            lines: Vec::new(),
            size: access.buffer,
            max_age: access.flush,
            since: Instant::now(),
            gzip: access.gzip,
        };
        BUFFERS.with_borrow_mut(|buffers| *buffers = self.access.iter().map(buffer).collect());
    }

    /// Writes a line to an error log in nginx's format, if it is severe enough.
    pub(crate) fn error(&self, log: &ErrorLog, severity: Severity, message: &str, subject: Option<&ErrorSubject<'_>>) {
        if severity > log.level {
            return;
        }
        let mut line = Vec::with_capacity(256);
        clock::write_error_time(SystemTime::now(), &mut line);
        let (process, thread) = (std::process::id(), rustix::thread::gettid().as_raw_nonzero());
        line.extend_from_slice(format!(" [{}] {process}#{thread}: ", severity.as_str()).as_bytes());
        if let Some(subject) = subject {
            line.extend_from_slice(format!("*{} ", subject.scope.connection.serial).as_bytes());
        }
        line.extend_from_slice(message.as_bytes());
        if let Some(subject) = subject {
            subject.write(&mut line);
        }
        // a client must not be able to add lines to the log
        for byte in &mut line {
            if *byte < 0x20 || *byte == 0x7f {
                *byte = b'?';
            }
        }
        line.push(b'\n');
        // an error log that cannot be written has nowhere to report that
        for (target, _) in log.targets.iter().filter(|(_, level)| severity <= *level) {
            _ = match target {
                ErrorLogTarget::File(path) => self.errors.get(path).map(|file| file.append(&line)),
                ErrorLogTarget::Stderr => Some(io::stderr().write_all(&line)),
                ErrorLogTarget::Syslog(config) => {
                    syslog::send(config, severity, &line[..line.len() - 1]);
                    None
                }
            };
        }
    }
}

/// The request that a line of an error log concerns.
#[derive(Debug)]
pub(crate) struct ErrorSubject<'a> {
    pub(crate) scope: Scope<'a>,
    /// The URL of the request to an upstream.
    pub(crate) upstream: Option<String>,
}

impl ErrorSubject<'_> {
    /// Appends the end of a line, as nginx writes it.
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

/// Appends a line to an access log, or to its buffer. Without `buffer=` that is written before this thread next sleeps.
///
/// # Errors
/// A line for the error log: the path has variables, and its file cannot be written.
pub(crate) fn append(log: &AccessLog, scope: &Scope<'_>) -> Result<(), (Severity, String)> {
    let is_false = |condition: &Template| matches!(&*condition.value(scope), b"" | b"0");
    if log.condition.as_ref().is_some_and(is_false) {
        return Ok(());
    }
    match &log.target {
        AccessLogTarget::File(file) => {
            append_to_buffer(*file, log, scope);
            Ok(())
        }
        AccessLogTarget::PathTemplate { template, folder } => {
            let path = folder.join(OsStr::from_bytes(&template.value(scope)));
            let mut line = line(log, scope);
            line.push(b'\n');
            append_to_path(&path, &line, scope)
        }
        AccessLogTarget::Syslog(config) => {
            syslog::send(config, config.severity, &line(log, scope));
            Ok(())
        }
    }
}

fn line(log: &AccessLog, scope: &Scope<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    log.format.line.write_log(scope, log.format.escape, &mut line);
    line
}

fn append_to_buffer(file: usize, log: &AccessLog, scope: &Scope<'_>) {
    BUFFERS.with_borrow_mut(|buffers| {
        let Some(buffer) = buffers.get_mut(file) else { return };
        if buffer.lines.is_empty() && buffer.max_age.is_some() {
            buffer.since = Instant::now();
        }
        log.format.line.write_log(scope, log.format.escape, &mut buffer.lines);
        buffer.lines.push(b'\n');
        if buffer.lines.len() >= buffer.size.unwrap_or(MAX_BUFFERED) {
            buffer.write();
        }
    });
}

/// As in nginx, a request whose root does not exist gets no line: clients must not be able to make files for any host.
fn append_to_path(path: &Path, line: &[u8], scope: &Scope<'_>) -> Result<(), (Severity, String)> {
    let root = scope.root();
    let root = Path::new(OsStr::from_bytes(&root));
    let tested = root.metadata().and_then(|metadata| match metadata.is_dir() {
        true => Ok(()),
        false => Err(rustix::io::Errno::NOTDIR.into()),
    });
    tested.map_err(|error| {
        (Severity::Error, format!("testing \"{}\" existence failed ({})", root.display(), error_text(&error)))
    })?;
    let failed =
        |error: io::Error| (Severity::Crit, format!("open() \"{}\" failed ({})", path.display(), error_text(&error)));
    LogFile::open(path).and_then(|file| file.append(line)).map_err(failed)
}

/// Writes the buffers of this thread that have no `buffer=`.
pub(crate) fn flush() {
    flush_where(|buffer| buffer.size.is_none());
}

/// Writes the buffers of this thread that have reached their `flush=` time.
pub(crate) fn flush_due() {
    flush_where(|buffer| buffer.max_age.is_some_and(|max_age| buffer.since.elapsed() >= max_age));
}

/// Writes all buffers of this thread.
pub(crate) fn flush_all() {
    flush_where(|_| true);
}

fn flush_where(is_due: impl Fn(&LogBuffer) -> bool) {
    BUFFERS.with_borrow_mut(|buffers| {
        for buffer in buffers.iter_mut().filter(|buffer| !buffer.lines.is_empty() && is_due(buffer)) {
            buffer.write();
        }
    });
}

impl LogBuffer {
    fn write(&mut self) {
        let written = match self.gzip {
            None => self.file.append(&self.lines),
            Some(level) => compress(&self.lines, level).and_then(|compressed| self.file.append(&compressed)),
        };
        if let Err(error) = written {
            // as in nginx, the lines are lost and serving goes on
            _ = writeln!(io::stderr(), "[alert] cannot write to an access log: {error}");
        }
        self.lines.clear();
    }
}

/// Lines as a member of a gzip file, to which others may be appended (RFC 1952 §2.2).
fn compress(lines: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(lines)?;
    encoder.finish()
}

fn open(path: &Path) -> Result<Arc<LogFile>, LogFileError> {
    LogFile::open(path).map(Arc::new).map_err(|source| LogFileError { path: path.to_owned(), source })
}
