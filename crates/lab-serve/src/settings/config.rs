//! What a server makes of its settings: typed, checked against each other, and without anything lab does not have.

use std::path::PathBuf;
use std::time::Duration;

use lab_worker::proxy_protocol::Versions;
use lab_worker::tls::{ClientCertificates, TlsSettings};

use super::layers::{Layers, SettingsError, Surroundings};
use super::value::Value;
use crate::access_log::AccessFormat;
use crate::listen::Bind;

/// The settings of one server.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The application: `native:NAME`, or what gunicorn would be given.
    pub app: String,
    /// Where to listen.
    pub bind: Vec<Bind>,
    /// Connections that may wait to be accepted.
    pub backlog: i32,
    /// Whether each worker gets a socket of its own.
    pub reuse_port: bool,
    /// Worker processes.
    pub workers: usize,
    /// Requests one worker may be in at the same time: more than one is gunicorn's gthread.
    pub threads: u32,
    /// Connections one worker has open at the same time.
    pub worker_connections: u32,
    /// Requests after which a worker is replaced; 0 is never.
    pub max_requests: u64,
    /// At most so many more.
    pub max_requests_jitter: u64,
    /// How long a worker may be silent; zero is for ever.
    pub timeout: Duration,
    /// How long in-flight requests get to end in.
    pub graceful_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keepalive: Duration,
    /// Bytes of a request line; 0 for the longest that lab reads.
    pub limit_request_line: usize,
    /// Field lines in a head; 0 for the most that lab reads.
    pub limit_request_fields: usize,
    /// Bytes of one field line; 0 for the longest that lab reads.
    pub limit_request_field_size: usize,
    /// Who is trusted with what.
    pub trust: Trust,
    /// TLS on all sockets.
    pub tls: Option<TlsSettings>,
    /// The headers with which proxies may say who their clients are.
    pub proxy_protocol: Versions,
    /// Whether workers are replaced when code changes.
    pub reload: bool,
    /// Further files and patterns to watch then.
    pub reload_extra_files: Vec<String>,
    /// Where the application is loaded and run.
    pub chdir: PathBuf,
    /// Where modules are looked for first.
    pub pythonpath: Vec<String>,
    /// Environment variables, `NAME=VALUE`.
    pub raw_env: Vec<String>,
    /// How the processes run.
    pub process: ProcessConfig,
    /// What is written where.
    pub logs: LogConfig,
    /// Where metrics go to.
    pub statsd: Option<StatsdConfig>,
    /// Only check the configuration.
    pub check_config: bool,
    /// Only print the configuration.
    pub print_config: bool,
}

/// Who is trusted with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Proxies that may say what the scheme is.
    pub forwarded_allow_ips: Vec<String>,
    /// Proxies that may send a PROXY header.
    pub proxy_allow_ips: Vec<String>,
    /// Fields with the value that means `https`.
    pub secure_scheme_headers: Vec<(String, String)>,
    /// Fields with underscores that such a proxy may send.
    pub forwarder_headers: Vec<String>,
    /// `drop`, `refuse` or `dangerous`.
    pub header_map: String,
}

/// How the processes run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessConfig {
    /// Detach from the terminal.
    pub daemon: bool,
    /// Then keep standard output and error.
    pub enable_stdio_inheritance: bool,
    /// Where the master's process id is written to.
    pub pidfile: Option<PathBuf>,
    /// Where the workers' notes lie; in memory unless it is given.
    pub worker_tmp_dir: Option<PathBuf>,
    /// The user that workers run as.
    pub user: u32,
    /// The group that workers run as.
    pub group: u32,
    /// Whether workers get all groups of their user.
    pub initgroups: bool,
    /// The mode bits that unix sockets do not get.
    pub umask: u32,
    /// What the processes are called.
    pub name: String,
}

/// What is written where.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// The access log: a file, or `-`.
    pub accesslog: Option<String>,
    /// Its format.
    pub access_log_format: AccessFormat,
    /// The error log: a file, or `-`.
    pub errorlog: String,
    /// What it says.
    pub loglevel: tracing::Level,
    /// Whether what the application prints goes there.
    pub capture_output: bool,
}

/// Where metrics go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsdConfig {
    /// The server.
    pub host: StatsdHost,
    /// What the names of metrics start with.
    pub prefix: String,
    /// DogStatsD's tags.
    pub tags: String,
    /// Whether the backlog is one of the metrics.
    pub backlog: bool,
}

/// A statsd server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsdHost {
    /// Over UDP: a name or an address, and a port.
    Udp(String, u16),
    /// Over a unix socket.
    Unix(PathBuf),
}

impl Config {
    /// Makes the configuration of `app`, which the command line names, or of the application that the settings name.
    ///
    /// # Errors
    /// Everything that is wrong with it, all at once.
    pub fn new(app: Option<&str>, layers: &Layers, around: &Surroundings) -> Result<Config, Vec<SettingsError>> {
        let mut wrong = layers.unsupported_ones(around);
        let read = Read { layers };
        let app = app.map(str::to_owned).or_else(|| read.text("wsgi_app"));
        let threads = note(&mut wrong, read.threads()).unwrap_or(1);
        let bind = note(&mut wrong, read.bind()).unwrap_or_default();
        let logs = note(&mut wrong, read.logs());
        let raw_env = note(&mut wrong, read.raw_env()).unwrap_or_default();
        let tls = note(&mut wrong, read.tls()).unwrap_or_default();
        wrong.extend(read.combinations());
        let (Some(app), Some(logs), true) = (&app, logs, wrong.is_empty()) else {
            wrong.extend(app.is_none().then_some(SettingsError::NoApplication));
            return Err(wrong);
        };
        Ok(Config {
            app: app.clone(),
            bind,
            backlog: read.number("backlog"),
            reuse_port: read.flag("reuse_port"),
            workers: read.number("workers"),
            threads,
            worker_connections: read.number("worker_connections"),
            max_requests: read.number("max_requests"),
            max_requests_jitter: read.number("max_requests_jitter"),
            timeout: read.seconds("timeout"),
            graceful_timeout: read.seconds("graceful_timeout"),
            keepalive: read.seconds("keepalive"),
            limit_request_line: read.number("limit_request_line"),
            limit_request_fields: read.number("limit_request_fields"),
            limit_request_field_size: read.number("limit_request_field_size"),
            trust: read.trust(),
            tls,
            proxy_protocol: read.proxy_protocol(),
            reload: read.flag("reload"),
            reload_extra_files: read.texts("reload_extra_files"),
            chdir: read.text("chdir").unwrap_or_default().into(),
            pythonpath: read.pythonpath(),
            raw_env,
            process: read.process(app),
            logs,
            statsd: read.statsd(),
            check_config: read.flag("check_config"),
            print_config: read.flag("print_config"),
        })
    }

    /// The name of the native app, if the application is one.
    #[must_use]
    pub fn native_app(&self) -> Option<&str> {
        self.app.strip_prefix("native:")
    }

    /// What gunicorn calls the type of the workers.
    #[must_use]
    pub fn worker_class(&self) -> &'static str {
        if self.threads > 1 { "gthread" } else { "sync" }
    }
}

fn note<T>(wrong: &mut Vec<SettingsError>, read: Result<T, SettingsError>) -> Option<T> {
    read.map_err(|error| wrong.push(error)).ok()
}

/// Typed looks at judged values.
struct Read<'a> {
    layers: &'a Layers,
}

impl Read<'_> {
    fn text(&self, name: &str) -> Option<String> {
        match self.layers.get(name) {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let Value::List(items) = self.layers.get(name) else { return Vec::new() };
        items.iter().filter_map(|item| if let Value::Text(text) = item { Some(text.clone()) } else { None }).collect()
    }

    fn flag(&self, name: &str) -> bool {
        self.layers.get(name) == &Value::Bool(true)
    }

    /// A number that is judged not to be negative; what is too large for its type is the largest of it.
    fn number<N: TryFrom<i64> + num_bounds::Largest>(&self, name: &str) -> N {
        match self.layers.get(name) {
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
        let bind = bind.map_err(|error| self.layers.wrong("bind", error.to_string()))?;
        if bind.is_empty() { Err(self.layers.wrong("bind", "must name a place to listen")) } else { Ok(bind) }
    }

    /// How many threads a worker has. sync and gthread are the same thing here, but for that number.
    fn threads(&self) -> Result<u32, SettingsError> {
        let threads: u32 = self.number("threads");
        let class = self.text("worker_class").unwrap_or_default();
        match class.as_str() {
            "sync" | "gthread" | "gunicorn.workers.sync.SyncWorker" | "gunicorn.workers.gthread.ThreadWorker" => {
                Ok(threads.max(1))
            }
            "gevent" | "gevent_wsgi" | "gevent_pywsgi" | "eventlet" | "tornado" => Err(self.layers.unsupported(
                "worker_class",
                "a worker of lab waits for slow clients without occupying a thread; for requests that wait for \
                 something else use worker_class = \"gthread\" with threads",
            )),
            "asgi" | "uvicorn.workers.UvicornWorker" | "uvicorn_worker.UvicornWorker" => Err(self.layers.unsupported(
                "worker_class",
                "lab serve hosts WSGI applications, not ASGI ones; use uvicorn for those",
            )),
            _ => Err(self.layers.unsupported("worker_class", "use sync, or gthread with threads")),
        }
    }

    fn trust(&self) -> Trust {
        let headers = match self.layers.get("secure_scheme_headers") {
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

    /// What is set about TLS; its files are relative to the folder that is changed to.
    fn tls(&self) -> Result<Option<TlsSettings>, SettingsError> {
        let chdir = PathBuf::from(self.text("chdir").unwrap_or_default());
        let file = |name| self.text(name).map(|path| chdir.join(path));
        let (certfile, keyfile) = (file("certfile"), file("keyfile"));
        let Some(certfile) = certfile else {
            let is_alone = keyfile.is_some();
            return if is_alone { Err(self.layers.wrong("keyfile", "needs a certfile")) } else { Ok(None) };
        };
        let cert_reqs = match self.number("cert_reqs") {
            0_u32 => ClientCertificates::None,
            1 => ClientCertificates::Optional,
            2 => ClientCertificates::Required,
            _ => return Err(self.layers.wrong("cert_reqs", "must be 0, 1 or 2")),
        };
        let ca_certs = file("ca_certs");
        if cert_reqs != ClientCertificates::None && ca_certs.is_none() {
            return Err(self.layers.wrong("cert_reqs", "needs ca_certs, which says whose certificates are good"));
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

    /// Relative to the folder that is changed to.
    fn pythonpath(&self) -> Vec<String> {
        let paths = self.text("pythonpath").unwrap_or_default();
        let chdir = PathBuf::from(self.text("chdir").unwrap_or_default());
        let absolute = |path: &str| chdir.join(path).to_string_lossy().into_owned();
        paths.split(',').filter(|path| !path.is_empty()).map(absolute).collect()
    }

    fn raw_env(&self) -> Result<Vec<String>, SettingsError> {
        let raw_env = self.texts("raw_env");
        match raw_env.iter().find(|pair| !pair.contains('=') || pair.starts_with('=') || pair.contains('\0')) {
            Some(pair) => Err(self.layers.wrong("raw_env", format!("must be NAME=VALUE; {pair:?} is not"))),
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
            _ => return Err(self.layers.wrong("loglevel", "must be one of debug, info, warning, error, critical")),
        };
        let format = self.text("access_log_format").unwrap_or_default();
        Ok(LogConfig {
            accesslog: self.text("accesslog"),
            access_log_format: AccessFormat::new(&format)
                .map_err(|error| self.layers.wrong("access_log_format", error.to_string()))?,
            errorlog: self.text("errorlog").unwrap_or_else(|| "-".to_owned()),
            loglevel,
            capture_output: self.flag("capture_output"),
        })
    }

    fn statsd(&self) -> Option<StatsdConfig> {
        let host = match self.layers.get("statsd_host") {
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

    /// What is fine by itself, but not together with something else, or not in general.
    fn combinations(&self) -> Vec<SettingsError> {
        let mut wrong = Vec::new();
        if self.text("reload_engine").as_deref() == Some("inotify") {
            wrong.push(self.layers.unsupported("reload_engine", "use poll: the times of the files are looked at"));
        }
        let is_given = self.texts("bind").iter().any(|bind| bind.starts_with("fd://"));
        if self.flag("reuse_port") && is_given {
            wrong.push(
                self.layers.unsupported("reuse_port", "a socket that is inherited cannot be made once per worker"),
            );
        }
        wrong
    }
}

/// The largest value of a type of numbers.
mod num_bounds {
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
    use super::super::layers::{Origin, surroundings_of_a_test};
    use super::*;

    fn configured(arguments: &str) -> Result<Config, String> {
        let around = surroundings_of_a_test();
        let mut layers = Layers::new(&around).unwrap();
        layers
            .apply(&Origin::CommandLine, from_variable(arguments).unwrap(), &around)
            .map_err(|error| error.to_string())?;
        let all = |wrong: Vec<SettingsError>| wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        Config::new(Some("m:a"), &layers, &around).map_err(all)
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
            let said = configured(&format!("-k {class}")).unwrap_err();
            assert!(said.contains(&format!("--worker-class = {class} is not supported\nhint: ")), "{said}");
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let said = configured("-k gevent --log-level loud -e X --preload -b a:b").unwrap_err();
        for part in ["--worker-class", "--log-level = loud", "\"X\"", "--preload", "a:b"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn tls_needs_what_belongs_together() {
        let tls = configured("--certfile c.pem --keyfile k.pem --chdir /etc").unwrap().tls.unwrap();
        assert_eq!((tls.certfile, tls.keyfile), ("/etc/c.pem".into(), Some("/etc/k.pem".into())));
        for (arguments, part) in [
            ("--keyfile k", "--keyfile = k: needs a certfile"),
            ("--certfile c --cert-reqs 3 --ca-certs a", "--cert-reqs = 3: must be 0, 1 or 2"),
            ("--certfile c --cert-reqs 2", "--cert-reqs = 2: needs ca_certs"),
            ("--certfile c --ssl-version TLSv1", "--ssl-version = TLSv1 is not supported\nhint: TLS 1.2"),
        ] {
            let said = configured(arguments).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn prefixes_of_metrics_end_in_one_dot() {
        for (given, prefix) in [("", ""), ("a", "a."), ("a.b..", "a.b.")] {
            let config = configured(&format!("--statsd-host h:1 --statsd-prefix '{given}'")).unwrap();
            assert_eq!(config.statsd.unwrap().prefix, prefix, "{given}");
        }
    }
}
