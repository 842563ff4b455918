//! The typed configuration of one server: settings checked against each other, without anything lab does not support.

use std::path::PathBuf;
use std::time::Duration;

use lab_worker::proxy_protocol::Versions;
use lab_worker::tls::{ClientCertificates, TlsSettings};

use super::resolve::{ResolvedSettings, SettingsContext, SettingsError};
use super::value::Value;
use crate::listen::Bind;
use crate::logging::access_format::AccessFormat;

/// The configuration of one server. [`WorkerSettings`](lab_worker::bootstrap::WorkerSettings) is the part its workers get.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The application: `native:NAME`, or an application string as in gunicorn.
    pub app: String,
    pub bind: Vec<Bind>,
    /// Connections that may wait to be accepted.
    pub backlog: i32,
    /// Whether each worker has its own sockets.
    pub reuse_port: bool,
    /// The number of worker processes.
    pub workers: usize,
    /// Requests that may be in one worker's application at the same time; more than one is gunicorn's gthread.
    pub threads: u32,
    /// Connections that one worker has open at the same time.
    pub worker_connections: u32,
    /// Requests after which a worker is replaced; 0 for no limit.
    pub max_requests: u64,
    /// The largest random number that is added to `max_requests`.
    pub max_requests_jitter: u64,
    /// How long a worker may be silent; zero for no limit.
    pub timeout: Duration,
    /// How long requests in progress may take to complete in a graceful stop.
    pub graceful_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keepalive: Duration,
    /// Bytes of a request line; 0 for the longest that lab reads.
    pub limit_request_line: usize,
    /// Field lines in a head; 0 for the most that lab reads.
    pub limit_request_fields: usize,
    /// Bytes of one field line; 0 for the longest that lab reads.
    pub limit_request_field_size: usize,
    pub trust: Trust,
    /// TLS on all listeners; None for plain text.
    pub tls: Option<TlsSettings>,
    /// The versions of the PROXY header that are accepted.
    pub proxy_protocol: Versions,
    /// Whether workers are replaced when code changes.
    pub reload: bool,
    /// More files and patterns to watch then.
    pub reload_extra_files: Vec<String>,
    /// Where the application is loaded and run.
    pub chdir: PathBuf,
    /// The first folders of the module path.
    pub pythonpath: Vec<String>,
    /// Environment variables, `NAME=VALUE`.
    pub raw_env: Vec<String>,
    pub process: ProcessConfig,
    pub logs: LogConfig,
    pub statsd: Option<StatsdConfig>,
    /// Check the configuration and exit.
    pub check_config: bool,
    /// Print the configuration and exit.
    pub print_config: bool,
}

/// Which peers are trusted, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Peers that may set the scheme and the `forwarder_headers`.
    pub forwarded_allow_ips: Vec<String>,
    /// Peers that may send a PROXY header.
    pub proxy_allow_ips: Vec<String>,
    /// Fields, each with the value that means `https`.
    pub secure_scheme_headers: Vec<(String, String)>,
    /// Fields with underscores that a trusted peer may send.
    pub forwarder_headers: Vec<String>,
    /// `drop`, `refuse` or `dangerous`.
    pub header_map: String,
}

/// How the processes run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessConfig {
    /// Detach from the terminal.
    pub daemon: bool,
    /// Keep standard output and error when detached.
    pub enable_stdio_inheritance: bool,
    /// The file for the arbiter's process id.
    pub pidfile: Option<PathBuf>,
    /// The folder of the workers' scoreboards; None for memory.
    pub worker_tmp_dir: Option<PathBuf>,
    /// The user that workers run as.
    pub user: u32,
    /// The group that workers run as.
    pub group: u32,
    /// Whether workers get all groups of their user.
    pub initgroups: bool,
    /// The mode bits that are cleared on unix sockets.
    pub umask: u32,
    /// The name in process titles.
    pub name: String,
}

/// The logs of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// The access log: a file, or `-`.
    pub accesslog: Option<String>,
    pub access_log_format: AccessFormat,
    /// The error log: a file, or `-`.
    pub errorlog: String,
    pub loglevel: tracing::Level,
    /// Whether the error log also receives what the application prints.
    pub capture_output: bool,
}

/// Metrics for statsd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsdConfig {
    pub host: StatsdHost,
    /// The prefix of metric names; empty, or ending in a dot.
    pub prefix: String,
    /// Tags in DogStatsD's format.
    pub tags: String,
    /// Whether to send the backlog.
    pub backlog: bool,
}

/// A statsd server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsdHost {
    /// A host and a port, over UDP.
    Udp(String, u16),
    Unix(PathBuf),
}

impl Config {
    /// Makes the configuration. `app` is the application on the command line; None for that of `wsgi_app`.
    ///
    /// # Errors
    /// All errors at once.
    pub fn new(
        app: Option<&str>,
        resolved: &ResolvedSettings,
        context: &SettingsContext,
    ) -> Result<Config, Vec<SettingsError>> {
        let mut errors = resolved.unsupported_settings(context);
        let reader = ConfigReader { resolved };
        let app = app.map(str::to_owned).or_else(|| reader.text("wsgi_app"));
        let threads = collect_error(&mut errors, reader.threads()).unwrap_or(1);
        let bind = collect_error(&mut errors, reader.bind()).unwrap_or_default();
        let logs = collect_error(&mut errors, reader.logs());
        let raw_env = collect_error(&mut errors, reader.raw_env()).unwrap_or_default();
        let tls = collect_error(&mut errors, reader.tls()).unwrap_or_default();
        errors.extend(reader.combinations());
        let (Some(app), Some(logs), true) = (&app, logs, errors.is_empty()) else {
            errors.extend(app.is_none().then_some(SettingsError::NoApplication));
            return Err(errors);
        };
        Ok(Config {
            app: app.clone(),
            bind,
            backlog: reader.number("backlog"),
            reuse_port: reader.flag("reuse_port"),
            workers: reader.number("workers"),
            threads,
            worker_connections: reader.number("worker_connections"),
            max_requests: reader.number("max_requests"),
            max_requests_jitter: reader.number("max_requests_jitter"),
            timeout: reader.seconds("timeout"),
            graceful_timeout: reader.seconds("graceful_timeout"),
            keepalive: reader.seconds("keepalive"),
            limit_request_line: reader.number("limit_request_line"),
            limit_request_fields: reader.number("limit_request_fields"),
            limit_request_field_size: reader.number("limit_request_field_size"),
            trust: reader.trust(),
            tls,
            proxy_protocol: reader.proxy_protocol(),
            reload: reader.flag("reload"),
            reload_extra_files: reader.texts("reload_extra_files"),
            chdir: reader.text("chdir").unwrap_or_default().into(),
            pythonpath: reader.pythonpath(),
            raw_env,
            process: reader.process(app),
            logs,
            statsd: reader.statsd(),
            check_config: reader.flag("check_config"),
            print_config: reader.flag("print_config"),
        })
    }

    /// The name of the native application, if it is one.
    #[must_use]
    pub fn native_app(&self) -> Option<&str> {
        self.app.strip_prefix("native:")
    }

    /// gunicorn's name for the type of worker.
    #[must_use]
    pub fn worker_class(&self) -> &'static str {
        if self.threads > 1 { "gthread" } else { "sync" }
    }
}

fn collect_error<T>(errors: &mut Vec<SettingsError>, read: Result<T, SettingsError>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

/// Reads validated values as their types.
struct ConfigReader<'a> {
    resolved: &'a ResolvedSettings,
}

impl ConfigReader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        match self.resolved.get(name) {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let Value::List(items) = self.resolved.get(name) else { return Vec::new() };
        items.iter().filter_map(|item| if let Value::Text(text) = item { Some(text.clone()) } else { None }).collect()
    }

    fn flag(&self, name: &str) -> bool {
        self.resolved.get(name) == &Value::Bool(true)
    }

    /// A number, already validated as not negative. One that is too large for its type becomes the largest of the type.
    fn number<N: TryFrom<i64> + number_types::Largest>(&self, name: &str) -> N {
        match self.resolved.get(name) {
            Value::Int(number) => N::try_from(*number).unwrap_or(N::LARGEST),
            _ => N::LARGEST,
        }
    }

    fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    fn bind(&self) -> Result<Vec<Bind>, SettingsError> {
        let given = self.texts("bind");
        let bind = given.iter().map(|text| text.parse::<Bind>());
        let bind = bind.collect::<Result<Vec<_>, _>>();
        let bind = bind.map_err(|error| self.resolved.invalid("bind", error.to_string()))?;
        if bind.is_empty() { Err(self.resolved.invalid("bind", "must name at least one address")) } else { Ok(bind) }
    }

    /// The number of threads. In lab sync and gthread differ in nothing else.
    fn threads(&self) -> Result<u32, SettingsError> {
        let threads: u32 = self.number("threads");
        let class = self.text("worker_class").unwrap_or_default();
        match class.as_str() {
            "sync" | "gthread" | "gunicorn.workers.sync.SyncWorker" | "gunicorn.workers.gthread.ThreadWorker" => {
                Ok(threads.max(1))
            }
            "gevent" | "gevent_wsgi" | "gevent_pywsgi" | "eventlet" | "tornado" => Err(self.resolved.unsupported(
                "worker_class",
                "slow clients do not occupy a thread of a lab worker; for requests that wait for something else, use \
                 worker_class = \"gthread\" with threads",
            )),
            "asgi" | "uvicorn.workers.UvicornWorker" | "uvicorn_worker.UvicornWorker" => {
                Err(self.resolved.unsupported(
                    "worker_class",
                    "lab serve hosts WSGI applications, not ASGI ones; use uvicorn for those",
                ))
            }
            _ => Err(self.resolved.unsupported("worker_class", "use sync, or gthread with threads")),
        }
    }

    fn trust(&self) -> Trust {
        let headers = match self.resolved.get("secure_scheme_headers") {
            Value::Pairs(pairs) => pairs.iter().map(|(name, value)| (name.clone(), value.to_string())).collect(),
            _ => Vec::new(),
        };
        Trust {
            forwarded_allow_ips: self.texts("forwarded_allow_ips"),
            proxy_allow_ips: self.texts("proxy_allow_ips"),
            secure_scheme_headers: headers,
            forwarder_headers: self.texts("forwarder_headers"),
            header_map: self.text("header_map").unwrap_or_else(|| "drop".to_owned()),
        }
    }

    /// The TLS settings. Their files are relative to `chdir`.
    fn tls(&self) -> Result<Option<TlsSettings>, SettingsError> {
        let chdir = PathBuf::from(self.text("chdir").unwrap_or_default());
        let file = |name| self.text(name).map(|path| chdir.join(path));
        let (certfile, keyfile) = (file("certfile"), file("keyfile"));
        let Some(certfile) = certfile else {
            let has_key_only = keyfile.is_some();
            return if has_key_only { Err(self.resolved.invalid("keyfile", "needs a certfile")) } else { Ok(None) };
        };
        let cert_reqs = match self.number("cert_reqs") {
            0_u32 => ClientCertificates::None,
            1 => ClientCertificates::Optional,
            2 => ClientCertificates::Required,
            _ => return Err(self.resolved.invalid("cert_reqs", "must be 0, 1 or 2")),
        };
        let ca_certs = file("ca_certs");
        if cert_reqs != ClientCertificates::None && ca_certs.is_none() {
            return Err(self.resolved.invalid("cert_reqs", "needs ca_certs, the authorities to trust"));
        }
        Ok(Some(TlsSettings { certfile, keyfile, ca_certs, cert_reqs, ciphers: self.text("ciphers") }))
    }

    fn proxy_protocol(&self) -> Versions {
        match self.text("proxy_protocol").as_deref() {
            Some("v1") => Versions::V1,
            Some("v2") => Versions::V2,
            Some("auto") => Versions::Auto,
            _ => Versions::Off,
        }
    }

    /// The folders are relative to `chdir`.
    fn pythonpath(&self) -> Vec<String> {
        let paths = self.text("pythonpath").unwrap_or_default();
        let chdir = PathBuf::from(self.text("chdir").unwrap_or_default());
        let absolute = |path: &str| chdir.join(path).to_string_lossy().into_owned();
        paths.split(',').filter(|path| !path.is_empty()).map(absolute).collect()
    }

    fn raw_env(&self) -> Result<Vec<String>, SettingsError> {
        let raw_env = self.texts("raw_env");
        match raw_env.iter().find(|pair| !pair.contains('=') || pair.starts_with('=') || pair.contains('\0')) {
            Some(pair) => Err(self.resolved.invalid("raw_env", format!("must be NAME=VALUE; {pair:?} is not"))),
            None => Ok(raw_env),
        }
    }

    fn process(&self, app: &str) -> ProcessConfig {
        ProcessConfig {
            daemon: self.flag("daemon"),
            enable_stdio_inheritance: self.flag("enable_stdio_inheritance"),
            pidfile: self.text("pidfile").map(PathBuf::from),
            worker_tmp_dir: self.text("worker_tmp_dir").map(PathBuf::from),
            user: self.number("user"),
            group: self.number("group"),
            initgroups: self.flag("initgroups"),
            umask: self.number("umask"),
            name: self.text("proc_name").unwrap_or_else(|| app.to_owned()),
        }
    }

    fn logs(&self) -> Result<LogConfig, SettingsError> {
        use tracing::Level;
        let loglevel = match self.text("loglevel").unwrap_or_default().to_lowercase().as_str() {
            "debug" => Level::DEBUG,
            "info" => Level::INFO,
            "warning" => Level::WARN,
            "error" | "critical" => Level::ERROR,
            _ => return Err(self.resolved.invalid("loglevel", "must be one of debug, info, warning, error, critical")),
        };
        let format = self.text("access_log_format").unwrap_or_default();
        Ok(LogConfig {
            accesslog: self.text("accesslog"),
            access_log_format: AccessFormat::new(&format)
                .map_err(|error| self.resolved.invalid("access_log_format", error.to_string()))?,
            errorlog: self.text("errorlog").unwrap_or_else(|| "-".to_owned()),
            loglevel,
            capture_output: self.flag("capture_output"),
        })
    }

    fn statsd(&self) -> Option<StatsdConfig> {
        let host = match self.resolved.get("statsd_host") {
            Value::Text(path) => StatsdHost::Unix(path.into()),
            Value::Tuple(pair) => match pair.as_slice() {
                [Value::Text(host), Value::Int(port)] => StatsdHost::Udp(host.clone(), u16::try_from(*port).ok()?),
                _ => return None,
            },
            _ => return None,
        };
        let prefix = self.text("statsd_prefix").unwrap_or_default();
        let prefix = prefix.trim_end_matches('.');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
        let tags = self.text("dogstatsd_tags").unwrap_or_default();
        Some(StatsdConfig { host, prefix, tags, backlog: self.flag("enable_backlog_metric") })
    }

    /// Errors about values that are valid for their setting but not supported, or not in this combination.
    fn combinations(&self) -> Vec<SettingsError> {
        let mut errors = Vec::new();
        if self.text("reload_engine").as_deref() == Some("inotify") {
            errors.push(self.resolved.unsupported("reload_engine", "use poll, which compares modification times"));
        }
        let is_inherited = self.texts("bind").iter().any(|bind| bind.starts_with("fd://"));
        if self.flag("reuse_port") && is_inherited {
            errors.push(
                self.resolved.unsupported("reuse_port", "an inherited socket cannot be bound again for each worker"),
            );
        }
        errors
    }
}

/// The integer types of the configuration, with their largest values.
mod number_types {
    pub(super) trait Largest {
        const LARGEST: Self;
    }

    macro_rules! largest {
        ($($number:ty),*) => { $(impl Largest for $number { const LARGEST: $number = <$number>::MAX; })* };
    }
    largest!(i32, u32, u64, usize);
}

#[cfg(test)]
mod tests {
    use super::super::arguments::from_variable;
    use super::super::resolve::{Origin, test_context};
    use super::*;

    fn configured(arguments: &str) -> Result<Config, String> {
        let context = test_context();
        let mut resolved = ResolvedSettings::new(&context).unwrap();
        resolved
            .apply(&Origin::CommandLine, from_variable(arguments).unwrap(), &context)
            .map_err(|error| error.to_string())?;
        let all = |errors: Vec<SettingsError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        Config::new(Some("m:a"), &resolved, &context).map_err(all)
    }

    #[test]
    fn defaults_are_gunicorns() {
        let config = configured("").unwrap();
        assert_eq!(config.bind, ["127.0.0.1:8000".parse().unwrap()]);
        assert_eq!((config.workers, config.threads, config.backlog), (1, 1, 2048));
        assert_eq!((config.timeout, config.keepalive), (Duration::from_secs(30), Duration::from_secs(2)));
        assert_eq!((config.process.name.as_str(), config.worker_class()), ("m:a", "sync"));
        assert!(config.statsd.is_none() && config.logs.accesslog.is_none());
    }

    #[test]
    fn worker_classes_are_sync_and_gthread() {
        assert_eq!(configured("-k gthread --threads 4").unwrap().worker_class(), "gthread");
        for class in ["gevent", "eventlet", "tornado", "asgi", "my.Worker"] {
            let errors = configured(&format!("-k {class}")).unwrap_err();
            assert!(errors.contains(&format!("--worker-class = {class} is not supported\nhint: ")), "{errors}");
        }
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let errors = configured("-k gevent --log-level loud -e X --preload -b a:b").unwrap_err();
        for part in ["--worker-class", "--log-level = loud", "\"X\"", "--preload", "a:b"] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
    }

    #[test]
    fn tls_settings_are_checked_together() {
        let tls = configured("--certfile c.pem --keyfile k.pem --chdir /etc").unwrap().tls.unwrap();
        assert_eq!((tls.certfile, tls.keyfile), ("/etc/c.pem".into(), Some("/etc/k.pem".into())));
        for (arguments, part) in [
            ("--keyfile k", "--keyfile = k: needs a certfile"),
            ("--certfile c --cert-reqs 3 --ca-certs a", "--cert-reqs = 3: must be 0, 1 or 2"),
            ("--certfile c --cert-reqs 2", "--cert-reqs = 2: needs ca_certs"),
            ("--certfile c --ssl-version TLSv1", "--ssl-version = TLSv1 is not supported\nhint: TLS 1.2"),
        ] {
            let errors = configured(arguments).unwrap_err();
            assert!(errors.contains(part), "{errors}");
        }
    }

    #[test]
    fn metric_prefixes_end_in_one_dot() {
        for (given, prefix) in [("", ""), ("a", "a."), ("a.b..", "a.b.")] {
            let config = configured(&format!("--statsd-host h:1 --statsd-prefix '{given}'")).unwrap();
            assert_eq!(config.statsd.unwrap().prefix, prefix, "{given}");
        }
    }
}
