//! Log files: access logs, gathered per worker and written when it has nothing else to do; error logs, at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::clock;
use super::log_file::LogFile;
use super::settings::Settings;
use super::settings::logs::{ErrorLog, ErrorTarget, Severity};
use super::variables::{Scope, Template, Variable};

/// The files of all logs, open for appending and shared by all workers.
#[derive(Debug, Clone)]
pub struct LogFiles {
    /// By [`AccessLog::file`](super::settings::logs::AccessLog::file).
    access: Vec<Arc<LogFile>>,
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
    static GATHERED: RefCell<Vec<(Arc<LogFile>, Vec<u8>)>> = const { RefCell::new(Vec::new()) };
}

impl LogFiles {
    /// Opens every log the settings name; what is not there is created.
    ///
    /// # Errors
    /// The first that cannot be opened.
    pub fn open(settings: &Settings) -> Result<LogFiles, OpenError> {
        let access = settings.access_log_files.iter().map(|path| open(path)).collect::<Result<_, _>>()?;
        let mut errors = HashMap::new();
        let rules = settings.rules().map(|rules| &rules.error_log);
        for log in rules.chain([&settings.process.error_log]) {
            if let ErrorTarget::File(path) = &log.target
                && !errors.contains_key(path)
            {
                errors.insert(path.clone(), open(path)?);
            }
        }
        Ok(LogFiles { access, errors })
    }

    /// Opens every file anew, under its name; returns those of which that failed, which go on as they were.
    pub(super) fn reopen(&self) -> Vec<OpenError> {
        let files = self.access.iter().chain(self.errors.values());
        let failed = files.filter_map(|file| Some((file, file.reopen().err()?)));
        failed.map(|(file, source)| OpenError { path: file.path().to_owned(), source }).collect()
    }

    /// Makes this thread a worker's: from now on [`append`] gathers lines here.
    pub(super) fn begin_gathering(&self) {
        GATHERED.with_borrow_mut(|gathered| {
            *gathered = self.access.iter().map(|file| (Arc::clone(file), Vec::new())).collect();
        });
    }

    /// Writes a line to an error log in nginx's format, if it is severe enough.
    pub(super) fn error(&self, log: &ErrorLog, severity: Severity, message: &str, about: Option<&About<'_>>) {
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
        _ = match &log.target {
            ErrorTarget::File(path) => self.errors.get(path).map(|file| file.append(&line)),
            ErrorTarget::Stderr => Some(io::stderr().write_all(&line)),
        };
    }
}

/// What a line of an error log is about.
#[derive(Debug)]
pub(super) struct About<'a> {
    pub(super) scope: Scope<'a>,
    /// What an upstream was asked, if one was.
    pub(super) upstream: Option<String>,
}

impl About<'_> {
    /// The tail nginx gives its lines.
    fn write(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(b", client: ");
        line.extend_from_slice(self.scope.connection.peer_address.as_bytes());
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

/// Gathers a line for an access log. It is in the file before this thread next sleeps.
pub(super) fn append(file: usize, format: &Template, scope: &Scope<'_>) {
    GATHERED.with_borrow_mut(|gathered| {
        let Some((file, lines)) = gathered.get_mut(file) else { return };
        format.write_log(scope, lines);
        lines.push(b'\n');
        if lines.len() >= ENOUGH {
            write_out(file, lines);
        }
    });
}

/// Writes what this thread has gathered.
pub(super) fn flush() {
    GATHERED.with_borrow_mut(|gathered| {
        for (file, lines) in gathered.iter_mut().filter(|(_, lines)| !lines.is_empty()) {
            write_out(file, lines);
        }
    });
}

fn write_out(file: &LogFile, lines: &mut Vec<u8>) {
    if let Err(error) = file.append(lines) {
        // as nginx, which goes on serving; the lines are lost
        _ = writeln!(io::stderr(), "[alert] cannot write to an access log: {error}");
    }
    lines.clear();
}

fn open(path: &Path) -> Result<Arc<LogFile>, OpenError> {
    LogFile::open(path).map(Arc::new).map_err(|source| OpenError { path: path.to_owned(), source })
}
