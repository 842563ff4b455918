//! Hands calls to gevent's hub, which runs each in a greenlet (gunicorn's `gevent`).
//!
//! The hub has Python's main thread. The event loop has a thread of its own, which monkey patching does not reach, and
//! never attaches to the interpreter there: it would wait for a greenlet that computes. So it announces calls through an
//! eventfd, which the hub watches.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use pyo3::prelude::*;
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::oneshot;

use crate::call::{Application, Call, CallResult};
use crate::{fork, scoreboard};

/// The event loop's side of the queue.
pub(crate) struct HubQueue(Arc<Queue>);

/// The hub's side of the queue.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct HubCalls {
    queue: Arc<Queue>,
    application: Arc<Application>,
    event_loop: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

/// A callable that runs one call. Call it once, in a greenlet.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct HubCall {
    task: Mutex<Option<Task>>,
    application: Arc<Application>,
    queue: Arc<Queue>,
}

struct Queue {
    state: Mutex<State>,
    /// Readable while the hub has something to learn.
    wakeup: OwnedFd,
    /// Calls in progress.
    running: AtomicUsize,
}

#[derive(Default)]
struct State {
    arrived: Vec<Task>,
    is_announced: bool,
    has_ended: bool,
}

enum Task {
    /// A call of the application.
    Call(Box<Call>, oneshot::Sender<CallResult>),
    /// Anything else that needs the interpreter.
    Job(Job, oneshot::Sender<()>),
}

type Job = Box<dyn FnOnce() + Send>;

/// Tells the hub that the event loop has ended, however it does.
struct EndNotice(Arc<Queue>);

impl HubQueue {
    /// Runs an event loop on a thread of its own. `run` gets the queue that the loop hands its calls to.
    pub(crate) fn start(
        application: Arc<Application>,
        run: impl FnOnce(HubQueue) -> io::Result<()> + Send + 'static,
    ) -> io::Result<HubCalls> {
        let wakeup = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let queue = Arc::new(Queue { state: Mutex::default(), wakeup, running: AtomicUsize::new(0) });
        let notice = EndNotice(Arc::clone(&queue));
        let own = HubQueue(Arc::clone(&queue));
        let thread = std::thread::Builder::new().name("lab-event-loop".to_owned()).spawn(move || {
            let _notice = notice;
            run(own)
        })?;
        Ok(HubCalls { queue, application, event_loop: Mutex::new(Some(thread)) })
    }

    /// Runs a call in a greenlet.
    pub(crate) async fn call(&self, call: Call) -> CallResult {
        let (result, receiver) = oneshot::channel();
        self.0.announce(|state| state.arrived.push(Task::Call(Box::new(call), result)));
        receiver.await.unwrap_or_else(|_| CallResult::without_response())
    }

    /// Runs a job in a greenlet, and waits for its end.
    pub(crate) async fn run(&self, job: Job) {
        let (done, receiver) = oneshot::channel();
        self.0.announce(|state| state.arrived.push(Task::Job(job, done)));
        // Fails only while the worker ends.
        let _ = receiver.await;
    }
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        self.0.announce(|state| state.has_ended = true);
    }
}

impl Queue {
    /// Changes the state, and wakes the hub unless it has not noticed the last change yet.
    fn announce(&self, change: impl FnOnce(&mut State)) {
        let was_announced = {
            let mut state = self.lock();
            change(&mut state);
            std::mem::replace(&mut state.is_announced, true)
        };
        // It cannot fail: the counter is at most 1.
        if !was_announced && let Err(errno) = rustix::io::write(&self.wakeup, &1_u64.to_ne_bytes()) {
            tracing::error!("cannot wake the hub: {errno}");
        }
    }

    // Nothing panics while it holds the lock, so a poisoned lock is impossible.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl HubCalls {
    /// The descriptor that becomes readable when there are calls to take, and when the event loop has ended.
    fn fileno(&self) -> RawFd {
        self.queue.wakeup.as_raw_fd()
    }

    /// Takes the calls that have arrived. In a copy of the worker there are none: they are the worker's.
    fn take(&self) -> Vec<HubCall> {
        if fork::is_copy() {
            return Vec::new();
        }
        let arrived = {
            let mut state = self.queue.lock();
            state.is_announced = false;
            // An error means that another reader was faster, and there is none.
            let _ = rustix::io::read(&self.queue.wakeup, &mut [0_u8; 8]);
            std::mem::take(&mut state.arrived)
        };
        let hub_call = |task| HubCall {
            task: Mutex::new(Some(task)),
            application: Arc::clone(&self.application),
            queue: Arc::clone(&self.queue),
        };
        arrived.into_iter().map(hub_call).collect()
    }

    fn has_ended(&self) -> bool {
        self.queue.lock().has_ended
    }

    /// Waits for the thread of an event loop that has ended, and raises its error.
    fn join(&self, py: Python<'_>) -> PyResult<()> {
        let thread = self.event_loop.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(()) };
        match py.detach(|| thread.join()) {
            Ok(ended) => Ok(ended?),
            Err(_) => Err(io::Error::other("the event loop panicked").into()),
        }
    }
}

#[pymethods]
impl HubCall {
    /// The scoreboard is written here and not by the event loop: its heartbeat is the hub's.
    fn __call__(&self, py: Python<'_>) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (call, result) = match task {
            None => return,
            Some(Task::Job(job, done)) => {
                job();
                // Fails if the connection is gone.
                let _ = done.send(());
                return;
            }
            Some(Task::Call(call, result)) => (call, result),
        };
        self.queue.running.fetch_add(1, Ordering::Relaxed);
        scoreboard::begin(call.arrived.head());
        let call_result = self.application.call(py, *call);
        let others = self.queue.running.fetch_sub(1, Ordering::Relaxed) - 1;
        scoreboard::end(others == 0);
        // Fails if the connection is gone.
        let _ = result.send(call_result);
    }
}
