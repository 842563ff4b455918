//! `lab serve-worker`: one worker of `lab serve` with a native application. Hidden; it receives its bootstrap document on standard input.

use anyhow::Context as _;
use lab_worker::bootstrap::BOOT_ERROR;
use lab_worker::worker;

use lab_app::sample;
use lab_serve::arbiter::handover;
use lab_serve::logging::error_log::{ErrorLog, ErrorLogTargets};
use lab_serve::logging::log_sink::LogSink;
use lab_serve::logging::syslog::Syslog;
use lab_serve::native_worker;
use lab_serve::process::identity::set_identity;

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
    let settings = &bootstrap.settings;
    let syslog = bootstrap.syslog.map(Syslog::connect);
    let targets = ErrorLogTargets { file: LogSink::Stderr, level: settings.log_level()?, statsd: None, syslog };
    ErrorLog::start(targets)?;
    let name = settings.app.strip_prefix("native:").unwrap_or_default();
    let app = sample::lookup(name).context("there is no such app")??;
    if let Some(folder) = &settings.chdir {
        std::env::set_current_dir(folder).with_context(|| format!("cannot change to {}", folder.display()))?;
    }
    Ok(native_worker::serve(app, settings, descriptors)?)
}
