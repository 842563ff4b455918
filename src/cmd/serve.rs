//! `lab serve`: the master and its workers.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use lab_server::{Settings, worker};

use crate::app::sample;
use crate::cli::{ServeArgs, ServeWorkerArgs};
use crate::exit::Exit;
use crate::server::master::{self, MasterSettings};
use crate::server::{Bind, listen, log};

/// Runs the master until it is told to stop.
pub(super) fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    let bind = match (args.bind.parse::<Bind>(), native_app(&args.app)) {
        (Ok(bind), Ok(_)) => bind,
        (Err(error), _) => return Ok(usage(&error.into())),
        (_, Err(error)) => return Ok(usage(&error)),
    };
    start_log();
    let listener = bind.listen()?;
    let address = listener.local_addr().context("cannot read the address of the listening socket")?;
    tracing::info!("lab {} serves {} at http://{address}", env!("CARGO_PKG_VERSION"), args.app);
    let settings =
        MasterSettings { workers: args.workers.get(), graceful_timeout: Duration::from_secs(args.graceful_timeout) };
    master::run(listener, settings, || worker_command(args))?;
    Ok(Exit::Ok)
}

/// Runs one worker until its master tells it to stop.
pub(super) fn run_worker(args: &ServeWorkerArgs) -> anyhow::Result<Exit> {
    worker::die_with(args.master)?;
    start_log();
    let listener = listen::handed_over()?;
    let app = sample::lookup(native_app(&args.app)?).context("there is no such app")??;
    let settings = Settings { keep_alive: Duration::from_secs(args.keep_alive), ..Settings::default() };
    worker::run(listener, app, settings, Duration::from_secs(args.graceful_timeout))?;
    Ok(Exit::Ok)
}

/// This very program, even if its file has been replaced since it was started.
fn worker_command(args: &ServeArgs) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("lab").args(["serve-worker", &args.app]);
    command.args(["--master", &std::process::id().to_string()]);
    command.args(["--graceful-timeout", &args.graceful_timeout.to_string()]);
    command.args(["--keep-alive", &args.keep_alive.to_string()]);
    command
}

/// The name in `native:NAME`, if there is such an app.
fn native_app(app: &str) -> anyhow::Result<&str> {
    let known = || sample::NAMES.iter().map(|name| format!("native:{name}")).collect::<Vec<_>>().join(", ");
    match app.strip_prefix("native:") {
        Some(name) if sample::NAMES.contains(&name) => Ok(name),
        _ => anyhow::bail!("there is no application {app:?}; there is: {}", known()),
    }
}

fn usage(error: &anyhow::Error) -> Exit {
    eprintln!("lab: {error:#}");
    Exit::Usage
}

fn start_log() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).event_format(log::ErrorLog).init();
}
