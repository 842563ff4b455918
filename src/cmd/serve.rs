//! `lab serve`: the master and its workers.

use std::env;

use anyhow::Context;

use crate::cli::ServeArgs;
use crate::exit::Exit;
use lab_app::sample;
use lab_net::pid_file::PidFile;
use lab_serve::crew::{Plan, check_application};
use lab_serve::daemon::{self, Stage};
use lab_serve::interpreter::require_gateway;
use lab_serve::journal::Journal;
use lab_serve::listen::{Bind, Listener, activated};
use lab_serve::log::ErrorLog;
use lab_serve::log_sink::LogSink;
use lab_serve::master::{self, Master, MasterError, Surface, socket_options};
use lab_serve::notify::notify;
use lab_serve::settings::load::{CommandLine, Loaded, load, surroundings};
use lab_serve::settings::{Config, Surroundings};
use lab_serve::statsd::Statsd;

/// gunicorn's exit code when an application cannot be loaded; lab's own for everything else.
const APP_LOAD_ERROR: u8 = 4;

/// Runs the master until it is told to stop.
pub(super) fn run(args: &ServeArgs) -> anyhow::Result<std::process::ExitCode> {
    if daemon::stage() == Stage::Session {
        daemon::lead_session().context("cannot start the server in the background")?;
        return Ok(Exit::Ok.into());
    }
    let line = CommandLine { app: args.app.clone(), venv: args.venv.clone(), given: args.given.clone() };
    let around = surroundings().context("cannot find the current folder")?;
    let loaded = match load(&line, &around).map_err(anyhow::Error::from).and_then(checked) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(usage(&error).into()),
    };
    if loaded.config.print_config {
        print!("{}", loaded.layers.print());
    }
    if loaded.config.print_config || loaded.config.check_config {
        loaded.warnings.iter().for_each(|warning| eprintln!("lab: {warning}"));
        return Ok(match check_application(&plan(loaded)) {
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
        return Err(daemon::go_by(&name)).context("cannot go by a name");
    }
    serve(line, around, loaded)
}

fn serve(line: CommandLine, around: Surroundings, loaded: Loaded) -> anyhow::Result<std::process::ExitCode> {
    // Started through a link in /proc, the process would else be called after that.
    rustix::thread::set_name(c"lab").context("cannot name the process")?;
    env::set_current_dir(&loaded.config.chdir)
        .with_context(|| format!("cannot change to {}", loaded.config.chdir.display()))?;
    let config = &loaded.config;
    let log = ErrorLog::start(error_log(config)?, config.logs.loglevel, statsd(config))?;
    say(&loaded);
    tracing::info!("Starting lab {} ({})", env!("CARGO_PKG_VERSION"), config.app);
    let pidfile = config.process.pidfile.as_deref().map(PidFile::create).transpose()?;
    let listeners = listen(config, &around)?;
    let journal = journal(config)?;
    let is_tls = config.tls.is_some();
    let mut surface = Outside { line, around, pidfile, log: log.clone(), is_tls };
    let master = Master { plan: plan(loaded), listeners, journal, log };
    match master::run(master, &mut surface) {
        Ok(()) => Ok(Exit::Ok.into()),
        Err(error) => {
            tracing::error!("shutting down: {error}");
            let code = if let MasterError::AppLoad(_) = error { APP_LOAD_ERROR } else { Exit::CouldNotRun as u8 };
            Ok(code.into())
        }
    }
}

/// What a master cannot do itself: it knows no command line, no files beside its logs and no systemd.
struct Outside {
    line: CommandLine,
    around: Surroundings,
    pidfile: Option<PidFile>,
    log: ErrorLog,
    is_tls: bool,
}

impl Surface for Outside {
    fn ready(&mut self, listeners: &[Listener]) {
        let places: Vec<_> = listeners.iter().map(|listener| listener.url(self.is_tls)).collect();
        tracing::info!("Listening at: {} ({})", places.join(","), std::process::id());
        if let Some(socket) = self.around.variable("NOTIFY_SOCKET")
            && let Err(error) = notify(socket, "READY=1\nSTATUS=lab serves")
        {
            tracing::debug!("cannot tell systemd: {error}");
        }
    }

    fn reload(&mut self) -> Option<(Plan, Journal)> {
        let reloaded = load(&self.line, &self.around).map_err(anyhow::Error::from).and_then(checked);
        match reloaded.and_then(|loaded| self.refit(loaded)) {
            Ok(reloaded) => Some(reloaded),
            Err(error) => {
                tracing::error!("{error:#}; the configuration stays as it was");
                None
            }
        }
    }
}

impl Outside {
    fn refit(&mut self, loaded: Loaded) -> anyhow::Result<(Plan, Journal)> {
        let config = &loaded.config;
        env::set_current_dir(&config.chdir).with_context(|| format!("cannot change to {}", config.chdir.display()))?;
        let (file, journal) = (error_log(config)?, journal(config)?);
        let wanted = config.process.pidfile.as_deref().map(std::path::absolute).transpose()?;
        if wanted.as_deref() != self.pidfile.as_ref().map(PidFile::path) {
            self.pidfile = wanted.as_deref().map(PidFile::create).transpose()?;
        }
        self.log.change(file, config.logs.loglevel, statsd(config));
        say(&loaded);
        Ok((plan(loaded), journal))
    }
}

/// Makes sure that there is what would run the application.
fn checked(loaded: Loaded) -> anyhow::Result<Loaded> {
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

fn plan(loaded: Loaded) -> Plan {
    let Loaded { config, python, environment, .. } = loaded;
    Plan { python: config.native_app().is_none().then_some(python), environment, config }
}

/// What systemd hands over comes instead of what is configured.
fn listen(config: &Config, around: &Surroundings) -> anyhow::Result<Vec<Listener>> {
    let activated = activated(around.variable("LISTEN_PID"), around.variable("LISTEN_FDS"));
    let binds: &[Bind] = if activated.is_empty() { &config.bind } else { &activated };
    let options = socket_options(config);
    Ok(binds.iter().map(|bind| bind.listen(options)).collect::<Result<_, _>>()?)
}

fn error_log(config: &Config) -> anyhow::Result<LogSink> {
    let owner = (config.process.user, config.process.group);
    Ok(match config.logs.errorlog.as_str() {
        "-" => LogSink::Stderr,
        path => LogSink::open(path.as_ref(), owner)?,
    })
}

fn journal(config: &Config) -> anyhow::Result<Journal> {
    let owner = (config.process.user, config.process.group);
    let file = match config.logs.accesslog.as_deref() {
        None => None,
        Some("-") => Some(LogSink::Stdout),
        Some(path) => Some(LogSink::open(path.as_ref(), owner)?),
    };
    let access = file.map(|file| (file, config.logs.access_log_format.clone()));
    Ok(Journal { access, statsd: statsd(config) })
}

/// A server without its statsd serves on, as gunicorn does.
fn statsd(config: &Config) -> Option<Statsd> {
    let statsd = config.statsd.as_ref()?;
    match Statsd::new(statsd) {
        Ok(statsd) => Some(statsd),
        Err(error) => {
            tracing::warn!("cannot reach statsd at {:?}: {error}", statsd.host);
            None
        }
    }
}

fn say(loaded: &Loaded) {
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
