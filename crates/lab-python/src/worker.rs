//! A worker, from its settings to its end.

use std::cell::Cell;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lab_net::Listener;
use lab_worker::Order;
use lab_worker::worker::Terms;
use lab_worker::worker_settings::WorkerSettings;
use lab_worker::wsgi::environ::Policy;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::interval;

use crate::access::AccessLog;
use crate::call::Application;
use crate::environ::Environs;
use crate::gateway::{Duties, WsgiGateway};
use crate::outbox::Outbox;
use crate::pool::Pool;
use crate::{allocator, awaited, log, notes, orders};

/// How often an idle worker shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long an application may wait for a body it asks for, if its arbiter is patient for ever.
const LONGEST_BODY: Duration = Duration::from_secs(60);

/// A worker of lab's app server: `lab_wsgi.__main__` makes one.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct Worker {
    settings: WorkerSettings,
}

#[pymethods]
impl Worker {
    /// Ties this process to its arbiter. `settings` is the document the arbiter gave, `notes` the descriptor of the
    /// notes, if it wants them.
    #[new]
    fn new(settings: &str, notes: Option<i32>) -> PyResult<Worker> {
        let settings: WorkerSettings = serde_json::from_str(settings)
            .map_err(|error| PyValueError::new_err(format!("the settings of the worker: {error}")))?;
        lab_worker::worker::die_with(settings.master).map_err(|error| PyOSError::new_err(error.to_string()))?;
        allocator::settle();
        log::start(settings.log_level().map_err(|error| PyValueError::new_err(error.to_string()))?);
        if let Some(notes) = notes {
            notes::open(&inherited(notes)?)?;
            notes::beat();
        }
        Ok(Worker { settings })
    }

    /// Serves an application until an order comes to end; `signals` is the descriptor from which signals are read, and
    /// `jitter` what is added to `max_requests`. Whether every call has ended: if not, there are threads that still
    /// run Python.
    fn serve(&self, py: Python<'_>, application: Py<PyAny>, signals: i32, jitter: u64) -> PyResult<bool> {
        let settings = &self.settings;
        let script_name = std::env::var("SCRIPT_NAME").unwrap_or_default();
        let terms = settings.terms().map_err(|error| PyValueError::new_err(error.to_string()))?;
        let policy = Policy::new(settings, &script_name).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let application = Arc::new(Application {
            callable: application,
            environs: Environs::new(py, settings.threads > 1, settings.workers > 1)?,
            policy,
            recorded: settings.access_log.as_ref().map(|log| log.environ.clone()).unwrap_or_default(),
        });
        let (pool, threads) = match settings.threads {
            0 | 1 => (None, None),
            threads => Pool::start(py, threads, &application).map(|(pool, threads)| (Some(pool), Some(threads)))?,
        };
        let signals = inherited(signals)?;
        let has_ended = py.detach(|| run(settings, terms, application, pool, signals, jitter))?;
        if let (Some(threads), true) = (threads, has_ended) {
            threads.join(py)?;
        }
        // The application may have threads of its own that wait for a client.
        Ok(has_ended && !awaited::is_anybody_waiting())
    }
}

fn run(
    settings: &WorkerSettings,
    terms: Terms,
    application: Arc<Application>,
    pool: Option<Pool>,
    signals: OwnedFd,
    jitter: u64,
) -> io::Result<bool> {
    let runtime = lab_worker::worker::runtime().map_err(io::Error::other)?;
    runtime.block_on(async {
        let (to, orders) = watch::channel(Order::Serve);
        orders::obey(signals, to.clone())?;
        spawn_local(async {
            let mut beats = interval(HEARTBEAT);
            loop {
                beats.tick().await;
                notes::beat();
            }
        });
        let access_log = match &settings.access_log {
            Some(wanted) => Some(AccessLog::start(wanted.clone(), inherited(wanted.fd)?)?),
            None => None,
        };
        let outbox = if pool.is_none() { Some(Outbox::start()?) } else { None };
        let duties = Rc::new(Duties {
            application,
            pool,
            outbox,
            access_log,
            orders: to,
            max_requests: if settings.max_requests == 0 { 0 } else { settings.max_requests + jitter },
            body_patience: body_patience(settings),
            served: Cell::new(0),
            in_progress: Cell::new(0),
        });
        let mut listeners = Vec::new();
        for socket in &settings.sockets {
            let listener = inherited(socket.fd).and_then(Listener::new);
            listeners
                .push(listener.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", socket.address)))?);
        }
        let gateway = WsgiGateway::new(Rc::clone(&duties));
        lab_worker::worker::serve(listeners, gateway, terms, orders).await?;
        if let Some(log) = &duties.access_log {
            log.finish().await;
        }
        Ok(duties.pool.as_ref().is_none_or(Pool::close))
    })
}

/// An application that waits for its client is silent: its arbiter is not to take it for hung.
fn body_patience(settings: &WorkerSettings) -> Duration {
    match settings.timeout_s {
        0 => LONGEST_BODY,
        timeout_s => Duration::from_secs(timeout_s).min(LONGEST_BODY * 2) / 2,
    }
}

/// Takes over a descriptor that this process was given and told the number of, once.
fn inherited(fd: i32) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{fd} is no descriptor")));
    }
    // SAFETY: it is only asked whether the descriptor is open; it is used if it is.
    rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(fd) })?;
    // SAFETY: the descriptor is open, and whoever told its number has left it to this process.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
