//! The typed configuration of one server: settings checked against each other, without anything lab does not support.

use std::path::PathBuf;
use std::time::Duration;

use lab_worker::ConnectionLimits;
use lab_worker::bootstrap::WorkerClass;
use lab_worker::http2_settings::Http2Settings;
use lab_worker::proxy_protocol::Versions;
use lab_worker::tls::TlsSettings;

use super::error::SettingsError;
use super::log_settings::{self, LogConfig};
use super::reader::ConfigReader;
use super::resolve::{ResolvedSettings, SettingsContext};
use crate::listen::Bind;
use crate::logging::statsd::StatsdConfig;

/// What the name of a native application begins with.
const NATIVE: &str = "native:";

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
    /// How workers call a Python application.
    pub worker_class: WorkerClass,
    /// Threads of a gthread worker.
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
    /// lab's own limits.
    pub connection_limits: ConnectionLimits,
    pub trust: Trust,
    /// TLS on all listeners; None for plain text.
    pub tls: Option<TlsSettings>,
    /// HTTP/2; None to speak HTTP/1.1 only.
    pub http2: Option<Http2Settings>,
    /// The versions of the PROXY header that are accepted.
    pub proxy_protocol: Versions,
    /// Whether the application is loaded once, before the workers are forked.
    pub preload_app: bool,
    /// Whether files are sent with sendfile(2).
    pub sendfile: bool,
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
    /// The folder of request bodies that are too large for memory; None for the system's.
    pub tmp_upload_dir: Option<PathBuf>,
    /// `NAME=VALUE` pairs for the application of a PasteDeploy file.
    pub paste_global_conf: Vec<String>,
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
        let mut errors = resolved.errors().to_vec();
        errors.extend(resolved.unsupported_settings(context));
        let reader = ConfigReader { resolved };
        let sendfile_variable = context.variable("SENDFILE");
        let app = app.map(str::to_owned).or_else(|| reader.text("wsgi_app"));
        let worker_class = collect_error(&mut errors, reader.worker_class()).unwrap_or_default();
        let bind = collect_error(&mut errors, reader.bind()).unwrap_or_default();
        let logs = log_settings::read(&reader).map_err(|found| errors.extend(found)).ok();
        let connection_limits = collect_error(&mut errors, reader.connection_limits()).unwrap_or_default();
        let raw_env = collect_error(&mut errors, reader.raw_env()).unwrap_or_default();
        let tls = collect_error(&mut errors, reader.tls()).unwrap_or_default();
        let http2 = collect_error(&mut errors, reader.http2()).unwrap_or_default();
        errors.extend(reader.combinations());
        let is_native = app.as_deref().is_some_and(|app| app.starts_with(NATIVE));
        if let Some(setting) = log_settings::python_setting(&reader).filter(|_| is_native) {
            let hint = "a native application does not log through Python; use errorlog, accesslog, loglevel or syslog";
            errors.push(resolved.unsupported(setting, hint));
        }
        let (Some(app), Some(logs), true) = (&app, logs, errors.is_empty()) else {
            errors.extend(app.is_none().then_some(SettingsError::NoApplication));
            errors.sort_by_key(SettingsError::origin);
            return Err(errors);
        };
        Ok(Config {
            app: app.clone(),
            bind,
            backlog: reader.number("backlog"),
            reuse_port: reader.flag("reuse_port"),
            workers: reader.number("workers"),
            worker_class,
            threads: reader.threads(),
            worker_connections: reader.number("worker_connections"),
            max_requests: reader.number("max_requests"),
            max_requests_jitter: reader.number("max_requests_jitter"),
            timeout: reader.seconds("timeout"),
            graceful_timeout: reader.seconds("graceful_timeout"),
            keepalive: reader.seconds("keepalive"),
            limit_request_line: reader.number("limit_request_line"),
            limit_request_fields: reader.number("limit_request_fields"),
            limit_request_field_size: reader.number("limit_request_field_size"),
            connection_limits,
            trust: reader.trust(),
            tls,
            http2,
            proxy_protocol: reader.proxy_protocol(),
            preload_app: reader.flag("preload_app"),
            sendfile: reader.sendfile(sendfile_variable),
            reload: reader.flag("reload"),
            reload_extra_files: reader.texts("reload_extra_files"),
            chdir: reader.text("chdir").unwrap_or_default().into(),
            pythonpath: reader.pythonpath(),
            raw_env,
            tmp_upload_dir: reader.text("tmp_upload_dir").map(|folder| reader.in_chdir(&folder)),
            paste_global_conf: reader.texts("raw_paste_global_conf"),
            process: reader.process(app),
            logs,
            statsd: log_settings::statsd(&reader),
            check_config: reader.flag("check_config"),
            print_config: reader.flag("print_config"),
        })
    }

    /// The name of the native application, if it is one.
    #[must_use]
    pub fn native_app(&self) -> Option<&str> {
        self.app.strip_prefix(NATIVE)
    }
}

fn collect_error<T>(errors: &mut Vec<SettingsError>, read: Result<T, SettingsError>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::arguments::from_variable;
    use super::super::error::Origin;
    use super::super::resolve::test_context;
    use super::*;

    fn configured(arguments: &str) -> Result<Config, String> {
        let context = test_context();
        let mut resolved = ResolvedSettings::new(&context);
        resolved.apply(&Origin::CommandLine, from_variable(arguments).unwrap(), &context);
        let all = |errors: Vec<SettingsError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        Config::new(Some("m:a"), &resolved, &context).map_err(all)
    }

    #[test]
    fn defaults_are_gunicorns() {
        let config = configured("").unwrap();
        assert_eq!(config.bind, ["127.0.0.1:8000".parse().unwrap()]);
        assert_eq!((config.workers, config.threads, config.backlog), (1, 1, 2048));
        assert_eq!((config.timeout, config.keepalive), (Duration::from_secs(30), Duration::from_secs(2)));
        assert_eq!((config.process.name.as_str(), config.worker_class), ("m:a", WorkerClass::Sync));
        assert!(config.statsd.is_none() && config.logs.accesslog.is_none());
    }

    #[test]
    fn worker_classes_have_gunicorns_names() {
        let class = |arguments: &str| configured(arguments).unwrap().worker_class;
        for arguments in
            ["-k sync --threads 4", "-k gthread --threads 4", "-k gunicorn.workers.sync.SyncWorker --threads 2"]
        {
            assert_eq!(class(arguments), WorkerClass::Gthread, "{arguments}");
        }
        assert_eq!(class("-k gthread"), WorkerClass::Sync);
        assert_eq!(class("-k egg:gunicorn#sync"), WorkerClass::Sync);
        for name in
            ["gevent", "gevent_wsgi", "gevent_pywsgi", "egg:gunicorn#gevent", "gunicorn.workers.ggevent.GeventWorker"]
        {
            assert_eq!(class(&format!("-k {name} --threads 4")), WorkerClass::Gevent, "{name}");
        }
    }

    #[test]
    fn other_worker_classes_are_refused_by_name() {
        for (class, part) in [
            ("eventlet", "\"gevent\""),
            ("gunicorn.workers.geventlet.EventletWorker", "\"gevent\""),
            ("uvicorn.workers.UvicornWorker", "use uvicorn"),
            ("uvicorn_worker.UvicornH11Worker", "use uvicorn"),
            ("aiohttp.GunicornWebWorker", "python -m aiohttp.web"),
            ("tornado", "HTTPServer"),
            ("egg:gunicorn#tornado", "HTTPServer"),
            ("egg:meinheld#gunicorn_worker", "\"gthread\""),
            ("geventwebsocket.gunicorn.workers.GeventWebSocketWorker", "simple-websocket"),
            ("shop.workers.Worker", "no other class"),
        ] {
            let errors = configured(&format!("-k {class}")).unwrap_err();
            assert!(errors.contains(&format!("--worker-class = {class} is not supported\nhint: ")), "{errors}");
            assert!(errors.contains(part), "{errors}");
        }
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let errors = configured("-k eventlet --cert-reqs 9 --certfile c -e X --spew -b a:b -w many").unwrap_err();
        for part in ["--worker-class", "--cert-reqs = 9", "\"X\"", "--spew", "a:b", "--workers = many"] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
    }

    #[test]
    fn tls_settings_are_checked_together() {
        let tls = configured("--certfile c.pem --keyfile k.pem --chdir /etc").unwrap().tls.unwrap();
        assert_eq!((tls.certfile, tls.keyfile), ("/etc/c.pem".into(), Some("/etc/k.pem".into())));
        // gunicorn ignores it, and many files have it.
        assert!(configured("--certfile c --ssl-version TLSv1").is_ok());
        for (arguments, part) in [
            ("--keyfile k", "--keyfile = k: needs a certfile"),
            ("--certfile c --cert-reqs 3 --ca-certs a", "--cert-reqs = 3: must be 0, 1 or 2"),
            ("--certfile c --cert-reqs 2", "--cert-reqs = 2: needs ca_certs"),
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
