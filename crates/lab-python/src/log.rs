//! The error log of a worker: its arbiter reads the standard error stream, and writes it where it belongs.

use lab_worker::log_line::LogLine;

/// Starts to log from `level` on.
pub(crate) fn start(level: tracing::Level) {
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).event_format(LogLine);
    // A second worker in one process logs as the first does.
    let _ = subscriber.with_max_level(level).try_init();
}
