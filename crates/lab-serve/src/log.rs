//! The error log: where its lines go, from which level on, and what is counted of them.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use lab_worker::log_line::LogLine;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::log_sink::LogSink;
use crate::statsd::Statsd;

/// The error log of this process. What `tracing` is told at the log's level goes there.
#[derive(Clone)]
pub struct ErrorLog {
    file: Arc<Mutex<LogSink>>,
    statsd: Arc<Mutex<Option<Statsd>>>,
    level: reload::Handle<LevelFilter, Registry>,
}

impl ErrorLog {
    /// Starts the log of this process; once.
    ///
    /// # Errors
    /// There is one already.
    pub fn start(
        file: LogSink,
        level: Level,
        statsd: Option<Statsd>,
    ) -> Result<ErrorLog, tracing_subscriber::util::TryInitError> {
        let (filter, level) = reload::Layer::new(LevelFilter::from_level(level));
        let log = ErrorLog { file: Arc::new(Mutex::new(file)), statsd: Arc::new(Mutex::new(statsd)), level };
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(log.clone()).event_format(LogLine);
        Registry::default().with(filter).with(lines).with(Metrics(Arc::clone(&log.statsd))).try_init()?;
        Ok(log)
    }

    /// Opens the file anew, which may have been moved away (gunicorn: SIGUSR1).
    ///
    /// # Errors
    /// It cannot be opened; the one that was open stays so.
    pub fn reopen(&self) -> io::Result<()> {
        lock(&self.file).reopen()
    }

    /// Changes to what a reloaded configuration says.
    pub fn change(&self, file: LogSink, level: Level, statsd: Option<Statsd>) {
        *lock(&self.file) = file;
        *lock(&self.statsd) = statsd;
        // It only fails when there is no log any more.
        let _ = self.level.reload(LevelFilter::from_level(level));
    }

    /// Writes what a worker has written.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.file).write_all(bytes)
    }
}

impl fmt::Debug for ErrorLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorLog").field("file", &self.file).finish_non_exhaustive()
    }
}

// A line that was cut short by a panic is no reason to write no more.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> MakeWriter<'a> for ErrorLog {
    type Writer = LogWriter<'a>;

    fn make_writer(&'a self) -> LogWriter<'a> {
        LogWriter(&self.file)
    }
}

/// Writes one line.
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

/// Counts what goes wrong (gunicorn: `gunicorn.log.warning`, `gunicorn.log.error`).
struct Metrics(Arc<Mutex<Option<Statsd>>>);

impl<S: Subscriber> Layer<S> for Metrics {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            _ => return,
        };
        if let Some(statsd) = &*lock(&self.0) {
            statsd.log(level);
        }
    }
}
