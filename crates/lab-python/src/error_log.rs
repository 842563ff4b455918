//! The error log of a worker goes to standard error, which the arbiter writes to `errorlog`; or to a Python logger, if the
//! configuration sets one up.

use std::sync::OnceLock;

use lab_worker::log_line::{LogLine, event_text};
use pyo3::prelude::*;
use pyo3::types::IntoPyDict as _;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

static LOGGER: OnceLock<PythonLogger> = OnceLock::new();

struct PythonLogger {
    /// gunicorn's logger object, with a method for each level.
    logger: Py<PyAny>,
    /// The lowest level it takes, as Python's number.
    level: u32,
}

/// Installs the error log, which receives all events from `level` up. `through_python` if a logger will be set.
pub(crate) fn start(level: Level, through_python: bool) {
    // Both fail for a second worker in one process, which uses the log of the first.
    let _ = if through_python {
        Registry::default().with(PythonEvents { level }).try_init()
    } else {
        let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).event_format(LogLine);
        subscriber.with_max_level(level).finish().try_init()
    };
}

/// Sends all further events from `level` up, in Python's numbers, to a logger.
pub(crate) fn set_logger(logger: Py<PyAny>, level: u32) {
    // Fails for a second worker in one process, as above.
    let _ = LOGGER.set(PythonLogger { logger, level });
}

/// Logs an exception with its traceback.
pub(crate) fn exception(py: Python<'_>, message: &str, error: &PyErr) {
    let Some(PythonLogger { logger, .. }) = LOGGER.get() else {
        tracing::error!("{message}");
        error.display(py);
        return;
    };
    let logged = [("exc_info", error.value(py))]
        .into_py_dict(py)
        .and_then(|exception| logger.bind(py).call_method("exception", ("%s", message), Some(&exception)));
    if let Err(failure) = logged {
        failure.display(py);
        error.display(py);
    }
}

struct PythonEvents {
    /// The level until there is a logger.
    level: Level,
}

impl<S: Subscriber> Layer<S> for PythonEvents {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let (name, number) = match level {
            Level::ERROR => ("error", 40),
            Level::WARN => ("warning", 30),
            Level::INFO => ("info", 20),
            Level::DEBUG => ("debug", 10),
            Level::TRACE => return,
        };
        match LOGGER.get() {
            Some(logger) if number >= logger.level => {
                let text = event_text(event);
                // None while the interpreter ends.
                let logged = Python::try_attach(|py| logger.logger.call_method1(py, name, ("%s", &text)).map(drop));
                if logged.is_none_or(|logged| logged.is_err()) {
                    eprintln!("{text}");
                }
            }
            None if level <= self.level => eprintln!("{}", event_text(event)),
            Some(_) | None => {}
        }
    }
}
