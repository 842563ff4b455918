//! A Python worker, from its settings to its end.

use std::cell::Cell;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lab_net::Listener;
use lab_worker::bootstrap::{InheritedSocket, WorkerSettings};
use lab_worker::wsgi::environ::Policy;
use lab_worker::{ShutdownState, WorkerConfig};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::interval;

use crate::access_reporter::AccessReporter;
use crate::call::Application;
use crate::environ::EnvironBuilder;
use crate::gateway::{WorkerState, WsgiGateway};
use crate::response_batch::ResponseBatch;
use crate::thread_pool::ThreadPool;
use crate::{allocator, error_log, scoreboard, signals, socket_wait};

/// How often an idle worker writes a heartbeat.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// How long an application may wait for a body after `100 Continue`, at most.
const LONGEST_CONTINUE: Duration = Duration::from_secs(60);

/// A worker of lab's app server. `lab_wsgi.__main__` creates it.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct Worker {
    settings: WorkerSettings,
}

#[pymethods]
impl Worker {
    /// Ties this process to its arbiter. `settings` is the document from the arbiter, `scoreboard` the descriptor of the
    /// scoreboard, if there is one.
    #[new]
    fn new(settings: &str, scoreboard: Option<i32>) -> PyResult<Worker> {
        let settings: WorkerSettings = serde_json::from_str(settings)
            .map_err(|error| PyValueError::new_err(format!("the settings of the worker: {error}")))?;
        lab_worker::worker::die_with_arbiter(settings.arbiter)
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        allocator::configure();
        error_log::start(settings.log_level().map_err(|error| PyValueError::new_err(error.to_string()))?);
        if let Some(scoreboard) = scoreboard {
            scoreboard::open(&inherited(scoreboard)?)?;
            scoreboard::beat();
        }
        Ok(Worker { settings })
    }

    /// Serves an application until the worker ends. `signals` is the descriptor from which signal numbers are read;
    /// `jitter` is added to `max_requests`. Returns whether every call has ended: if not, threads still run Python.
    fn serve(&self, py: Python<'_>, application: Py<PyAny>, signals: i32, jitter: u64) -> PyResult<bool> {
        let settings = &self.settings;
        let script_name = std::env::var("SCRIPT_NAME").unwrap_or_default();
        let config = WorkerConfig::new(settings).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let policy = Policy::new(settings, &script_name).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let application = Arc::new(Application {
            callable: application,
            environs: EnvironBuilder::new(py, settings.threads > 1, settings.workers > 1)?,
            policy,
            logged_variables: settings.access_log.as_ref().map(|log| log.environ.clone()).unwrap_or_default(),
        });
        let (pool, threads) = match settings.threads {
            0 | 1 => (None, None),
            threads => {
                ThreadPool::start(py, threads, &application).map(|(pool, threads)| (Some(pool), Some(threads)))?
            }
        };
        let signals = inherited(signals)?;
        let event_loop = EventLoop { settings, config, application, pool, signals, jitter };
        let has_ended = py.detach(|| event_loop.run())?;
        if let (Some(threads), true) = (threads, has_ended) {
            threads.join(py)?;
        }
        // The application may have threads of its own that wait for a client.
        Ok(has_ended && !socket_wait::has_waiting_threads())
    }
}

/// Everything the event loop of a worker starts with.
struct EventLoop<'a> {
    settings: &'a WorkerSettings,
    config: WorkerConfig,
    application: Arc<Application>,
    pool: Option<ThreadPool>,
    signals: OwnedFd,
    jitter: u64,
}

impl EventLoop<'_> {
    /// Runs until the worker ends. Returns whether every call has ended.
    fn run(self) -> io::Result<bool> {
        let runtime = lab_worker::worker::runtime().map_err(io::Error::other)?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> io::Result<bool> {
        let EventLoop { settings, config, application, pool, signals, jitter } = self;
        let (announce, shutdown) = watch::channel(ShutdownState::Running);
        signals::announce_shutdown(signals, announce.clone())?;
        spawn_local(async {
            let mut beats = interval(HEARTBEAT_INTERVAL);
            loop {
                beats.tick().await;
                scoreboard::beat();
            }
        });
        let access_reporter = match &settings.access_log {
            Some(access_log) => Some(AccessReporter::start(access_log.clone(), inherited(access_log.fd)?)?),
            None => None,
        };
        let batch = if pool.is_none() { Some(ResponseBatch::start()?) } else { None };
        let worker = Rc::new(WorkerState {
            application,
            pool,
            batch,
            access_reporter,
            shutdown: announce,
            max_requests: if settings.max_requests == 0 { 0 } else { settings.max_requests + jitter },
            continue_timeout: continue_timeout(settings),
            served: Cell::new(0),
            in_progress: Cell::new(0),
        });
        let gateway = WsgiGateway::new(Rc::clone(&worker));
        lab_worker::worker::serve(listeners(settings)?, gateway, config, shutdown).await?;
        if let Some(reporter) = &worker.access_reporter {
            reporter.finish().await;
        }
        Ok(worker.pool.as_ref().is_none_or(ThreadPool::close))
    }
}

fn listeners(settings: &WorkerSettings) -> io::Result<Vec<Listener>> {
    let listener = |socket: &InheritedSocket| {
        let listener = inherited(socket.fd).and_then(Listener::new);
        listener.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", socket.address)))
    };
    settings.sockets.iter().map(listener).collect()
}

/// The wait for a body after `100 Continue`: well below the worker timeout, because the application is in the call and a
/// worker that waits must not look hung.
fn continue_timeout(settings: &WorkerSettings) -> Duration {
    match settings.timeout_s {
        0 => LONGEST_CONTINUE,
        timeout_s => Duration::from_secs(timeout_s).min(LONGEST_CONTINUE * 2) / 2,
    }
}

/// Takes over an inherited descriptor, known by its number. Call it once for each.
fn inherited(fd: i32) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{fd} is not a descriptor")));
    }
    // SAFETY: F_GETFD only checks whether the descriptor is open.
    rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(fd) })?;
    // SAFETY: the descriptor is open, and the process that passed its number gave up ownership.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
