//! `lab serve`: the arbiter and its workers.

use std::env;

use anyhow::Context;

use crate::cli::ServeArgs;
use crate::exit::Exit;
use lab_app::sample;
use lab_net::pid_file::PidFile;
use lab_serve::arbiter::worker_spec::WorkerSpec;
use lab_serve::arbiter::{self, ArbiterError, ArbiterHooks, ArbiterParts};
use lab_serve::listen::{Bind, Listener, SocketOptions, activated, describe_listeners};
use lab_serve::logging::error_log::ErrorLog;
use lab_serve::logging::log_sink::LogSink;
use lab_serve::logging::log_sinks::AccessSinks;
use lab_serve::logging::statsd::Statsd;
use lab_serve::process::daemon::{self, Stage};
use lab_serve::process::interpreter::require_gateway;
use lab_serve::process::notify::notify;
use lab_serve::settings::load::{CommandLine, LoadedSettings, load, process_context};
use lab_serve::settings::{Config, SettingsContext};

/// gunicorn's exit code when an application cannot be loaded. All other codes are lab's own.
const APP_LOAD_ERROR: u8 = 4;

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
    if daemon::stage() == Stage::First {
        let name = format!("lab: master [{}]", loaded.config.process.name);
        if loaded.config.process.daemon {
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
    let error_log = ErrorLog::start(error_log_file(config)?, config.logs.loglevel, statsd(config))?;
    log_warnings(&loaded);
    tracing::info!("Starting lab {} ({})", env!("CARGO_PKG_VERSION"), config.app);
    let pidfile = config.process.pidfile.as_deref().map(PidFile::create).transpose()?;
    let listeners = listen(config, &context)?;
    let access = access_sinks(config)?;
    let is_tls = config.tls.is_some();
    let mut hooks = ServeHooks { line, context, pidfile, error_log: error_log.clone(), is_tls };
    let parts = ArbiterParts { worker_spec: worker_spec(loaded), listeners, access, error_log };
    match arbiter::run(parts, &mut hooks) {
        Ok(()) => Ok(Exit::Ok.into()),
        Err(error) => {
            tracing::error!("shutting down: {error}");
            let code = if let ArbiterError::AppLoad(_) = error { APP_LOAD_ERROR } else { Exit::CouldNotRun as u8 };
            Ok(code.into())
        }
    }
}

/// What the arbiter leaves to the command line tool: reloading settings, the pid file, and systemd.
struct ServeHooks {
    line: CommandLine,
    context: SettingsContext,
    pidfile: Option<PidFile>,
    error_log: ErrorLog,
    is_tls: bool,
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
        match reloaded.and_then(|loaded| self.apply(loaded)) {
            Ok(reloaded) => Some(reloaded),
            Err(error) => {
                tracing::error!("{error:#}; the configuration stays as it was");
                None
            }
        }
    }
}

impl ServeHooks {
    /// Applies reloaded settings to what the hooks own. Everything that can fail comes first.
    fn apply(&mut self, loaded: LoadedSettings) -> anyhow::Result<(WorkerSpec, AccessSinks)> {
        let config = &loaded.config;
        env::set_current_dir(&config.chdir).with_context(|| format!("cannot change to {}", config.chdir.display()))?;
        let (file, access) = (error_log_file(config)?, access_sinks(config)?);
        let pidfile = config.process.pidfile.as_deref().map(std::path::absolute).transpose()?;
        if pidfile.as_deref() != self.pidfile.as_ref().map(PidFile::path) {
            self.pidfile = pidfile.as_deref().map(PidFile::create).transpose()?;
        }
        self.error_log.reconfigure(file, config.logs.loglevel, statsd(config));
        log_warnings(&loaded);
        Ok((worker_spec(loaded), access))
    }
}

/// Checks that the application can be run: that the native one exists, or that Python has the gateway.
fn checked(loaded: LoadedSettings) -> anyhow::Result<LoadedSettings> {
    let config = &loaded.config;
    match config.native_app() {
        Some(name) if sample::NAMES.contains(&name) => {}
        Some(_) => {
            let known = sample::NAMES.iter().map(|name| format!("native:{name}")).collect::<Vec<_>>().join(", ");
            anyhow::bail!("there is no application {:?}; there is: {known}", config.app);
        }
        None => require_gateway(&loaded.python, &config.chdir, &config.pythonpath)?,
    }
    Ok(loaded)
}

fn worker_spec(loaded: LoadedSettings) -> WorkerSpec {
    let LoadedSettings { config, python, environment, .. } = loaded;
    WorkerSpec { python: config.native_app().is_none().then_some(python), environment, config }
}

/// Sockets from systemd replace the configured ones.
fn listen(config: &Config, context: &SettingsContext) -> anyhow::Result<Vec<Listener>> {
    let activated = activated(context.variable("LISTEN_PID"), context.variable("LISTEN_FDS"));
    let binds: &[Bind] = if activated.is_empty() { &config.bind } else { &activated };
    let options = SocketOptions::from_config(config);
    Ok(binds.iter().map(|bind| bind.listen(options)).collect::<Result<_, _>>()?)
}

fn error_log_file(config: &Config) -> anyhow::Result<LogSink> {
    let owner = (config.process.user, config.process.group);
    Ok(match config.logs.errorlog.as_str() {
        "-" => LogSink::Stderr,
        path => LogSink::open(path.as_ref(), owner)?,
    })
}

fn access_sinks(config: &Config) -> anyhow::Result<AccessSinks> {
    let owner = (config.process.user, config.process.group);
    let file = match config.logs.accesslog.as_deref() {
        None => None,
        Some("-") => Some(LogSink::Stdout),
        Some(path) => Some(LogSink::open(path.as_ref(), owner)?),
    };
    let access_log = file.map(|file| (file, config.logs.access_log_format.clone()));
    Ok(AccessSinks { access_log, statsd: statsd(config) })
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
