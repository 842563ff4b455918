//! Where a worker calls its application.

use crate::hub_queue::HubQueue;
use crate::thread_pool::ThreadPool;

pub(crate) enum Executor {
    /// On the event loop's thread, one request at a time (gunicorn's `sync`).
    EventLoop,
    /// On Python threads (gunicorn's `gthread`).
    Threads(ThreadPool),
    /// In greenlets (gunicorn's `gevent`).
    Hub(HubQueue),
}

impl Executor {
    /// Whether calls are on the event loop's thread.
    pub(crate) fn is_event_loop(&self) -> bool {
        matches!(self, Executor::EventLoop)
    }

    /// Whether a call may block its thread to wait for a body. That holds up one thread of many, but every greenlet.
    pub(crate) fn may_wait_for_body(&self) -> bool {
        matches!(self, Executor::Threads(_))
    }

    /// Whether calls write the scoreboard themselves.
    pub(crate) fn shows_requests(&self) -> bool {
        matches!(self, Executor::Hub(_))
    }

    /// Ends its threads. Returns whether no call is in progress on one of them.
    pub(crate) fn close(&self) -> bool {
        match self {
            // Greenlets are ended by the hub.
            Executor::EventLoop | Executor::Hub(_) => true,
            Executor::Threads(pool) => pool.close(),
        }
    }
}
