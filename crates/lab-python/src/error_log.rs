//! The error log of a worker goes to standard error. The arbiter reads that and writes it to `errorlog`.

use lab_worker::log_line::LogLine;

/// Installs the error log, which receives all events from `level` up.
pub(crate) fn start(level: tracing::Level) {
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).event_format(LogLine);
    // Fails for a second worker in one process, which uses the log of the first.
    let _ = subscriber.with_max_level(level).try_init();
}
