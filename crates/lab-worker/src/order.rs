//! What a worker is told to do.

use tokio::sync::watch;

/// The order in force. Orders only ever get more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Order {
    /// Accept connections and serve requests.
    #[default]
    Serve,
    /// Accept nothing more, and end when the requests in progress are answered (SIGTERM).
    Finish,
    /// End at once (SIGINT, SIGQUIT).
    Quit,
}

impl Order {
    /// Gives the order, unless a more urgent one is in force.
    pub fn give(self, to: &watch::Sender<Order>) {
        to.send_if_modified(|current| {
            let is_more_urgent = self > *current;
            *current = self.max(*current);
            is_more_urgent
        });
    }
}
