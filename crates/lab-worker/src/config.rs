//! The validated configuration of a running worker, made from [`WorkerSettings`]: its limits and timeouts, by the names
//! and defaults of gunicorn and nginx where they have them.

use std::sync::Arc;
use std::time::Duration;

use lab_http::Limits;
use lab_net::tls::ServerConfig;

use crate::bootstrap::WorkerSettings;
use crate::proxy_protocol::{HeaderPolicy, Versions};
use crate::tls::{self, TlsError};
use crate::wsgi::trust::{PeerError, Peers};

/// The longest request line or field line that lab reads; gunicorn's limit of 0 means no limit at all.
const LONGEST_LINE: usize = 64 * 1024;
/// gunicorn's own bound on the number of fields.
const MOST_FIELDS: usize = 32_768;

/// How a worker treats its connections.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Bounds on heads and on the framing of bodies (gunicorn's `limit_request_*`).
    pub limits: Limits,
    /// How long a head may take from its first byte to its last, and how long a new connection may take to send its
    /// first byte (nginx's `client_header_timeout`).
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests (gunicorn's `keepalive`). Zero closes it after each.
    pub keep_alive: Duration,
    /// The longest pause between two reads of a body (nginx's `client_body_timeout`).
    pub body_timeout: Duration,
    /// The longest pause between two writes to a client (nginx's `send_timeout`).
    pub send_timeout: Duration,
    /// How many unread body bytes are discarded to keep a connection alive. A longer rest closes it.
    pub drain_bytes: u64,
    /// How long to keep reading after a close for writing, so that the client can read its response (nginx's
    /// `lingering_timeout`).
    pub linger_timeout: Duration,
    /// How many bytes to read in that time, at most.
    pub linger_bytes: u64,
    /// The PROXY headers that are accepted; None to accept none.
    pub proxy_protocol: Option<HeaderPolicy>,
    /// TLS on all listeners; None for plain text.
    pub tls: Option<Arc<ServerConfig>>,
    /// Connections open at the same time (gunicorn's `worker_connections`).
    pub max_connections: u32,
    /// How long requests in progress may take to complete in a graceful shutdown (gunicorn's `graceful_timeout`).
    pub graceful_timeout: Duration,
}

/// Why a worker's settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkerConfigError {
    #[error("proxy_allow_ips: {0}")]
    Peer(PeerError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Default for WorkerConfig {
    fn default() -> WorkerConfig {
        WorkerConfig {
            limits: Limits::default(),
            header_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(2),
            body_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
            drain_bytes: 64 * 1024,
            linger_timeout: Duration::from_secs(5),
            linger_bytes: 4 * 1024 * 1024,
            proxy_protocol: None,
            tls: None,
            max_connections: 1000,
            graceful_timeout: Duration::from_secs(30),
        }
    }
}

impl WorkerConfig {
    /// Validates a worker's settings. Reads the files of `tls`.
    ///
    /// # Errors
    /// A setting is invalid, or a file cannot be used.
    pub fn new(settings: &WorkerSettings) -> Result<WorkerConfig, WorkerConfigError> {
        let is_proxied = settings.proxy_protocol != Versions::Off;
        let allowed = || Peers::new(&settings.proxy_allow_ips).map_err(WorkerConfigError::Peer);
        let policy =
            || Ok::<_, WorkerConfigError>(HeaderPolicy { versions: settings.proxy_protocol, allowed: allowed()? });
        Ok(WorkerConfig {
            limits: limits(settings),
            keep_alive: Duration::from_secs(settings.keepalive_s),
            proxy_protocol: is_proxied.then(policy).transpose()?,
            tls: settings.tls.as_ref().map(tls::load).transpose()?,
            max_connections: settings.worker_connections.max(1),
            graceful_timeout: Duration::from_secs(settings.graceful_timeout_s),
            ..WorkerConfig::default()
        })
    }

    /// Whether connections use TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

fn limits(settings: &WorkerSettings) -> Limits {
    let line = |limit: usize| if limit == 0 { LONGEST_LINE } else { limit.min(LONGEST_LINE) };
    let fields = if settings.limit_request_fields == 0 { MOST_FIELDS } else { settings.limit_request_fields };
    let (start_line, field) = (line(settings.limit_request_line), line(settings.limit_request_field_size));
    // gunicorn has no setting for the whole head, and buffers as much as the other limits allow.
    let head = start_line + 2 + fields * (field + 2) + 2;
    Limits { start_line, field, fields, head, ..Limits::default() }
}
