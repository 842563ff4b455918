//! The specification of the workers of one generation, and the settings that each worker receives.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use lab_worker::bootstrap::{
    AccessLogSettings, HeaderMapPolicy, HookSettings, InheritedSocket, LoggingSettings, WorkerSettings,
};

use super::handover::WorkerBootstrap;
use crate::listen::Listener;
use crate::listener_source;
use crate::process::daemon;
use crate::process::identity::Identity;
use crate::process::interpreter::{self, InterpreterError};
use crate::settings::Config;

#[derive(Debug)]
pub struct WorkerSpec {
    pub config: Config,
    /// The Python interpreter that runs the workers; None for a native application, which lab runs itself.
    pub python: Option<PathBuf>,
    /// The server hooks that are called.
    pub hooks: Option<HookSettings>,
    /// How workers set up Python's logging.
    pub logging: Option<LoggingSettings>,
    /// Whether the fork server outlives a reload: it has a preloaded application, or calls the hooks that gunicorn calls in
    /// its arbiter.
    pub keeps_fork_server: bool,
    /// Environment variables that the configuration file sets, and (None) removes.
    pub environment: BTreeMap<String, Option<String>>,
}

impl WorkerSpec {
    /// The command that starts a native worker under `name`: this program, even if its file was replaced since it started.
    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command.arg0(name).arg("serve-worker");
        self.set_environment(&mut command);
        command
    }

    /// The command that starts the fork server; None for a native application.
    pub(super) fn fork_server_command(&self) -> Option<Command> {
        let mut command = Command::new(self.python.as_ref()?);
        command.args(["-m", "lab_wsgi.fork_server", &format!("lab: fork server [{}]", self.config.process.name)]);
        // A fork server that evaluates the configuration file sets the variables itself, and again at a reload.
        if self.is_file_evaluated() {
            remove_own_variables(&mut command);
        } else {
            self.set_environment(&mut command);
        }
        Some(command)
    }

    /// Whether the fork server evaluates the configuration file: it needs functions or classes of the file.
    fn is_file_evaluated(&self) -> bool {
        self.hooks.is_some() || self.logging.as_ref().is_some_and(|logging| logging.file.is_some())
    }

    fn set_environment(&self, command: &mut Command) {
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        remove_own_variables(command);
        command.envs(self.config.raw_env.iter().filter_map(|pair| pair.split_once('=')));
    }

    /// Loads the application as a worker would (gunicorn's `check_config`).
    ///
    /// # Errors
    /// The application cannot be loaded.
    pub fn check_application(&self) -> Result<(), InterpreterError> {
        let Some(python) = &self.python else { return Ok(()) };
        let config = &self.config;
        let mut command = Command::new(python);
        self.set_environment(&mut command);
        let settings = serde_json::json!({
            "app": config.app, "chdir": config.chdir, "pythonpath": config.pythonpath, "raw_env": config.raw_env,
            "worker_class": config.worker_class,
            "paste_global_conf": config.paste_global_conf,
        });
        interpreter::load_application(command, &config.app, &settings)
    }

    /// The bootstrap document of the worker of this `age`.
    pub(super) fn bootstrap(
        &self,
        sockets: &[Listener],
        age: u64,
        access_log: Option<AccessLogSettings>,
    ) -> WorkerBootstrap {
        let process = &self.config.process;
        WorkerBootstrap {
            settings: self.settings(sockets, age, access_log),
            name: format!("lab: worker [{}]", process.name),
            syslog: self.config.logs.syslog.clone(),
            identity: Identity { user: process.user, group: process.group, initgroups: process.initgroups },
        }
    }

    /// The settings of a worker of this `age`.
    pub(super) fn settings(
        &self,
        sockets: &[Listener],
        age: u64,
        access_log: Option<AccessLogSettings>,
    ) -> WorkerSettings {
        let config = &self.config;
        let trust = &config.trust;
        // The receiving process fills in its own descriptor numbers.
        let socket = |listener: &Listener| InheritedSocket { fd: 0, address: listener.address.clone() };
        WorkerSettings {
            app: config.app.clone(),
            arbiter: i32::try_from(std::process::id()).unwrap_or_default(),
            sockets: sockets.iter().map(socket).collect(),
            chdir: Some(config.chdir.clone()),
            pythonpath: config.pythonpath.clone(),
            raw_env: config.raw_env.clone(),
            age,
            workers: u32::try_from(config.workers).unwrap_or(u32::MAX),
            worker_class: config.worker_class,
            threads: config.threads,
            worker_connections: config.worker_connections,
            max_requests: config.max_requests,
            max_requests_jitter: config.max_requests_jitter,
            timeout_s: config.timeout.as_secs(),
            graceful_timeout_s: config.graceful_timeout.as_secs(),
            keepalive_s: config.keepalive.as_secs(),
            limit_request_line: config.limit_request_line,
            limit_request_fields: config.limit_request_fields,
            limit_request_field_size: config.limit_request_field_size,
            connection_limits: config.connection_limits,
            forwarded_allow_ips: trust.forwarded_allow_ips.clone(),
            secure_scheme_headers: trust.secure_scheme_headers.iter().cloned().collect(),
            forwarder_headers: trust.forwarder_headers.clone(),
            header_map: match trust.header_map.as_str() {
                "refuse" => HeaderMapPolicy::Refuse,
                "dangerous" => HeaderMapPolicy::Dangerous,
                _ => HeaderMapPolicy::Drop,
            },
            tls: config.tls.clone(),
            http2: config.http2,
            proxy_protocol: config.proxy_protocol,
            proxy_allow_ips: trust.proxy_allow_ips.clone(),
            loglevel: config.logs.loglevel.as_str().to_lowercase(),
            access_log,
            logging: self.logging.clone(),
            sendfile: config.sendfile,
            hooks: self.hooks.clone(),
            tmp_upload_dir: config.tmp_upload_dir.clone(),
            paste_global_conf: config.paste_global_conf.clone(),
        }
    }
}

fn remove_own_variables(command: &mut Command) {
    for variable in daemon::VARIABLES.iter().chain(&listener_source::VARIABLES) {
        command.env_remove(variable);
    }
}
