//! The settings of gunicorn 27.0, one in each row: its section in gunicorn's documentation, name, flags, kind of values,
//! default, and lab's support for it.

use super::kind::Kind;
use super::value::Value;

#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The name in a configuration file.
    pub name: &'static str,
    /// The section of gunicorn's documentation.
    pub section: &'static str,
    /// The flags, short ones as `-x`; none for a setting that only a configuration file can hold.
    pub flags: &'static [&'static str],
    pub action: Action,
    pub kind: Kind,
    pub default: DefaultValue,
    pub support: Support,
    /// One line for `--help`.
    pub help: &'static str,
}

/// How a flag takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// With a value; the last occurrence counts.
    Value,
    /// With a value; all occurrences count.
    Append,
    /// Without a value: sets true.
    SetTrue,
    /// Without a value: sets false.
    SetFalse,
    /// With a value, or without one, which means this value.
    Optional(&'static str),
}

/// The default of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    None,
    Bool(bool),
    Int(i64),
    Text(&'static str),
    /// An empty list.
    Empty,
    Pairs(&'static [(&'static str, &'static str)]),
    /// gunicorn's own hook, by its qualified name.
    Hook(&'static str),
    /// The value of an environment variable, or this one if it is not set.
    Variable(&'static str, &'static str),
    /// `0.0.0.0:$PORT`, or `127.0.0.1:8000` if PORT is not set.
    Bind,
    CurrentFolder,
    CurrentUser,
    CurrentGroup,
    /// A path in the user's runtime or home folder.
    ControlSocket,
}

/// lab's support for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does the same as in gunicorn.
    Implemented,
    /// A function that gunicorn calls in a worker, and so does lab.
    WorkerHook,
    /// A function that gunicorn calls in its arbiter, and lab in its fork server.
    ArbiterHook,
    /// A function that gunicorn calls and lab does not. Setting it logs a warning.
    HookNotCalled,
    /// Accepted, and without an effect, for this reason. Setting it logs a note.
    NoEffect(&'static str),
    /// Every value but the default is refused, with this hint what to use instead.
    Refused(&'static str),
}

impl DefaultValue {
    /// The default as a value, not yet validated.
    #[must_use]
    pub fn value(self, context: &super::SettingsContext) -> Value {
        match self {
            DefaultValue::None => Value::None,
            DefaultValue::Bool(value) => Value::Bool(value),
            DefaultValue::Int(value) => Value::Int(value),
            DefaultValue::Text(text) => Value::text(text),
            DefaultValue::Empty => Value::List(Vec::new()),
            DefaultValue::Pairs(pairs) => {
                Value::Pairs(pairs.iter().map(|(key, value)| ((*key).to_owned(), Value::text(*value))).collect())
            }
            DefaultValue::Hook(name) => Value::Callable(name.to_owned()),
            DefaultValue::Variable(variable, otherwise) => Value::text(context.variable(variable).unwrap_or(otherwise)),
            DefaultValue::Bind => match context.variable("PORT") {
                Some(port) => Value::texts([format!("0.0.0.0:{port}")]),
                None => Value::texts(["127.0.0.1:8000"]),
            },
            DefaultValue::CurrentFolder => Value::text(context.folder.to_string_lossy()),
            DefaultValue::CurrentUser => Value::Int(i64::from(context.user)),
            DefaultValue::CurrentGroup => Value::Int(i64::from(context.group)),
            DefaultValue::ControlSocket => {
                Value::text(match (context.variable("XDG_RUNTIME_DIR"), context.variable("HOME")) {
                    (Some(runtime), _) if !runtime.is_empty() => format!("{runtime}/gunicorn.ctl"),
                    (_, home) => format!("{}/.gunicorn/gunicorn.ctl", home.unwrap_or("~")),
                })
            }
        }
    }
}

pub(super) const fn row(
    section: &'static str,
    name: &'static str,
    flags: &'static [&'static str],
    kind: Kind,
    default: DefaultValue,
    help: &'static str,
) -> Setting {
    let action = match kind {
        Kind::Bool => Action::SetTrue,
        Kind::Texts | Kind::Files => Action::Append,
        _ => Action::Value,
    };
    Setting { name, section, flags, action, kind, default, support: Support::Implemented, help }
}

const fn refused(
    section: &'static str,
    name: &'static str,
    flags: &'static [&'static str],
    kind: Kind,
    default: DefaultValue,
    hint: &'static str,
) -> Setting {
    Setting { support: Support::Refused(hint), ..row(section, name, flags, kind, default, "") }
}

const fn hook(section: &'static str, name: &'static str, default: &'static str) -> Setting {
    let setting = row(section, name, &[], Kind::Hook, DefaultValue::Hook(default), "");
    Setting { support: Support::HookNotCalled, ..setting }
}

const fn worker_hook(section: &'static str, name: &'static str, default: &'static str) -> Setting {
    Setting { support: Support::WorkerHook, ..hook(section, name, default) }
}

const fn arbiter_hook(section: &'static str, name: &'static str, default: &'static str) -> Setting {
    Setting { support: Support::ArbiterHook, ..hook(section, name, default) }
}

const fn no_effect(
    section: &'static str,
    name: &'static str,
    flags: &'static [&'static str],
    kind: Kind,
    default: DefaultValue,
    reason: &'static str,
) -> Setting {
    Setting { support: Support::NoEffect(reason), ..row(section, name, flags, kind, default, "") }
}

const FILE: &str = "Config File";
const SOCKET: &str = "Server Socket";
const WORKERS: &str = "Worker Processes";
const SECURITY: &str = "Security";
const DEBUGGING: &str = "Debugging";
const MECHANICS: &str = "Server Mechanics";
const LOGGING: &str = "Logging";
const NAMING: &str = "Process Naming";
const HOOKS: &str = "Server Hooks";
const SSL: &str = "SSL";
const HTTP2: &str = "HTTP/2";
const DIRTY: &str = "Dirty Arbiters";
const DIRTY_HOOKS: &str = "Dirty Arbiter Hooks";
const CONTROL: &str = "Control";

const ASGI_UNUSED: &str = "it concerns ASGI applications, which lab serve does not host";
const DIRTY_UNUSED: &str = "it concerns dirty_apps, which lab does not run";
const TLS_VERSION: &str = "TLS 1.2 and 1.3 are always enabled; gunicorn ignores this setting";
const RAGGED: &str = "a connection may end without close_notify; HTTP's framing shows whether something is missing";
const STRICT: &str = "such requests are always refused, because servers disagree on their meaning";
const DIRTY_NO: &str = "lab has no dirty arbiter; run a separate task queue";
const CONTROL_NO: &str = "lab has no control socket; use signals";

use DefaultValue as I;
use Kind as K;

/// All settings, in the order of gunicorn's source.
#[rustfmt::skip] // keeps the rows of the table compact
pub static TABLE: &[Setting] = &[
    row(FILE, "config", &["-c", "--config"], K::Text, I::Text("./gunicorn.conf.py"),
        "The configuration file: PATH, file:PATH or python:MODULE"),
    row(FILE, "wsgi_app", &[], K::Text, I::None, "The application"),
    row(SOCKET, "bind", &["-b", "--bind"], K::Texts, I::Bind,
        "Where to listen: HOST, HOST:PORT, unix:PATH or fd://N; may be given several times"),
    row(SOCKET, "backlog", &["--backlog"], K::Natural, I::Int(2048), "Connections that may wait to be accepted"),
    row(WORKERS, "workers", &["-w", "--workers"], K::Natural, I::Variable("WEB_CONCURRENCY", "1"), "Worker processes"),
    row(WORKERS, "worker_class", &["-k", "--worker-class"], K::Class, I::Text("sync"),
        "The type of workers: sync, gthread or gevent"),
    row(WORKERS, "threads", &["--threads"], K::Natural, I::Int(1), "Threads of each worker"),
    row(WORKERS, "worker_connections", &["--worker-connections"], K::Natural, I::Int(1000),
        "Connections that a worker keeps open at the same time"),
    row(WORKERS, "max_requests", &["--max-requests"], K::Natural, I::Int(0),
        "Requests after which a worker is replaced; 0 for no limit"),
    row(WORKERS, "max_requests_jitter", &["--max-requests-jitter"], K::Natural, I::Int(0),
        "The largest random number added to --max-requests, for each worker"),
    row(WORKERS, "timeout", &["-t", "--timeout"], K::Natural, I::Int(30),
        "Seconds after which a worker that hangs is killed and replaced; 0 for no limit"),
    row(WORKERS, "graceful_timeout", &["--graceful-timeout"], K::Natural, I::Int(30),
        "Seconds that requests in progress may take to finish"),
    row(WORKERS, "keepalive", &["--keep-alive"], K::Natural, I::Int(2),
        "Seconds that a connection may be idle between two requests"),
    row(SECURITY, "limit_request_line", &["--limit-request-line"], K::Natural, I::Int(4094),
        "The longest request line in bytes; 0 for the most that lab reads, 64 KiB"),
    row(SECURITY, "limit_request_fields", &["--limit-request-fields"], K::Natural, I::Int(100),
        "The most header fields in a request"),
    row(SECURITY, "limit_request_field_size", &["--limit-request-field_size"], K::Natural, I::Int(8190),
        "The longest header field in bytes"),
    row(DEBUGGING, "reload", &["--reload"], K::Bool, I::Bool(false), "Replace workers when code changes"),
    row(DEBUGGING, "reload_engine", &["--reload-engine"], K::Choice(&["auto", "poll", "inotify"]), I::Text("auto"),
        "How to detect changes: auto or poll"),
    row(DEBUGGING, "reload_extra_files", &["--reload-extra-file"], K::Files, I::Empty,
        "Another file or pattern that --reload watches; may be given several times"),
    refused(DEBUGGING, "spew", &["--spew"], K::Bool, I::Bool(false), "use `python -m trace`"),
    row(DEBUGGING, "check_config", &["--check-config"], K::Bool, I::Bool(false),
        "Check the configuration and the application, and exit"),
    row(DEBUGGING, "print_config", &["--print-config"], K::Bool, I::Bool(false),
        "Print the configuration as resolved, check the application, and exit"),
    row(MECHANICS, "preload_app", &["--preload"], K::Bool, I::Bool(false),
        "Load the application once, in a process that forks the workers"),
    Setting { action: Action::SetFalse, ..row(MECHANICS, "sendfile", &["--no-sendfile"], K::Bool, I::None,
        "Do not send the files of wsgi.file_wrapper with sendfile(2) [default: SENDFILE, or use it]") },
    row(MECHANICS, "reuse_port", &["--reuse-port"], K::Bool, I::Bool(false),
        "Give each worker its own socket at the same address (SO_REUSEPORT)"),
    row(MECHANICS, "chdir", &["--chdir"], K::Folder, I::CurrentFolder,
        "Change to this folder before the application is loaded"),
    row(MECHANICS, "daemon", &["-D", "--daemon"], K::Bool, I::Bool(false), "Detach from the terminal"),
    row(MECHANICS, "raw_env", &["-e", "--env"], K::Texts, I::Empty,
        "Set an environment variable, NAME=VALUE; may be given several times"),
    row(MECHANICS, "pidfile", &["-p", "--pid"], K::Text, I::None, "Write the arbiter's process id to this file"),
    row(MECHANICS, "worker_tmp_dir", &["--worker-tmp-dir"], K::Text, I::None,
        "The folder of the workers' heartbeat files [default: in memory]"),
    row(MECHANICS, "user", &["-u", "--user"], K::User, I::CurrentUser,
        "The user that workers run as: a name or a number"),
    row(MECHANICS, "group", &["-g", "--group"], K::Group, I::CurrentGroup,
        "The group that workers run as: a name or a number"),
    row(MECHANICS, "umask", &["-m", "--umask"], K::Natural, I::Int(0),
        "The mode bits to clear on unix sockets; octal with a leading 0"),
    row(MECHANICS, "initgroups", &["--initgroups"], K::Bool, I::Bool(false), "Give workers all groups of their user"),
    row(MECHANICS, "tmp_upload_dir", &[], K::Text, I::None, ""),
    row(MECHANICS, "secure_scheme_headers", &[], K::Pairs, I::Pairs(&[("X-FORWARDED-PROTOCOL", "ssl"),
        ("X-FORWARDED-PROTO", "https"), ("X-FORWARDED-SSL", "on")]), ""),
    row(MECHANICS, "forwarded_allow_ips", &["--forwarded-allow-ips"], K::Addresses, I::Variable("FORWARDED_ALLOW_IPS",
        "127.0.0.1,::1"), "Proxies that may set the scheme: comma-separated addresses and networks, or *"),
    row(LOGGING, "accesslog", &["--access-logfile"], K::Text, I::None,
        "The access log: a file, or - for standard output"),
    row(LOGGING, "disable_redirect_access_to_syslog", &["--disable-redirect-access-to-syslog"], K::Bool,
        I::Bool(false), "Do not send the access log to syslog"),
    row(LOGGING, "access_log_format", &["--access-logformat"], K::Text,
        I::Text("%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\""), "The format of the access log"),
    row(LOGGING, "errorlog", &["--error-logfile", "--log-file"], K::Text, I::Text("-"),
        "The error log: a file, or - for standard error"),
    row(LOGGING, "loglevel", &["--log-level"], K::Text, I::Text("info"),
        "The level of the error log: debug, info, warning, error or critical"),
    row(LOGGING, "capture_output", &["--capture-output"], K::Bool, I::Bool(false),
        "Send what the application prints to the error log"),
    row(LOGGING, "logger_class", &["--logger-class"], K::Class, I::Text("gunicorn.glogging.Logger"),
        "The class of the loggers in Python workers, a subclass of gunicorn.glogging.Logger"),
    row(LOGGING, "logconfig", &["--log-config"], K::Text, I::None,
        "A file in the format of logging.config, for Python workers"),
    row(LOGGING, "logconfig_dict", &[], K::Pairs, I::Pairs(&[]), ""),
    row(LOGGING, "logconfig_json", &["--log-config-json"], K::Text, I::None,
        "A JSON file with a dictionary for logging.config, for Python workers"),
    row(LOGGING, "syslog_addr", &["--log-syslog-to"], K::Text, I::Text("udp://localhost:514"),
        "The syslog server: udp://HOST:PORT, tcp://HOST:PORT, unix://PATH or unix://PATH#dgram"),
    row(LOGGING, "syslog", &["--log-syslog"], K::Bool, I::Bool(false), "Also send the logs to syslog"),
    row(LOGGING, "syslog_prefix", &["--log-syslog-prefix"], K::Text, I::None,
        "The name in syslog, gunicorn.NAME.error and gunicorn.NAME.access [default: the process name]"),
    row(LOGGING, "syslog_facility", &["--log-syslog-facility"], K::Text, I::Text("user"), "The facility in syslog"),
    row(LOGGING, "enable_stdio_inheritance", &["-R", "--enable-stdio-inheritance"], K::Bool, I::Bool(false),
        "With --daemon: keep standard output and error"),
    row(LOGGING, "statsd_host", &["--statsd-host"], K::Statsd, I::None,
        "Send metrics to this statsd server: HOST:PORT or unix://PATH"),
    row(LOGGING, "dogstatsd_tags", &["--dogstatsd-tags"], K::Text, I::Text(""),
        "Tags for all metrics, in DogStatsD's format"),
    row(LOGGING, "statsd_prefix", &["--statsd-prefix"], K::Text, I::Text(""), "The prefix of metric names"),
    row(LOGGING, "enable_backlog_metric", &["--enable-backlog-metric"], K::Bool, I::Bool(false),
        "Also send the number of connections that wait to be accepted"),
    row(NAMING, "proc_name", &["-n", "--name"], K::Text, I::None, "The name of the processes in ps"),
    row(NAMING, "default_proc_name", &[], K::Text, I::Text("gunicorn"), ""),
    row(MECHANICS, "pythonpath", &["--pythonpath"], K::Text, I::None,
        "Comma-separated folders to search first for modules"),
    row(MECHANICS, "paste", &["--paste", "--paster"], K::Text, I::None,
        "A PasteDeploy file with the application: FILE or FILE#NAME"),
    arbiter_hook(HOOKS, "on_starting", "OnStarting.on_starting"),
    arbiter_hook(HOOKS, "on_reload", "OnReload.on_reload"),
    arbiter_hook(HOOKS, "when_ready", "WhenReady.when_ready"),
    arbiter_hook(HOOKS, "pre_fork", "Prefork.pre_fork"),
    worker_hook(HOOKS, "post_fork", "Postfork.post_fork"),
    worker_hook(HOOKS, "post_worker_init", "PostWorkerInit.post_worker_init"),
    worker_hook(HOOKS, "worker_int", "WorkerInt.worker_int"),
    worker_hook(HOOKS, "worker_abort", "WorkerAbort.worker_abort"),
    arbiter_hook(HOOKS, "pre_exec", "PreExec.pre_exec"),
    worker_hook(HOOKS, "pre_request", "PreRequest.pre_request"),
    worker_hook(HOOKS, "post_request", "PostRequest.post_request"),
    arbiter_hook(HOOKS, "child_exit", "ChildExit.child_exit"),
    worker_hook(HOOKS, "worker_exit", "WorkerExit.worker_exit"),
    arbiter_hook(HOOKS, "nworkers_changed", "NumWorkersChanged.nworkers_changed"),
    arbiter_hook(HOOKS, "on_exit", "OnExit.on_exit"),
    hook(HOOKS, "ssl_context", "NewSSLContext.ssl_context"),
    Setting { action: Action::Optional("auto"), ..row(MECHANICS, "proxy_protocol", &["--proxy-protocol"],
        K::ProxyProtocol, I::Text("off"), "The PROXY protocol, by which proxies name their clients: off, v1, v2 or auto") },
    row(MECHANICS, "proxy_allow_ips", &["--proxy-allow-from"], K::Addresses, I::Text("127.0.0.1,::1"),
        "Proxies that may send a PROXY header: comma-separated addresses and networks, or *"),
    refused(MECHANICS, "protocol", &["--protocol"], K::Text, I::Text("http"),
        "lab serve speaks HTTP; use `proxy_pass` instead of `uwsgi_pass` in nginx"),
    no_effect(MECHANICS, "uwsgi_allow_ips", &["--uwsgi-allow-from"], K::Addresses, I::Text("127.0.0.1,::1"),
        "it concerns the uwsgi protocol, which lab serve does not speak"),
    row(SSL, "keyfile", &["--keyfile"], K::Text, I::None, "The private key, if it is not in --certfile"),
    row(SSL, "certfile", &["--certfile"], K::Text, I::None,
        "Enable TLS, with the certificate chain in this PEM file"),
    no_effect(SSL, "ssl_version", &["--ssl-version"], K::Any, I::Int(2), TLS_VERSION),
    row(SSL, "cert_reqs", &["--cert-reqs"], K::Natural, I::Int(0),
        "Client certificates: 0 for none, 1 for optional, 2 for required"),
    row(SSL, "ca_certs", &["--ca-certs"], K::Text, I::None, "The certificate authorities for client certificates, in PEM"),
    no_effect(SSL, "suppress_ragged_eofs", &["--suppress-ragged-eofs"], K::Bool, I::Bool(true), RAGGED),
    row(SSL, "do_handshake_on_connect", &["--do-handshake-on-connect"], K::Bool, I::Bool(false),
        "No effect: a handshake never blocks other connections"),
    row(SSL, "ciphers", &["--ciphers"], K::Text, I::None,
        "Cipher suites of TLS 1.2, as OpenSSL names separated by colons"),
    row(HTTP2, "http_protocols", &["--http-protocols"], K::Protocols, I::Text("h1"),
        "The protocols that clients may speak: h1, h2, or both, the preferred one first"),
    row(HTTP2, "http2_cleartext", &["--http2-cleartext"], K::Choice(&["off", "prior-knowledge", "upgrade", "both"]),
        I::Text("off"), "Without TLS, peers in --forwarded-allow-ips speak HTTP/2: off or prior-knowledge"),
    row(HTTP2, "http2_max_concurrent_streams", &["--http2-max-concurrent-streams"], K::Natural, I::Int(100),
        "Requests at the same time on one HTTP/2 connection"),
    row(HTTP2, "http2_initial_window_size", &["--http2-initial-window-size"], K::Natural, I::Int(65_535),
        "Bytes of a request's body that an HTTP/2 client may send before they are read"),
    row(HTTP2, "http2_max_frame_size", &["--http2-max-frame-size"], K::Natural, I::Int(16_384),
        "Bytes of a frame that an HTTP/2 client may send"),
    row(HTTP2, "http2_max_header_list_size", &["--http2-max-header-list-size"], K::Natural, I::Int(65_536),
        "Bytes of a request's head over HTTP/2; 0 for the most that lab reads, 1 MiB"),
    row(MECHANICS, "raw_paste_global_conf", &["--paste-global"], K::Texts, I::Empty,
        "A global setting for --paste, NAME=VALUE; may be given several times"),
    refused(MECHANICS, "permit_obsolete_folding", &["--permit-obsolete-folding"], K::Bool, I::Bool(false), STRICT),
    refused(MECHANICS, "strip_header_spaces", &["--strip-header-spaces"], K::Bool, I::Bool(false), STRICT),
    no_effect(MECHANICS, "permit_unconventional_http_method", &["--permit-unconventional-http-method"], K::Bool,
        I::Bool(false), "every method that is a token (RFC 9110) reaches the application"),
    refused(MECHANICS, "permit_unconventional_http_version", &["--permit-unconventional-http-version"], K::Bool,
        I::Bool(false), STRICT),
    refused(MECHANICS, "casefold_http_method", &["--casefold-http-method"], K::Bool, I::Bool(false),
        "methods are case-sensitive (RFC 9110 §9.1)"),
    row(MECHANICS, "forwarder_headers", &["--forwarder-headers"], K::Names, I::Text("SCRIPT_NAME,PATH_INFO"),
        "Comma-separated headers with underscores that trusted proxies may send"),
    row(MECHANICS, "header_map", &["--header-map"], K::Choice(&["drop", "refuse", "dangerous"]), I::Text("drop"),
        "What to do with other headers with underscores: drop, refuse or dangerous"),
    no_effect(WORKERS, "asgi_loop", &["--asgi-loop"], K::Choice(&["auto", "asyncio", "uvloop"]), I::Text("auto"), ASGI_UNUSED),
    no_effect(WORKERS, "asgi_lifespan", &["--asgi-lifespan"], K::Choice(&["auto", "on", "off"]), I::Text("auto"), ASGI_UNUSED),
    no_effect(WORKERS, "asgi_disconnect_grace_period", &["--asgi-disconnect-grace-period"], K::Natural, I::Int(3), ASGI_UNUSED),
    no_effect(WORKERS, "websocket_max_message_size", &["--websocket-max-message-size"], K::Natural,
        I::Int(16 * 1024 * 1024), ASGI_UNUSED),
    no_effect(WORKERS, "http_parser", &["--http-parser"], K::Choice(&["auto", "fast", "python"]), I::Text("auto"),
        "lab has only its own parser"),
    no_effect(MECHANICS, "root_path", &["--root-path"], K::Text, I::Text(""), ASGI_UNUSED),
    refused(DIRTY, "dirty_apps", &["--dirty-app"], K::Texts, I::Empty, DIRTY_NO),
    refused(DIRTY, "dirty_workers", &["--dirty-workers"], K::Natural, I::Int(0), DIRTY_NO),
    no_effect(DIRTY, "dirty_timeout", &["--dirty-timeout"], K::Natural, I::Int(300), DIRTY_UNUSED),
    no_effect(DIRTY, "dirty_threads", &["--dirty-threads"], K::Natural, I::Int(1), DIRTY_UNUSED),
    no_effect(DIRTY, "dirty_graceful_timeout", &["--dirty-graceful-timeout"], K::Natural, I::Int(30), DIRTY_UNUSED),
    hook(DIRTY_HOOKS, "on_dirty_starting", "OnDirtyStarting.on_dirty_starting"),
    hook(DIRTY_HOOKS, "dirty_post_fork", "DirtyPostFork.dirty_post_fork"),
    hook(DIRTY_HOOKS, "dirty_worker_init", "DirtyWorkerInit.dirty_worker_init"),
    hook(DIRTY_HOOKS, "dirty_worker_exit", "DirtyWorkerExit.dirty_worker_exit"),
    no_effect(CONTROL, "control_socket", &["--control-socket"], K::Text, I::ControlSocket, CONTROL_NO),
    no_effect(CONTROL, "control_socket_mode", &["--control-socket-mode"], K::Natural, I::Int(0o600), CONTROL_NO),
    row(CONTROL, "control_socket_disable", &["--no-control-socket"], K::Bool, I::Bool(false),
        "No effect: lab has no control socket"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_flags_are_unique() {
        let names: BTreeSet<_> = TABLE.iter().map(|setting| setting.name).collect();
        assert_eq!(names.len(), TABLE.len());
        let flags: Vec<_> = TABLE.iter().flat_map(|setting| setting.flags).collect();
        assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len());
    }

    #[test]
    fn settings_with_flags_have_help() {
        let shown = |setting: &&Setting| !setting.flags.is_empty() && setting.support == Support::Implemented;
        for setting in TABLE.iter().filter(shown) {
            assert!(!setting.help.is_empty(), "{}", setting.name);
        }
    }
}
