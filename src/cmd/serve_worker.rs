//! `lab serve-worker`: one worker of `lab serve`. Hidden; its master's orders are its standard input.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use command_fds::{CommandFdExt as _, FdMapping};
use lab_worker::worker;
use lab_worker::worker_settings::{BOOT_ERROR, NOTES_FD, SETTINGS_FD};

use lab_app::sample;
use lab_serve::handover::{self, Descriptors, Orders};
use lab_serve::identity::become_somebody;
use lab_serve::log::ErrorLog;
use lab_serve::log_sink::LogSink;
use lab_serve::native;

/// The first descriptor behind the standard ones.
const FIRST_FD: i32 = 3;

/// Runs one worker until its master tells it to stop.
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
    let (orders, descriptors) = handover::take()?;
    // Who changes who it is loses its tie to its master, so that is made after it.
    become_somebody(orders.identity)?;
    worker::die_with(orders.settings.master)?;
    match &orders.python {
        Some(python) => Err(become_python(python, &orders, descriptors)?).context("cannot become Python"),
        None => serve_native(&orders, descriptors),
    }
}

fn serve_native(orders: &Orders, descriptors: Descriptors) -> anyhow::Result<()> {
    ErrorLog::start(LogSink::Stderr, orders.settings.log_level()?, None)?;
    let name = orders.settings.app.strip_prefix("native:").unwrap_or_default();
    let app = sample::lookup(name).context("there is no such app")??;
    if let Some(folder) = &orders.settings.chdir {
        std::env::set_current_dir(folder).with_context(|| format!("cannot change to {}", folder.display()))?;
    }
    Ok(native::serve(app, &orders.settings, descriptors)?)
}

/// Becomes the interpreter, which finds its settings, its notes and everything they name in descriptors of its own.
/// Only returns if that is not possible.
fn become_python(python: &Path, orders: &Orders, descriptors: Descriptors) -> anyhow::Result<std::io::Error> {
    let mut settings = orders.settings.clone();
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
    let notes = map(descriptors.notes);
    let settings = map(handover::document(&settings)?);
    let mut command = Command::new(python);
    command.args(["-m", "lab_wsgi", &orders.name]);
    command.env(SETTINGS_FD, settings.to_string()).env(NOTES_FD, notes.to_string());
    command.fd_mappings(mappings)?;
    Ok(command.exec())
}
