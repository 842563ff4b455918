//! `lab serve-worker`: one worker of `lab serve`. Hidden; it receives its bootstrap document on standard input.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use command_fds::{CommandFdExt as _, FdMapping};
use lab_worker::bootstrap::{BOOT_ERROR, SCOREBOARD_FD, SETTINGS_FD};
use lab_worker::worker;

use lab_app::sample;
use lab_serve::arbiter::handover::{self, Descriptors, WorkerBootstrap};
use lab_serve::logging::error_log::{ErrorLog, ErrorLogTargets};
use lab_serve::logging::log_sink::LogSink;
use lab_serve::logging::syslog::Syslog;
use lab_serve::native_worker;
use lab_serve::process::identity::set_identity;

/// The first descriptor behind the standard ones.
const FIRST_FD: i32 = 3;

/// Runs one worker until its arbiter ends it.
pub(super) fn run() -> anyhow::Result<std::process::ExitCode> {
    match start() {
        Ok(()) => Ok(std::process::ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("lab: {error:#}");
            Ok(BOOT_ERROR.into())
        }
    }
}

fn start() -> anyhow::Result<()> {
    let (bootstrap, descriptors) = handover::receive()?;
    // setuid clears the parent-death signal, so it has to be set afterwards.
    set_identity(bootstrap.identity)?;
    worker::die_with_arbiter(bootstrap.settings.arbiter)?;
    match &bootstrap.python {
        Some(python) => Err(exec_python(python, &bootstrap, descriptors)?).context("cannot start Python"),
        None => serve_native(&bootstrap, descriptors),
    }
}

fn serve_native(bootstrap: &WorkerBootstrap, descriptors: Descriptors) -> anyhow::Result<()> {
    let settings = &bootstrap.settings;
    let syslog = bootstrap.syslog.clone().map(Syslog::connect);
    let targets = ErrorLogTargets { file: LogSink::Stderr, level: settings.log_level()?, statsd: None, syslog };
    ErrorLog::start(targets)?;
    let name = settings.app.strip_prefix("native:").unwrap_or_default();
    let app = sample::lookup(name).context("there is no such app")??;
    if let Some(folder) = &settings.chdir {
        std::env::set_current_dir(folder).with_context(|| format!("cannot change to {}", folder.display()))?;
    }
    Ok(native_worker::serve(app, settings, descriptors)?)
}

/// Replaces this process with the interpreter, which inherits the settings, the scoreboard and all other descriptors
/// under known numbers. Returns only on failure.
fn exec_python(python: &Path, bootstrap: &WorkerBootstrap, descriptors: Descriptors) -> anyhow::Result<std::io::Error> {
    let mut settings = bootstrap.settings.clone();
    let mut mappings = Vec::new();
    let mut map = |parent_fd: OwnedFd| {
        let child_fd = FIRST_FD + i32::try_from(mappings.len()).unwrap_or_default();
        mappings.push(FdMapping { parent_fd, child_fd });
        child_fd
    };
    for (socket, fd) in settings.sockets.iter_mut().zip(descriptors.sockets) {
        socket.fd = map(fd);
    }
    if let (Some(access), Some(fd)) = (&mut settings.access_log, descriptors.access) {
        access.fd = map(fd);
    }
    let scoreboard = map(descriptors.scoreboard);
    let settings = map(handover::settings_file(&settings)?);
    let mut command = Command::new(python);
    command.args(["-m", "lab_wsgi", &bootstrap.name]);
    command.env(SETTINGS_FD, settings.to_string()).env(SCOREBOARD_FD, scoreboard.to_string());
    command.fd_mappings(mappings)?;
    Ok(command.exec())
}
