//! What an arbiter tells a worker: one JSON document, written by the one and read by the other.
//!
//! A worker is started with `PYTHON -m lab_wsgi` and finds in its environment:
//! - [`SETTINGS_FD`]: a descriptor from which it reads this document up to its end;
//! - [`NOTES_FD`]: a memfd of [`notes::SIZE`](crate::notes::SIZE) bytes in which it keeps its [`notes`](crate::notes).
//!
//! Field names are gunicorn's where it has the setting; times are in seconds, as there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use lab_http::Limits;
use serde::{Deserialize, Serialize};

use crate::proxy_protocol::{HeaderPolicy, Versions};
use crate::settings::Settings;
use crate::tls::{self, TlsError, TlsSettings};
use crate::worker::Terms;
use crate::wsgi::trust::{PeerError, Peers};

/// The environment variable with the descriptor to read the settings from.
pub const SETTINGS_FD: &str = "LAB_WSGI_SETTINGS_FD";
/// The environment variable with the descriptor of the notes.
pub const NOTES_FD: &str = "LAB_WSGI_NOTES_FD";

/// The exit code of a worker that cannot boot (gunicorn's `WORKER_BOOT_ERROR`). Starting it again would not help.
pub const BOOT_ERROR: u8 = 3;
/// The exit code of a worker that cannot load its application (gunicorn's `APP_LOAD_ERROR`).
pub const APP_LOAD_ERROR: u8 = 4;

/// Bytes of the longest line that is read, where gunicorn would read one of any length.
const LONGEST: usize = 64 * 1024;
/// gunicorn's own bound on the number of fields.
const MOST_FIELDS: usize = 32_768;

/// Everything a worker needs to know. What is left out has gunicorn's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// The application string, `module:callable` (gunicorn's `wsgi_app`).
    pub app: String,
    /// The process that started the worker, and with which it ends.
    pub master: i32,
    /// The listening sockets, already bound; at least one.
    pub sockets: Vec<InheritedSocket>,
    /// The directory to change to before the application is loaded.
    #[serde(default)]
    pub chdir: Option<PathBuf>,
    /// Directories put in front of `sys.path`, behind `chdir` or the current directory.
    #[serde(default)]
    pub pythonpath: Vec<String>,
    /// `KEY=VALUE`, put into the environment before the application is loaded.
    #[serde(default)]
    pub raw_env: Vec<String>,
    /// The number of the worker: how many were started before it (gunicorn's `worker.age`).
    #[serde(default)]
    pub age: u64,
    /// How many workers there are in all; more than one makes `wsgi.multiprocess` true.
    #[serde(default = "default::one")]
    pub workers: u32,
    /// Requests one worker may be in at the same time; more than one is gunicorn's `gthread`.
    #[serde(default = "default::one")]
    pub threads: u32,
    /// Connections one worker has open at the same time.
    #[serde(default = "default::worker_connections")]
    pub worker_connections: u32,
    /// Requests after which a worker ends, to be replaced; 0 for never.
    #[serde(default)]
    pub max_requests: u64,
    /// A random number up to this one is added to `max_requests`.
    #[serde(default)]
    pub max_requests_jitter: u64,
    /// How long a worker may be silent before its arbiter kills it; 0 for ever.
    #[serde(default = "default::thirty")]
    pub timeout_s: u64,
    /// How long in-flight requests get to end in when the worker is told to stop.
    #[serde(default = "default::thirty")]
    pub graceful_timeout_s: u64,
    /// How long a connection may be idle between two requests.
    #[serde(default = "default::keepalive")]
    pub keepalive_s: u64,
    /// Bytes of the request line; 0 for the longest that lab reads.
    #[serde(default = "default::limit_request_line")]
    pub limit_request_line: usize,
    /// Field lines in a head.
    #[serde(default = "default::limit_request_fields")]
    pub limit_request_fields: usize,
    /// Bytes of one field line; 0 for the longest that lab reads.
    #[serde(default = "default::limit_request_field_size")]
    pub limit_request_field_size: usize,
    /// Peers that may say what the scheme is and set the `forwarder_headers`: addresses, networks, or `*` for all.
    #[serde(default = "default::loopback")]
    pub forwarded_allow_ips: Vec<String>,
    /// Fields with the value that means `https`.
    #[serde(default = "default::secure_scheme_headers")]
    pub secure_scheme_headers: BTreeMap<String, String>,
    /// Fields with an underscore that such a peer may set.
    #[serde(default = "default::forwarder_headers")]
    pub forwarder_headers: Vec<String>,
    /// What becomes of other fields with an underscore.
    #[serde(default)]
    pub header_map: HeaderMapPolicy,
    /// TLS on all sockets; None without.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
    /// The headers by which proxies may say who their clients are.
    #[serde(default)]
    pub proxy_protocol: Versions,
    /// Peers that may send them: addresses, networks, or `*` for all.
    #[serde(default = "default::loopback")]
    pub proxy_allow_ips: Vec<String>,
    /// What the worker's log says: `debug`, `info`, `warn` or `error`, and what is worse.
    #[serde(default = "default::loglevel")]
    pub loglevel: String,
    /// Where access records go to; None if nobody wants them.
    #[serde(default)]
    pub access_log: Option<AccessLog>,
}

impl WorkerSettings {
    /// What the worker's log says.
    ///
    /// # Errors
    /// There is no such level.
    pub fn log_level(&self) -> Result<tracing::Level, TermsError> {
        self.loglevel.parse().map_err(|_| TermsError::LogLevel(self.loglevel.clone()))
    }

    /// On which terms the worker works. Reads the files of `tls`.
    ///
    /// # Errors
    /// Something in the settings makes no sense, or a file cannot be used.
    pub fn terms(&self) -> Result<Terms, TermsError> {
        let bound = |limit: usize| if limit == 0 { LONGEST } else { limit.min(LONGEST) };
        let fields = if self.limit_request_fields == 0 { MOST_FIELDS } else { self.limit_request_fields };
        let (start_line, field) = (bound(self.limit_request_line), bound(self.limit_request_field_size));
        // As much as gunicorn buffers, which has no setting for it.
        let head = start_line + 2 + fields * (field + 2) + 2;
        let limits = Limits { start_line, field, fields, head, ..Limits::default() };
        let keep_alive = Duration::from_secs(self.keepalive_s);
        let is_on = self.proxy_protocol != Versions::Off;
        let policy = || Ok(HeaderPolicy { versions: self.proxy_protocol, allowed: Peers::new(&self.proxy_allow_ips)? });
        let proxy_protocol = is_on.then(policy).transpose().map_err(TermsError::Peer)?;
        Ok(Terms {
            settings: Settings {
                limits,
                keep_alive,
                is_tls: self.tls.is_some(),
                proxy_protocol,
                ..Settings::default()
            },
            graceful_timeout: Duration::from_secs(self.graceful_timeout_s),
            connections: self.worker_connections.max(1),
            tls: self.tls.as_ref().map(tls::load).transpose()?,
        })
    }
}

/// Why there are no terms to work on.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// Who may send PROXY headers is not clear.
    #[error("proxy_allow_ips: {0}")]
    Peer(PeerError),
    /// There is no such level.
    #[error("loglevel: there is no {0:?}; there is: debug, info, warn, error")]
    LogLevel(String),
    /// There can be no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A listening socket the worker inherits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InheritedSocket {
    /// Its descriptor in the worker.
    pub fd: i32,
    /// Where it is bound, as people write it: `127.0.0.1:8000`, `[::1]:8000`, `unix:/run/app.sock`.
    pub address: String,
}

/// What becomes of fields whose name has an underscore, and which would be mistaken for others in a WSGI environ
/// (gunicorn's `header_map`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderMapPolicy {
    /// They are left out.
    #[default]
    Drop,
    /// The request is refused.
    Refuse,
    /// They are mapped like any other.
    Dangerous,
}

/// The pipe for access records: one JSON [`AccessRecord`](crate::access_record::AccessRecord) a line. Each worker has a
/// pipe of its own, so that lines of any length stay whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    /// Its descriptor in the worker.
    pub fd: i32,
    /// Request fields to record, in lower case (`%({name}i)s` in gunicorn's `access_log_format`).
    #[serde(default)]
    pub request_headers: Vec<String>,
    /// Response fields to record, in lower case (`%({name}o)s`).
    #[serde(default)]
    pub response_headers: Vec<String>,
    /// Variables of the environ to record, by their own names without regard to case (`%({name}e)s`).
    #[serde(default)]
    pub environ: Vec<String>,
}

/// gunicorn's defaults.
mod default {
    use std::collections::BTreeMap;

    pub(super) fn one() -> u32 {
        1
    }

    pub(super) fn loglevel() -> String {
        "info".to_owned()
    }

    pub(super) fn worker_connections() -> u32 {
        1000
    }

    pub(super) fn thirty() -> u64 {
        30
    }

    pub(super) fn keepalive() -> u64 {
        2
    }

    pub(super) fn limit_request_line() -> usize {
        4094
    }

    pub(super) fn limit_request_fields() -> usize {
        100
    }

    pub(super) fn limit_request_field_size() -> usize {
        8190
    }

    pub(super) fn loopback() -> Vec<String> {
        ["127.0.0.1", "::1"].map(str::to_owned).to_vec()
    }

    pub(super) fn secure_scheme_headers() -> BTreeMap<String, String> {
        [("X-FORWARDED-PROTOCOL", "ssl"), ("X-FORWARDED-PROTO", "https"), ("X-FORWARDED-SSL", "on")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    pub(super) fn forwarder_headers() -> Vec<String> {
        ["SCRIPT_NAME", "PATH_INFO"].map(str::to_owned).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = r#"{"app": "m:a", "master": 7, "sockets": [{"fd": 3, "address": "127.0.0.1:8000"}]}"#;

    #[test]
    fn what_is_left_out_has_gunicorns_default() {
        let settings: WorkerSettings = serde_json::from_str(SMALLEST).expect("settings");
        assert_eq!((settings.threads, settings.worker_connections, settings.timeout_s), (1, 1000, 30));
        assert_eq!((settings.limit_request_line, settings.limit_request_field_size), (4094, 8190));
        assert_eq!(settings.header_map, HeaderMapPolicy::Drop);
        assert_eq!(settings.access_log, None);
        let text = serde_json::to_string(&settings).expect("text");
        assert_eq!(serde_json::from_str::<WorkerSettings>(&text).expect("settings"), settings);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let text = SMALLEST.replace("{\"app\"", "{\"treads\": 2, \"app\"");
        let error = serde_json::from_str::<WorkerSettings>(&text).unwrap_err().to_string();
        assert!(error.starts_with("unknown field `treads`"), "{error}");
    }
}
