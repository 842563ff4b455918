//! Settings whose type alone does not say whether a value is valid, and those that belong together.

use std::path::PathBuf;

use lab_worker::ConnectionLimits;
use lab_worker::bootstrap::WorkerClass;
use lab_worker::proxy_protocol::Versions;
use lab_worker::tls::{ClientCertificates, TlsSettings};

use super::config::{ProcessConfig, Trust};
use super::error::SettingsError;
use super::reader::ConfigReader;
use super::value::Value;
use crate::listen::Bind;

impl ConfigReader<'_> {
    /// `sendfile`, or if that is not set the environment variable SENDFILE, as in gunicorn.
    pub(super) fn sendfile(&self, variable: Option<&str>) -> bool {
        match (self.resolved.get("sendfile"), variable) {
            (Value::Bool(value), _) => *value,
            (_, Some(variable)) => ["y", "1", "yes", "true"].contains(&variable.to_lowercase().as_str()),
            (_, None) => true,
        }
    }

    pub(super) fn connection_limits(&self) -> Result<ConnectionLimits, SettingsError> {
        let spool_share = self.number("spool_share");
        if spool_share > 100 {
            return Err(self.resolved.invalid("spool_share", "must be a percentage, 0 to 100"));
        }
        Ok(ConnectionLimits {
            request_body: self.number("limit_request_body"),
            spool_share,
            response_spool: self.number("limit_response_spool"),
            idle_timeout_s: self.number("idle_timeout"),
            header_timeout_s: self.number("request_head_timeout"),
            body_timeout_s: self.number("request_body_timeout"),
            send_timeout_s: self.number("send_timeout"),
        })
    }

    pub(super) fn bind(&self) -> Result<Vec<Bind>, SettingsError> {
        let given = self.texts("bind");
        let bind = given.iter().map(|text| text.parse::<Bind>());
        let bind = bind.collect::<Result<Vec<_>, _>>();
        let bind = bind.map_err(|error| self.resolved.invalid("bind", error.to_string()))?;
        if bind.is_empty() { Err(self.resolved.invalid("bind", "must name at least one address")) } else { Ok(bind) }
    }

    pub(super) fn threads(&self) -> u32 {
        self.number::<u32>("threads").max(1)
    }

    /// The class by any of gunicorn's names for it.
    pub(super) fn worker_class(&self) -> Result<WorkerClass, SettingsError> {
        let class = self.text("worker_class").unwrap_or_default();
        match (worker_class_refusal(&class), class_name(&class)) {
            (Some(hint), _) => Err(self.resolved.unsupported("worker_class", hint)),
            (None, name) if GEVENT_NAMES.contains(&name) => Ok(WorkerClass::Gevent),
            (None, _) => Ok(if self.threads() > 1 { WorkerClass::Gthread } else { WorkerClass::Sync }),
        }
    }

    pub(super) fn trust(&self) -> Trust {
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
    pub(super) fn tls(&self) -> Result<Option<TlsSettings>, SettingsError> {
        let file = |name| self.text(name).map(|path| self.in_chdir(&path));
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

    pub(super) fn proxy_protocol(&self) -> Versions {
        match self.text("proxy_protocol").as_deref() {
            Some("v1") => Versions::V1,
            Some("v2") => Versions::V2,
            Some("auto") => Versions::Auto,
            _ => Versions::Off,
        }
    }

    /// The folders are relative to `chdir`.
    pub(super) fn pythonpath(&self) -> Vec<String> {
        let paths = self.text("pythonpath").unwrap_or_default();
        let absolute = |path: &str| self.in_chdir(path).to_string_lossy().into_owned();
        paths.split(',').filter(|path| !path.is_empty()).map(absolute).collect()
    }

    pub(super) fn raw_env(&self) -> Result<Vec<String>, SettingsError> {
        let raw_env = self.texts("raw_env");
        match raw_env.iter().find(|pair| !pair.contains('=') || pair.starts_with('=') || pair.contains('\0')) {
            Some(pair) => Err(self.resolved.invalid("raw_env", format!("must be NAME=VALUE; {pair:?} is not"))),
            None => Ok(raw_env),
        }
    }

    pub(super) fn process(&self, app: &str) -> ProcessConfig {
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

    /// Errors about values that are valid for their setting but not supported, or not in this combination.
    pub(super) fn combinations(&self) -> Vec<SettingsError> {
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

/// Before the name of a class, the entry point of a package (gunicorn, `util.load_class`).
const ENTRY_POINT: &str = "egg:gunicorn#";
/// Classes that in lab differ in nothing but the number of threads.
const THREAD_NAMES: [&str; 4] =
    ["sync", "gthread", "gunicorn.workers.sync.SyncWorker", "gunicorn.workers.gthread.ThreadWorker"];
/// gunicorn's pywsgi worker differs in its HTTP, which is lab's in every class.
const GEVENT_NAMES: [&str; 5] = [
    "gevent",
    "gevent_wsgi",
    "gevent_pywsgi",
    "gunicorn.workers.ggevent.GeventWorker",
    "gunicorn.workers.ggevent.GeventPyWSGIWorker",
];

fn class_name(class: &str) -> &str {
    class.strip_prefix(ENTRY_POINT).unwrap_or(class)
}

/// What to use instead of a worker class; `None` if lab has it.
pub(super) fn worker_class_refusal(class: &str) -> Option<&'static str> {
    let name = class_name(class);
    let is_known = THREAD_NAMES.contains(&name) || GEVENT_NAMES.contains(&name);
    (!is_known).then(|| worker_class_hint(name))
}

/// What to use instead of a worker class that lab does not have.
fn worker_class_hint(class: &str) -> &'static str {
    let module = class.rsplit_once('.').map_or(class, |(module, _)| module);
    match module.split('.').next().unwrap_or_default() {
        "eventlet" => "eventlet is no longer developed; use worker_class = \"gevent\", which works like it",
        "asgi" | "uvicorn" | "uvicorn_worker" => {
            "lab serve hosts WSGI applications, not ASGI ones; use uvicorn for those"
        }
        "aiohttp" => "lab serve hosts WSGI applications; run aiohttp's with `python -m aiohttp.web`",
        "tornado" => "lab serve hosts WSGI applications; run tornado's with its own HTTPServer",
        "geventwebsocket" => {
            "gevent-websocket is no longer developed; use worker_class = \"gevent\" with simple-websocket, which needs no \
             worker of its own"
        }
        "meinheld" | "egg:meinheld#gunicorn_worker" => {
            "meinheld is no longer developed; use worker_class = \"gevent\" or \"gthread\""
        }
        "gunicorn" if module.ends_with("eventlet") => {
            "eventlet is no longer developed; use worker_class = \"gevent\", which works like it"
        }
        "gunicorn" if module.ends_with("gtornado") => {
            "lab serve hosts WSGI applications; run tornado's with its own HTTPServer"
        }
        _ => {
            "lab has its own workers, sync, gthread and gevent, and runs no other class; hooks such as post_fork replace many"
        }
    }
}
