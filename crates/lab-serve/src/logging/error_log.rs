//! The error log of a process: its file, its level, and the count of warnings and errors for statsd.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use lab_worker::log_line::{LogLine, event_text};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::log_sink::LogSink;
use super::statsd::Statsd;
use super::syslog::{Syslog, SyslogSource};

/// The error log of this process. It receives all `tracing` events from its level up.
#[derive(Clone)]
pub struct ErrorLog {
    file: Arc<Mutex<LogSink>>,
    statsd: Arc<Mutex<Option<Statsd>>>,
    syslog: Arc<Mutex<Option<Syslog>>>,
    level: reload::Handle<LevelFilter, Registry>,
}

/// Where the messages go, and which.
#[derive(Debug)]
pub struct ErrorLogTargets {
    pub file: LogSink,
    pub level: Level,
    pub statsd: Option<Statsd>,
    pub syslog: Option<Syslog>,
}

impl ErrorLog {
    /// Installs the error log of this process.
    ///
    /// # Errors
    /// One is installed already.
    pub fn start(targets: ErrorLogTargets) -> Result<ErrorLog, tracing_subscriber::util::TryInitError> {
        let ErrorLogTargets { file, level, statsd, syslog } = targets;
        let (filter, level) = reload::Layer::new(LevelFilter::from_level(level));
        let (file, statsd, syslog) =
            (Arc::new(Mutex::new(file)), Arc::new(Mutex::new(statsd)), Arc::new(Mutex::new(syslog)));
        let log = ErrorLog { file, statsd, syslog, level };
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(log.clone()).event_format(LogLine);
        let others = Others { statsd: Arc::clone(&log.statsd), syslog: Arc::clone(&log.syslog) };
        Registry::default().with(filter).with(lines).with(others).try_init()?;
        Ok(log)
    }

    /// Reopens the file, which may have been moved (gunicorn: SIGUSR1).
    ///
    /// # Errors
    /// The file cannot be opened. The old one then stays open.
    pub fn reopen(&self) -> io::Result<()> {
        lock(&self.file).reopen()
    }

    /// Applies a reloaded configuration.
    pub fn reconfigure(&self, targets: ErrorLogTargets) {
        *lock(&self.file) = targets.file;
        *lock(&self.statsd) = targets.statsd;
        *lock(&self.syslog) = targets.syslog;
        // Fails only if the subscriber is gone.
        let _ = self.level.reload(LevelFilter::from_level(targets.level));
    }

    /// Appends the output of a worker.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.file).write_all(bytes)
    }
}

impl fmt::Debug for ErrorLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorLog").field("file", &self.file).finish_non_exhaustive()
    }
}

// A panic can leave at most a partial line, so a poisoned lock is still usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> MakeWriter<'a> for ErrorLog {
    type Writer = LogWriter<'a>;

    fn make_writer(&'a self) -> LogWriter<'a> {
        LogWriter(&self.file)
    }
}

#[derive(Debug)]
pub struct LogWriter<'a>(&'a Mutex<LogSink>);

impl Write for LogWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends messages to syslog, and counts warnings and errors for statsd (gunicorn: `gunicorn.log.warning`,
/// `gunicorn.log.error`).
struct Others {
    statsd: Arc<Mutex<Option<Statsd>>>,
    syslog: Arc<Mutex<Option<Syslog>>>,
}

impl<S: Subscriber> Layer<S> for Others {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if let Some(syslog) = &mut *lock(&self.syslog) {
            syslog.send(SyslogSource::Error, level, std::process::id(), &event_text(event));
        }
        let counted = match level {
            Level::ERROR => "error",
            Level::WARN => "warning",
            _ => return,
        };
        if let Some(statsd) = &*lock(&self.statsd) {
            statsd.log(counted);
        }
    }
}
