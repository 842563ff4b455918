//! Whether a worker serves on or ends, and how.

use tokio::sync::watch;

/// How far a worker's shutdown has gone. It only ever becomes more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ShutdownState {
    /// Accept connections and serve requests.
    #[default]
    Running,
    /// Accept nothing more; end when the requests in progress are complete (SIGTERM).
    Graceful,
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
