//! `lab serve`: the arbiter and its workers.

use std::env;

use anyhow::Context;

use crate::cli::ServeArgs;
use crate::exit::Exit;
use lab_app::sample;
use lab_net::pid_file::{PidFile, PidFileError};
use lab_serve::arbiter::upgrade::{StartCommand, old_arbiter};
use lab_serve::arbiter::worker_spec::WorkerSpec;
use lab_serve::arbiter::{self, ArbiterHooks, ArbiterParts};
use lab_serve::listen::{Listener, describe_listeners};
use lab_serve::listener_source::ListenerSource;
use lab_serve::logging::error_log::{ErrorLog, ErrorLogTargets};
use lab_serve::logging::log_sink::LogSink;
use lab_serve::logging::log_sinks::AccessSinks;
use lab_serve::logging::statsd::Statsd;
use lab_serve::logging::syslog::Syslog;
use lab_serve::process::daemon::{self, Stage};
use lab_serve::process::interpreter::{require_gateway, require_gevent};
use lab_serve::process::notify::notify;
use lab_serve::settings::load::{CommandLine, LoadedSettings, load, process_context};
use lab_serve::settings::log_settings::PythonLogging;
use lab_serve::settings::{Config, SettingsContext};
use lab_worker::bootstrap::WorkerClass;

/// The variable with the process id of the old arbiter of an upgrade.
const OLD_ARBITER: &str = "GUNICORN_PID";

/// Runs the arbiter until a signal stops it.
pub(super) fn run(args: &ServeArgs) -> anyhow::Result<std::process::ExitCode> {
    if daemon::stage() == Stage::Session {
        daemon::lead_session().context("cannot start the server in the background")?;
        return Ok(Exit::Ok.into());
    }
    let line = CommandLine { app: args.app.clone(), venv: args.venv.clone(), given: args.given.clone() };
    let context = process_context().context("cannot find the current folder")?;
    let loaded = match load(&line, &context).map_err(anyhow::Error::from).and_then(checked) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(usage(&error).into()),
    };
    if loaded.config.print_config {
        print!("{}", loaded.resolved.print());
    }
    if loaded.config.print_config || loaded.config.check_config {
        loaded.warnings.iter().for_each(|warning| eprintln!("lab: {warning}"));
        return Ok(match worker_spec(loaded).check_application() {
            Ok(()) => Exit::Ok.into(),
            Err(error) => usage(&error.into()).into(),
        });
    }
    if let Err(error) = loaded.check_files() {
        return Ok(usage(&error.into()).into());
    }
    if daemon::stage() == Stage::First {
        let name = format!("lab: master [{}]", loaded.config.process.name);
        // As in gunicorn, the new arbiter of an upgrade stays a child of the old one.
        if loaded.config.process.daemon && context.variable(OLD_ARBITER).is_none() {
            let keeps_stdio = loaded.config.process.enable_stdio_inheritance;
            daemon::detach(&name, keeps_stdio).context("cannot start the server in the background")?;
            return Ok(Exit::Ok.into());
        }
        return Err(daemon::restart_as(&name)).context("cannot set the process name");
    }
    serve(line, context, loaded)
}

fn serve(
    line: CommandLine,
    context: SettingsContext,
    loaded: LoadedSettings,
) -> anyhow::Result<std::process::ExitCode> {
    // The kernel names a process after the file it was started from, which is a link in /proc here.
    rustix::thread::set_name(c"lab").context("cannot name the process")?;
    env::set_current_dir(&loaded.config.chdir)
        .with_context(|| format!("cannot change to {}", loaded.config.chdir.display()))?;
    let config = &loaded.config;
    let error_log = ErrorLog::start(error_log_targets(config)?)?;
    log_warnings(&loaded);
    tracing::info!("Starting lab {} ({})", env!("CARGO_PKG_VERSION"), config.app);
    let old_arbiter = old_arbiter(context.variable(OLD_ARBITER));
    let listener_source = ListenerSource::from_environment(old_arbiter.is_some(), |name| context.variable(name));
    let start_command = StartCommand {
        program: daemon::program(),
        arguments: env::args_os().skip(1).collect(),
        folder: context.folder.clone(),
    };
    let access = access_sinks(config)?;
    let is_tls = config.tls.is_some();
    let mut hooks = ServeHooks {
        line,
        context,
        pidfile: None,
        error_log: error_log.clone(),
        is_tls,
        is_upgrade: old_arbiter.is_some(),
    };
    hooks.write_pidfile(config)?;
    let worker_spec = worker_spec(loaded);
    let parts = ArbiterParts { worker_spec, listener_source, start_command, old_arbiter, access, error_log };
    match arbiter::run(parts, &mut hooks) {
        Ok(()) => Ok(Exit::Ok.into()),
        Err(error) => {
            tracing::error!("shutting down: {error}");
            Ok(error.exit_code().into())
        }
    }
}

/// The part of the arbiter's work that belongs to the command line tool: loading settings, the pid file, and systemd.
struct ServeHooks {
    line: CommandLine,
    context: SettingsContext,
    pidfile: Option<PidFile>,
    error_log: ErrorLog,
    is_tls: bool,
    /// Whether the old arbiter of an upgrade runs, which has the pid file.
    is_upgrade: bool,
}

impl ArbiterHooks for ServeHooks {
    fn ready(&mut self, listeners: &[Listener]) {
        let addresses = describe_listeners(listeners, self.is_tls);
        tracing::info!("Listening at: {addresses} ({})", std::process::id());
        if let Some(socket) = self.context.variable("NOTIFY_SOCKET")
            && let Err(error) = notify(socket, "READY=1\nSTATUS=lab serves")
        {
            tracing::debug!("cannot notify systemd: {error}");
        }
    }

    fn reload(&mut self) -> Option<(WorkerSpec, AccessSinks)> {
        let reloaded = load(&self.line, &self.context).map_err(anyhow::Error::from).and_then(checked);
        let reloaded = reloaded.and_then(|loaded| {
            loaded.check_files()?;
            self.apply(loaded)
        });
        match reloaded {
            Ok(reloaded) => Some(reloaded),
            Err(error) => {
                tracing::error!("{error:#}; keeping the old configuration");
                None
            }
        }
    }

    fn promoted(&mut self) {
        self.is_upgrade = false;
        let Some(path) = self.pidfile.as_ref().map(|file| file.path().with_extension("")) else { return };
        // The old arbiter has removed its file, or its process is gone.
        match PidFile::create(&path) {
            Ok(file) => self.pidfile = Some(file),
            Err(error) => tracing::error!("{error}"),
        }
    }
}

impl ServeHooks {
    /// Writes the pid file of a configuration. During an upgrade its name ends in `.2`, as in gunicorn.
    fn write_pidfile(&mut self, config: &Config) -> Result<(), PidFileError> {
        let suffix = if self.is_upgrade { ".2" } else { "" };
        let path = config.process.pidfile.as_deref().map(|path| {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            std::path::absolute(&path).unwrap_or_else(|_| path.into())
        });
        if path.as_deref() != self.pidfile.as_ref().map(PidFile::path) {
            self.pidfile = path.as_deref().map(PidFile::create).transpose()?;
        }
        Ok(())
    }

    /// Applies reloaded settings to what the hooks own. Everything that can fail comes first.
    fn apply(&mut self, loaded: LoadedSettings) -> anyhow::Result<(WorkerSpec, AccessSinks)> {
        let config = &loaded.config;
        env::set_current_dir(&config.chdir).with_context(|| format!("cannot change to {}", config.chdir.display()))?;
        let (targets, access) = (error_log_targets(config)?, access_sinks(config)?);
        self.write_pidfile(config)?;
        self.error_log.reconfigure(targets);
        log_warnings(&loaded);
        Ok((worker_spec(loaded), access))
    }
}

/// Checks that the application can be run: that the native one exists, or that Python has the gateway, and gevent if
/// workers need it.
fn checked(loaded: LoadedSettings) -> anyhow::Result<LoadedSettings> {
    let config = &loaded.config;
    match config.native_app() {
        Some(name) if sample::NAMES.contains(&name) => {}
        Some(_) => {
            let known = sample::NAMES.iter().map(|name| format!("native:{name}")).collect::<Vec<_>>().join(", ");
            anyhow::bail!("there is no application {:?}; expected one of {known}", config.app);
        }
        None => {
            require_gateway(&loaded.python, &config.chdir, &config.pythonpath)?;
            if config.worker_class == WorkerClass::Gevent {
                require_gevent(&loaded.python, &config.chdir, &config.pythonpath)?;
            }
        }
    }
    Ok(loaded)
}

fn worker_spec(loaded: LoadedSettings) -> WorkerSpec {
    let LoadedSettings { config, python, hooks, has_arbiter_hooks, logging, environment, .. } = loaded;
    let is_python = config.native_app().is_none();
    let keeps_fork_server = config.preload_app || has_arbiter_hooks;
    WorkerSpec { python: is_python.then_some(python), hooks, keeps_fork_server, logging, environment, config }
}

fn error_log_targets(config: &Config) -> anyhow::Result<ErrorLogTargets> {
    let owner = (config.process.user, config.process.group);
    let file = match config.logs.errorlog.as_str() {
        "-" => LogSink::Stderr,
        path => LogSink::open(path.as_ref(), owner)?,
    };
    let syslog = config.logs.syslog.clone().map(Syslog::connect);
    Ok(ErrorLogTargets { file, level: config.logs.loglevel, statsd: statsd(config), syslog })
}

fn access_sinks(config: &Config) -> anyhow::Result<AccessSinks> {
    let owner = (config.process.user, config.process.group);
    let file = match config.logs.accesslog.as_deref() {
        None => None,
        Some("-") => Some((LogSink::Stdout, "-".to_owned())),
        Some(path) => Some((LogSink::open(path.as_ref(), owner)?, path.to_owned())),
    };
    let syslog = config.logs.syslog.as_ref().filter(|syslog| syslog.writes_access);
    Ok(AccessSinks {
        format: config.logs.access_log_format.clone(),
        file,
        syslog: syslog.cloned().map(Syslog::connect),
        workers_write: config.native_app().is_none() && config.logs.python == PythonLogging::ErrorsAndAccess,
        statsd: statsd(config),
        counts_requests: !config.logs.has_own_class,
    })
}

/// As in gunicorn, a server whose statsd cannot be reached still serves.
fn statsd(config: &Config) -> Option<Statsd> {
    let statsd = config.statsd.as_ref()?;
    match Statsd::connect(statsd) {
        Ok(statsd) => Some(statsd),
        Err(error) => {
            tracing::warn!("cannot reach statsd at {:?}: {error}", statsd.host);
            None
        }
    }
}

fn log_warnings(loaded: &LoadedSettings) {
    let printed = &loaded.printed;
    if !printed.is_empty() {
        eprint!("{printed}");
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
}

fn usage(error: &anyhow::Error) -> Exit {
    eprintln!("lab: {error:#}");
    Exit::Usage
}
