//! The shutdown state of a worker.

use tokio::sync::watch;

/// How far a worker's shutdown has gone. It only ever becomes more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ShutdownState {
    /// Accept connections and serve requests.
    #[default]
    Running,
    /// Accept only the connections in the backlog; end when every open connection has had the chance of one more
    /// request (SIGTERM).
    Graceful,
    /// The same after a call that took too long (SIGABRT), and without the backlog: the arbiter kills this worker if it
    /// stays silent, so new connections are for its successor.
    Aborted,
    /// End at once (SIGINT, SIGQUIT).
    Immediate,
}

impl ShutdownState {
    /// Sends this state to a worker, unless the worker is in a more urgent one already.
    pub fn announce(self, to: &watch::Sender<ShutdownState>) {
        to.send_if_modified(|current| {
            let is_more_urgent = self > *current;
            *current = self.max(*current);
            is_more_urgent
        });
    }
}
