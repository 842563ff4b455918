//! The limits of connections, requests and responses for which gunicorn has no setting: lab's own settings.

use serde::{Deserialize, Serialize};

/// Part of [`WorkerSettings`](crate::bootstrap::WorkerSettings). An omitted field has lab's default. Times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionLimits {
    /// Bytes of a request body; 0 for no limit (nginx's `client_max_body_size`).
    pub request_body: u64,
    /// The percentage of a file system's free space that the bodies a worker keeps in files may take together.
    pub spool_share: u64,
    /// Bytes of a response that are kept for a client that reads slowly, before the application has to wait for it
    /// (nginx's `proxy_max_temp_file_size`).
    pub response_spool: u64,
    /// How long a new connection may take to send its first byte.
    pub idle_timeout_s: u64,
    /// How long a head may take from its first byte to its last (nginx's `client_header_timeout`).
    pub header_timeout_s: u64,
    /// The longest pause between two reads of a request body (nginx's `client_body_timeout`).
    pub body_timeout_s: u64,
    /// The longest pause between two writes to a client (nginx's `send_timeout`).
    pub send_timeout_s: u64,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            request_body: 1 << 30,
            spool_share: 50,
            response_spool: 1 << 30,
            idle_timeout_s: 60,
            header_timeout_s: 60,
            body_timeout_s: 60,
            send_timeout_s: 60,
        }
    }
}
