//! Threads for more than one request at a time (gunicorn's `gthread`). They are Python's own, so that what is local to
//! a thread lasts as long as the thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};
use tokio::sync::oneshot;

use crate::call::{Application, Job, Outcome};

/// What the threads have to do.
pub(crate) struct Pool(Arc<Queue>);

/// The threads themselves, objects of Python.
pub(crate) struct Threads(Vec<Py<PyAny>>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    /// Calls that have begun and not ended.
    running: usize,
    is_closed: bool,
}

struct Task {
    job: Job,
    answer: oneshot::Sender<Outcome>,
}

impl Pool {
    /// Starts the threads.
    pub(crate) fn start(py: Python<'_>, threads: u32, application: &Arc<Application>) -> PyResult<(Pool, Threads)> {
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
        Ok((Pool(queue), Threads(started)))
    }

    /// Has a job done as soon as a thread is free.
    pub(crate) async fn call(&self, job: Job) -> Outcome {
        let (answer, answered) = oneshot::channel();
        self.0.lock().waiting.push_back(Task { job, answer });
        self.0.changed.notify_one();
        answered.await.unwrap_or_else(|_| Outcome::without_response())
    }

    /// Lets the threads end. Whether none of them is in a call.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.0.lock();
        state.is_closed = true;
        self.0.changed.notify_all();
        state.running == 0
    }
}

impl Threads {
    /// Waits until all have ended, when they were let. One that came back to an interpreter that is being taken down
    /// would be ended by Python within code of Rust (before CPython 3.14), and the process with it.
    pub(crate) fn join(&self, py: Python<'_>) -> PyResult<()> {
        self.0.iter().try_for_each(|thread| thread.call_method0(py, "join").map(|_| ()))
    }
}

/// What a thread does: one job after the other.
fn work(py: Python<'_>, queue: &Queue, application: &Application) {
    while let Some(task) = py.detach(|| queue.next()) {
        let outcome = application.call(py, task.job);
        queue.lock().running -= 1;
        // A connection that is gone has no use for it.
        let _ = task.answer.send(outcome);
    }
}

impl Queue {
    /// Waits for the next task; None when there will be no more.
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

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
