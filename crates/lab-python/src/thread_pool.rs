//! Threads for more than one request at a time (gunicorn's `gthread`). They are Python threads, so Python's thread-local
//! data lives as long as the thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};
use tokio::sync::oneshot;

use crate::call::{Application, Call, CallResult};

/// The queue that feeds the threads.
pub(crate) struct ThreadPool(Arc<Queue>);

/// The threads, as Python objects.
pub(crate) struct Threads(Vec<Py<PyAny>>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    /// Calls in progress.
    running: usize,
    is_closed: bool,
}

struct Task {
    call: Call,
    result: oneshot::Sender<CallResult>,
}

impl ThreadPool {
    pub(crate) fn start(
        py: Python<'_>,
        threads: u32,
        application: &Arc<Application>,
    ) -> PyResult<(ThreadPool, Threads)> {
        let queue = Arc::new(Queue::default());
        let mut started = Vec::new();
        let thread = py.import("threading")?.getattr("Thread")?;
        for number in 0..threads {
            let (queue, application) = (Arc::clone(&queue), Arc::clone(application));
            let work = PyCFunction::new_closure(py, Some(c"work"), None, move |arguments, _| {
                work(arguments.py(), &queue, &application);
            })?;
            let settings = PyDict::new(py);
            settings.set_item("target", work)?;
            settings.set_item("name", format!("lab-{number}"))?;
            settings.set_item("daemon", true)?;
            let thread = thread.call((), Some(&settings))?;
            thread.call_method0("start")?;
            started.push(thread.unbind());
        }
        Ok((ThreadPool(queue), Threads(started)))
    }

    /// Runs a call on the next free thread.
    pub(crate) async fn call(&self, call: Call) -> CallResult {
        let (result, receiver) = oneshot::channel();
        self.0.lock().waiting.push_back(Task { call, result });
        self.0.changed.notify_one();
        receiver.await.unwrap_or_else(|_| CallResult::without_response())
    }

    /// Lets the threads end. Returns whether no call is in progress.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.0.lock();
        state.is_closed = true;
        self.0.changed.notify_all();
        state.running == 0
    }
}

impl Threads {
    /// Waits until all threads have ended, after [`close`](ThreadPool::close). Before CPython 3.14, a thread that
    /// re-attaches during finalization is terminated inside Rust code, which ends the process.
    pub(crate) fn join(&self, py: Python<'_>) -> PyResult<()> {
        self.0.iter().try_for_each(|thread| thread.call_method0(py, "join").map(|_| ()))
    }
}

/// The body of a thread: runs one call after the other.
fn work(py: Python<'_>, queue: &Queue, application: &Application) {
    while let Some(task) = py.detach(|| queue.next()) {
        let result = application.call(py, task.call);
        queue.lock().running -= 1;
        // Fails if the connection is gone.
        let _ = task.result.send(result);
    }
}

impl Queue {
    /// Waits for the next task; None after the pool is closed.
    fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(task) = state.waiting.pop_front() {
                state.running += 1;
                return Some(task);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    // Nothing panics while it holds the lock, so a poisoned lock is impossible.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
