//! A Python worker, as `lab_wsgi.__main__` sees it.

use std::sync::{Arc, OnceLock};

use lab_worker::bootstrap::WorkerSettings;
use lab_worker::wsgi::environ::Policy;
use lab_worker::{ShutdownState, WorkerConfig, copies};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use tokio::sync::watch;

use crate::access_writer::AccessWriter;
use crate::call::Application;
use crate::environ::EnvironBuilder;
use crate::event_loop::EventLoop;
use crate::executor::Executor;
use crate::hub::Hub;
use crate::hub_queue::{HubCalls, HubQueue};
use crate::inherited::inherited;
use crate::thread_pool::ThreadPool;
use crate::{allocator, error_log, file_wrapper, fork, scoreboard, socket_wait};

/// A worker of lab's app server. `lab_wsgi.__main__` creates it.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct Worker {
    settings: Arc<WorkerSettings>,
    announce: watch::Sender<ShutdownState>,
    /// What writes the access log, if Python does.
    access_writer: OnceLock<Py<PyAny>>,
}

#[pymethods]
impl Worker {
    /// Ties this process to its arbiter. `settings` is the document from the arbiter, `scoreboard` the descriptor of the
    /// scoreboard, if there is one.
    #[new]
    fn new(settings: &str, scoreboard: Option<i32>) -> PyResult<Worker> {
        let settings: WorkerSettings = serde_json::from_str(settings)
            .map_err(|error| PyValueError::new_err(format!("the settings of the worker: {error}")))?;
        die_with_arbiter(settings.arbiter)?;
        file_wrapper::allow_sendfile(settings.sendfile);
        allocator::configure();
        let level = settings.log_level().map_err(|error| PyValueError::new_err(error.to_string()))?;
        error_log::start(level, settings.logging.is_some());
        if let Some(folder) = &settings.tmp_upload_dir {
            lab_net::spool::set_folder(folder.clone());
        }
        if let Some(scoreboard) = scoreboard {
            scoreboard::open(&inherited(scoreboard)?)?;
            scoreboard::beat();
        }
        let announce = watch::channel(ShutdownState::Running).0;
        Ok(Worker { settings: Arc::new(settings), announce, access_writer: OnceLock::new() })
    }

    /// Sends the worker's own messages from `level` up to gunicorn's logger object.
    #[expect(clippy::unused_self, reason = "a worker has one error log, its process's")]
    fn log_errors_with(&self, logger: Py<PyAny>, level: u32) {
        error_log::set_logger(logger, level);
    }

    /// Calls `write` after each request, instead of leaving the access log to the arbiter.
    fn write_access_log_with(&self, write: Py<PyAny>) {
        // Fails only for a second call.
        let _ = self.access_writer.set(write);
    }

    /// Retires the worker from the handler of SIGABRT, which interrupts a call on the event loop's thread: the worker must
    /// not accept another connection when that call has ended, before it reads the signal's number.
    fn abort(&self) {
        ShutdownState::Aborted.announce(&self.announce);
    }

    /// Remembers, in the worker, that the application forked.
    fn remember_copy(&self) {
        copies::remember();
    }

    /// Gives up what belongs to the worker, in a copy of its process that the application forked.
    fn give_up(&self) -> PyResult<()> {
        Ok(fork::give_up()?)
    }

    /// Serves an application until the worker ends. `signals` is the descriptor from which signal numbers are read;
    /// `jitter` is added to `max_requests`. Returns whether every call has ended: if not, threads still run Python.
    fn serve(&self, py: Python<'_>, application: Py<PyAny>, signals: i32, jitter: u64) -> PyResult<bool> {
        let application = self.application(py, application, None)?;
        let (executor, threads) = match self.settings.threads {
            0 | 1 => (Executor::EventLoop, None),
            threads => {
                let (pool, threads) = ThreadPool::start(py, threads, &application)?;
                (Executor::Threads(pool), Some(threads))
            }
        };
        let event_loop = self.event_loop(py, application, signals, jitter)?;
        let has_ended = py.detach(|| event_loop.run(executor))?;
        if let (Some(threads), true) = (threads, has_ended) {
            threads.join(py)?;
        }
        // The application may have threads of its own that wait for a client.
        Ok(has_ended && !socket_wait::has_waiting_threads())
    }

    /// Serves an application on a thread of its own. The hub takes the calls from the result.
    fn start(
        &self,
        py: Python<'_>,
        application: Py<PyAny>,
        signals: i32,
        jitter: u64,
        hub: Py<PyAny>,
    ) -> PyResult<HubCalls> {
        let application = self.application(py, application, Some(Arc::new(Hub::new(hub))))?;
        let event_loop = self.event_loop(py, Arc::clone(&application), signals, jitter)?;
        let run = move |queue| event_loop.run(Executor::Hub(queue)).map(drop);
        Ok(HubQueue::start(application, run)?)
    }

    /// Shows that the hub is alive.
    #[staticmethod]
    fn beat() {
        scoreboard::beat();
    }

    /// Retires the worker, unless it retires already: the application wants it to end.
    fn retire(&self) {
        if *self.announce.borrow() == ShutdownState::Running {
            ShutdownState::Graceful.announce(&self.announce);
            scoreboard::retire();
        }
    }
}

/// Makes this process, a worker or a fork server, die with its arbiter.
#[pyfunction]
pub(crate) fn die_with_arbiter(arbiter: i32) -> PyResult<()> {
    lab_worker::worker::die_with_arbiter(arbiter).map_err(|error| PyOSError::new_err(error.to_string()))
}

impl Worker {
    fn application(&self, py: Python<'_>, callable: Py<PyAny>, hub: Option<Arc<Hub>>) -> PyResult<Arc<Application>> {
        let settings = &self.settings;
        let script_name = std::env::var("SCRIPT_NAME").unwrap_or_default();
        let is_multithreaded = settings.threads > 1 || hub.is_some();
        Ok(Arc::new(Application {
            callable,
            environs: EnvironBuilder::new(py, is_multithreaded, settings.workers > 1)?,
            policy: Policy::new(settings, &script_name).map_err(value_error)?,
            logged_variables: settings.access_log.as_ref().map(|log| log.environ.clone()).unwrap_or_default(),
            logs_environs: self.access_writer.get().is_some(),
            hub,
        }))
    }

    fn event_loop(
        &self,
        py: Python<'_>,
        application: Arc<Application>,
        signals: i32,
        jitter: u64,
    ) -> PyResult<EventLoop> {
        fork::set_listeners(self.settings.sockets.iter().map(|socket| socket.fd).collect());
        Ok(EventLoop {
            settings: Arc::clone(&self.settings),
            config: WorkerConfig::new(&self.settings).map_err(value_error)?,
            application,
            signals: inherited(signals)?,
            announce: self.announce.clone(),
            writer: self.access_writer.get().map(|write| AccessWriter::new(write.clone_ref(py))),
            jitter,
        })
    }
}

fn value_error(error: impl std::error::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}
