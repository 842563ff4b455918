//! What a worker receives at its start: one JSON document, written by the arbiter and read by the worker.
//!
//! The fork server gives it to a Python worker. `PYTHON -m lab_wsgi` runs a worker without an arbiter, which finds two
//! descriptors in its environment:
//! - [`SETTINGS_FD`], from which it reads this document up to its end;
//! - [`SCOREBOARD_FD`], a memfd that holds its [`scoreboard`](crate::scoreboard).
//!
//! Field names are gunicorn's where gunicorn has the setting. Times are in seconds, as there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::connection_limits::ConnectionLimits;
use crate::http2_settings::Http2Settings;
use crate::proxy_protocol::Versions;
use crate::tls::TlsSettings;

/// The environment variable with the descriptor of the settings.
pub const SETTINGS_FD: &str = "LAB_WSGI_SETTINGS_FD";
/// The environment variable with the descriptor of the scoreboard.
pub const SCOREBOARD_FD: &str = "LAB_WSGI_SCOREBOARD_FD";

/// The exit code of a worker that cannot boot (gunicorn's `WORKER_BOOT_ERROR`). A replacement would fail as well.
pub const BOOT_ERROR: u8 = 3;
/// The exit code of a worker that cannot load its application (gunicorn's `APP_LOAD_ERROR`).
pub const APP_LOAD_ERROR: u8 = 4;

/// The settings of one worker, unvalidated: [`WorkerConfig`](crate::WorkerConfig) is made from them. An omitted field
/// has gunicorn's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// The application string, `module:callable` (gunicorn's `wsgi_app`).
    pub app: String,
    /// The process id of the arbiter. The worker dies with it.
    pub arbiter: i32,
    /// The listening sockets, already bound; at least one.
    pub sockets: Vec<InheritedSocket>,
    /// The directory to change to before the application is loaded.
    #[serde(default)]
    pub chdir: Option<PathBuf>,
    /// Directories to insert into `sys.path` in front of `chdir` or the current directory.
    #[serde(default)]
    pub pythonpath: Vec<String>,
    /// `KEY=VALUE` pairs for the environment, set before the application is loaded.
    #[serde(default)]
    pub raw_env: Vec<String>,
    /// How many workers were started up to this one (gunicorn's `worker.age`).
    #[serde(default)]
    pub age: u64,
    /// The number of workers; more than one makes `wsgi.multiprocess` true.
    #[serde(default = "default::one")]
    pub workers: u32,
    #[serde(default)]
    pub worker_class: WorkerClass,
    /// Requests that may be in the application at the same time; more than one is gunicorn's `gthread`. A gevent worker
    /// ignores it, as in gunicorn.
    #[serde(default = "default::one")]
    pub threads: u32,
    /// Connections open at the same time.
    #[serde(default = "default::worker_connections")]
    pub worker_connections: u32,
    /// Requests after which the worker ends and is replaced; 0 for no limit.
    #[serde(default)]
    pub max_requests: u64,
    /// The largest random number that is added to `max_requests`.
    #[serde(default)]
    pub max_requests_jitter: u64,
    /// How long the worker may be silent before the arbiter kills it; 0 for no limit.
    #[serde(default = "default::thirty")]
    pub timeout_s: u64,
    /// How long requests in progress may take to complete in a graceful shutdown.
    #[serde(default = "default::thirty")]
    pub graceful_timeout_s: u64,
    /// How long a connection may be idle between two requests.
    #[serde(default = "default::keepalive")]
    pub keepalive_s: u64,
    /// Bytes of the request line; 0 for the longest that lab reads.
    #[serde(default = "default::limit_request_line")]
    pub limit_request_line: usize,
    /// Field lines in a head; 0 for the most that lab reads.
    #[serde(default = "default::limit_request_fields")]
    pub limit_request_fields: usize,
    /// Bytes of one field line; 0 for the longest that lab reads.
    #[serde(default = "default::limit_request_field_size")]
    pub limit_request_field_size: usize,
    /// What lab limits besides.
    #[serde(default)]
    pub connection_limits: ConnectionLimits,
    /// Peers that are trusted to set the scheme and the `forwarder_headers`: addresses, networks, or `*` for all.
    #[serde(default = "default::loopback")]
    pub forwarded_allow_ips: Vec<String>,
    /// Fields, each with the value that means `https`.
    #[serde(default = "default::secure_scheme_headers")]
    pub secure_scheme_headers: BTreeMap<String, String>,
    /// Fields with an underscore that a trusted peer may set.
    #[serde(default = "default::forwarder_headers")]
    pub forwarder_headers: Vec<String>,
    /// What to do with all other fields with an underscore.
    #[serde(default)]
    pub header_map: HeaderMapPolicy,
    /// TLS on all listeners; None for plain text.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
    /// HTTP/2; None to speak HTTP/1.1 only.
    #[serde(default)]
    pub http2: Option<Http2Settings>,
    /// The versions of the PROXY header that are accepted.
    #[serde(default)]
    pub proxy_protocol: Versions,
    /// Peers that may send a PROXY header: addresses, networks, or `*` for all.
    #[serde(default = "default::loopback")]
    pub proxy_allow_ips: Vec<String>,
    /// The level of the error log: `debug`, `info`, `warn` or `error`.
    #[serde(default = "default::loglevel")]
    pub loglevel: String,
    /// What to report of each request; None to report nothing.
    #[serde(default)]
    pub access_log: Option<AccessLogSettings>,
    /// How Python's logging is set up; None where nothing about it is configured.
    #[serde(default)]
    pub logging: Option<LoggingSettings>,
    /// Whether `wsgi.file_wrapper` sends files with sendfile(2).
    #[serde(default = "default::yes")]
    pub sendfile: bool,
    /// The server hooks of the configuration file.
    #[serde(default)]
    pub hooks: Option<HookSettings>,
    /// The folder of request bodies that are too large for memory (gunicorn's `tmp_upload_dir`); None for the system's.
    #[serde(default)]
    pub tmp_upload_dir: Option<PathBuf>,
    /// `NAME=VALUE` pairs for the application of a PasteDeploy file (gunicorn's `raw_paste_global_conf`).
    #[serde(default)]
    pub paste_global_conf: Vec<String>,
}

/// Logging through Python, in a worker that runs Python: gunicorn's `logger_class`, `logconfig` and `syslog`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggingSettings {
    /// The configuration file, if there is one: its logger class, and objects in its `logconfig_dict`, cannot be sent.
    pub file: Option<ConfigurationFile>,
    /// All settings by gunicorn's names, for the logger class.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Whether the worker writes the access log through the logger. Otherwise the arbiter writes it.
    pub writes_access_log: bool,
}

/// A configuration file that a worker evaluates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationFile {
    /// An absolute path, or `python:MODULE`.
    pub location: String,
    /// The folder in which the arbiter evaluates the file.
    pub folder: PathBuf,
}

/// Server hooks, which a Python process gets by evaluating their configuration file again: functions cannot be sent to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSettings {
    /// The configuration file: an absolute path, or `python:MODULE`.
    pub location: String,
    /// The folder in which the arbiter evaluates the file.
    pub folder: PathBuf,
    /// The hooks that the file defines, by gunicorn's names.
    pub names: Vec<String>,
    /// All settings that are not functions, by gunicorn's names, for the hooks to read.
    #[serde(default)]
    pub values: BTreeMap<String, serde_json::Value>,
}

/// How a worker calls a Python application (gunicorn's `worker_class`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerClass {
    /// One call at a time; with `threads`, the same as gthread.
    #[default]
    Sync,
    /// On threads.
    Gthread,
    /// Each call in a greenlet, on gevent's hub.
    Gevent,
}

impl WorkerClass {
    /// gunicorn's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            WorkerClass::Sync => "sync",
            WorkerClass::Gthread => "gthread",
            WorkerClass::Gevent => "gevent",
        }
    }
}

/// A log level that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("loglevel: there is no {0:?}; expected debug, info, warn or error")]
pub struct LogLevelError(String);

impl WorkerSettings {
    /// The level of the error log.
    ///
    /// # Errors
    /// There is no such level.
    pub fn log_level(&self) -> Result<tracing::Level, LogLevelError> {
        self.loglevel.parse().map_err(|_| LogLevelError(self.loglevel.clone()))
    }
}

/// A listening socket the worker inherits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InheritedSocket {
    /// Its descriptor in the worker.
    pub fd: i32,
    /// The address it is bound to, as text: `127.0.0.1:8000`, `[::1]:8000`, `unix:/run/app.sock`.
    pub address: String,
}

/// What to do with a field whose name has an underscore (gunicorn's `header_map`). In a WSGI environ it has the same name
/// as the field with a hyphen in its place, so a client could forge that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderMapPolicy {
    /// Leave it out.
    #[default]
    Drop,
    /// Refuse the request.
    Refuse,
    /// Map it like any other field.
    Dangerous,
}

/// The pipe for access records, one line of JSON for each [`AccessRecord`](crate::access_record::AccessRecord), and the
/// optional parts of a record. Each worker has its own pipe, so lines of any length are never interleaved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLogSettings {
    /// Its descriptor in the worker.
    pub fd: i32,
    /// The access log that the arbiter writes: a file, or `-`. An application may write to it as well.
    #[serde(default)]
    pub file: Option<String>,
    /// The format of the lines that the arbiter writes, for a worker whose application changes the logger and which then
    /// writes them itself; empty if there are none.
    #[serde(default)]
    pub format: String,
    /// Request fields to record, in lower case (`%({name}i)s` in gunicorn's `access_log_format`).
    #[serde(default)]
    pub request_headers: Vec<String>,
    /// Response fields to record, in lower case (`%({name}o)s`).
    #[serde(default)]
    pub response_headers: Vec<String>,
    /// Environ variables to record, by their names in any case (`%({name}e)s`).
    #[serde(default)]
    pub environ: Vec<String>,
}

/// gunicorn's defaults.
mod default {
    use std::collections::BTreeMap;

    pub(super) fn one() -> u32 {
        1
    }

    pub(super) fn yes() -> bool {
        true
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

    const SMALLEST: &str = r#"{"app": "m:a", "arbiter": 7, "sockets": [{"fd": 3, "address": "127.0.0.1:8000"}]}"#;

    #[test]
    fn omitted_settings_have_gunicorns_defaults() {
        let settings: WorkerSettings = serde_json::from_str(SMALLEST).expect("settings");
        assert_eq!((settings.threads, settings.worker_connections, settings.timeout_s), (1, 1000, 30));
        assert_eq!((settings.limit_request_line, settings.limit_request_field_size), (4094, 8190));
        assert_eq!(settings.header_map, HeaderMapPolicy::Drop);
        assert_eq!(settings.access_log, None);
        let text = serde_json::to_string(&settings).expect("text");
        assert_eq!(serde_json::from_str::<WorkerSettings>(&text).expect("settings"), settings);
    }

    #[test]
    fn unknown_settings_are_refused_by_name() {
        let text = SMALLEST.replace("{\"app\"", "{\"treads\": 2, \"app\"");
        let error = serde_json::from_str::<WorkerSettings>(&text).unwrap_err().to_string();
        assert!(error.starts_with("unknown field `treads`"), "{error}");
    }
}
