//! What a worker is told to do.

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
