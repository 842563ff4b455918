//! The validated configuration of a running worker, made from [`WorkerSettings`]: its limits and timeouts, by the names
//! and defaults of gunicorn and nginx where they have them.

use std::sync::Arc;
use std::time::Duration;

use lab_http::Limits;
use lab_net::spool::SpoolShare;
use lab_net::tls::ServerConfig;

use crate::bootstrap::{WorkerClass, WorkerSettings};
use crate::http2_settings::Http2Config;
use crate::proxy_protocol::{HeaderPolicy, Versions};
use crate::tls::{self, TlsError};
use crate::trusted_peers::{PeerError, TrustedPeers};

/// The longest request line or field line that lab reads; gunicorn's limit of 0 means no limit at all.
const LONGEST_LINE: usize = 64 * 1024;
/// Longer than the pause between two requests of a busy client, and short enough for a deployment to wait for.
const LONGEST_RETIREMENT_GRACE: Duration = Duration::from_secs(1);
/// gunicorn's own bound on the number of fields.
const MOST_FIELDS: usize = 32_768;

/// How a worker treats its connections.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Bounds on heads and bodies (gunicorn's `limit_request_*`, and lab's own for the content of a body).
    pub limits: Limits,
    /// The space that bodies kept in files may take together.
    pub spool_share: SpoolShare,
    /// Bytes of a response that are kept for a client before the application has to wait for it.
    pub response_spool: u64,
    /// How long a new connection may take to send its first byte.
    pub idle_timeout: Duration,
    /// How long a head may take from its first byte to its last (nginx's `client_header_timeout`).
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests (gunicorn's `keepalive`). Zero closes it after each.
    pub keep_alive: Duration,
    /// The longest pause between two reads of a body (nginx's `client_body_timeout`).
    pub body_timeout: Duration,
    /// The longest pause between two writes to a client (nginx's `send_timeout`).
    pub send_timeout: Duration,
    /// How long an application that is called on the event loop's thread may wait for one client in total (gunicorn's
    /// `timeout`). The worker serves no other client meanwhile.
    pub longest_wait: Duration,
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
    /// HTTP/2; None to speak HTTP/1.1 only.
    pub http2: Option<Http2Config>,
    /// Connections open at the same time (gunicorn's `worker_connections`).
    pub max_connections: u32,
    /// How long requests in progress may take to complete in a graceful shutdown (gunicorn's `graceful_timeout`).
    pub graceful_timeout: Duration,
}

/// Why a worker's settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkerConfigError {
    #[error("{setting}: {error}")]
    Peer { setting: &'static str, error: PeerError },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Default for WorkerConfig {
    fn default() -> WorkerConfig {
        WorkerConfig {
            limits: Limits::default(),
            spool_share: SpoolShare::HALF,
            response_spool: 1 << 30,
            idle_timeout: Duration::from_secs(60),
            header_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(2),
            body_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
            longest_wait: Duration::from_secs(30),
            drain_bytes: 64 * 1024,
            linger_timeout: Duration::from_secs(5),
            linger_bytes: 4 * 1024 * 1024,
            proxy_protocol: None,
            tls: None,
            http2: None,
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
        let policy = || {
            let allowed = peers("proxy_allow_ips", &settings.proxy_allow_ips)?;
            Ok::<_, WorkerConfigError>(HeaderPolicy { versions: settings.proxy_protocol, allowed })
        };
        let http2 = settings.http2.map(|http2| {
            Ok::<_, WorkerConfigError>(http2.config(peers("forwarded_allow_ips", &settings.forwarded_allow_ips)?))
        });
        let alpn = settings.http2.map(|http2| http2.alpn_protocols()).unwrap_or_default();
        let own = &settings.connection_limits;
        Ok(WorkerConfig {
            limits: limits(settings),
            spool_share: SpoolShare::from_percent(own.spool_share),
            response_spool: own.response_spool,
            idle_timeout: timeout(own.idle_timeout_s),
            header_timeout: timeout(own.header_timeout_s),
            body_timeout: timeout(own.body_timeout_s),
            send_timeout: timeout(own.send_timeout_s),
            longest_wait: timeout(if is_concurrent(settings) { 0 } else { settings.timeout_s }),
            keep_alive: Duration::from_secs(settings.keepalive_s),
            proxy_protocol: is_proxied.then(policy).transpose()?,
            tls: settings.tls.as_ref().map(|settings| tls::load(settings, alpn)).transpose()?,
            http2: http2.transpose()?,
            max_connections: settings.worker_connections.max(1),
            graceful_timeout: Duration::from_secs(settings.graceful_timeout_s),
            ..WorkerConfig::default()
        })
    }

    /// How long a connection without a request stays open after a graceful shutdown was announced. Its client cannot know
    /// of the shutdown, and its next request may be on the way.
    pub(crate) fn retirement_grace(&self) -> Duration {
        LONGEST_RETIREMENT_GRACE.min(self.graceful_timeout / 2)
    }

    /// Whether connections use TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

fn peers(setting: &'static str, entries: &[String]) -> Result<TrustedPeers, WorkerConfigError> {
    TrustedPeers::new(entries).map_err(|error| WorkerConfigError::Peer { setting, error })
}

/// Whether a call that waits for its client leaves the worker free for others.
fn is_concurrent(settings: &WorkerSettings) -> bool {
    settings.threads > 1 || settings.worker_class == WorkerClass::Gevent
}

/// A timeout in seconds, where 0 means none. An instant that far away can still be computed.
fn timeout(seconds: u64) -> Duration {
    const NONE: u64 = 1 << 30;
    Duration::from_secs(if seconds == 0 { NONE } else { seconds.min(NONE) })
}

fn limits(settings: &WorkerSettings) -> Limits {
    let line = |limit: usize| if limit == 0 { LONGEST_LINE } else { limit.min(LONGEST_LINE) };
    let fields = if settings.limit_request_fields == 0 { MOST_FIELDS } else { settings.limit_request_fields };
    let start_line = line(settings.limit_request_line);
    // gunicorn counts the CRLF of a field, but not that of the request line.
    let field = match settings.limit_request_field_size {
        0 => LONGEST_LINE,
        size => size.saturating_sub(2).min(LONGEST_LINE),
    };
    // gunicorn has no setting for the whole head, and buffers as much as the other limits allow.
    let head = start_line + 2 + fields * (field + 2) + 2;
    let body =
        if settings.connection_limits.request_body == 0 { u64::MAX } else { settings.connection_limits.request_body };
    Limits { start_line, field, fields, head, body, ..Limits::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &serde_json::Value) -> WorkerConfig {
        let mut document = serde_json::json!({ "app": "m:a", "arbiter": 7, "sockets": [] });
        document.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        WorkerConfig::new(&serde_json::from_value(document).unwrap()).unwrap()
    }

    #[test]
    fn field_size_counts_the_line_end() {
        let field = |size: usize| config(&serde_json::json!({ "limit_request_field_size": size })).limits.field;
        assert_eq!([field(100), field(1), field(0)], [98, 0, LONGEST_LINE]);
    }

    #[test]
    fn zero_means_no_limit() {
        let limits = serde_json::json!({ "request_body": 0, "send_timeout_s": 0, "body_timeout_s": 7 });
        let config = config(&serde_json::json!({ "connection_limits": limits }));
        assert_eq!(config.limits.body, u64::MAX);
        assert!(config.send_timeout > Duration::from_secs(1 << 29));
        assert_eq!((config.body_timeout, config.header_timeout), (Duration::from_secs(7), Duration::from_secs(60)));
    }
}
