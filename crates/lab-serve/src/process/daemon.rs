//! Detaching from the terminal (gunicorn's `daemon`) and setting the process name (gunicorn's `proc_name`).
//!
//! Both restart this program, because a process cannot fork or change the name that `ps` shows without `unsafe`. An
//! environment variable tells the next start which stage has been reached.

use std::io::{self, IsTerminal as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::fs::Mode;

/// The variable with the stage of the next start.
const STAGE: &str = "LAB_SERVE_STAGE";
/// The variable with the process name of the last start.
const NAME: &str = "LAB_SERVE_NAME";

/// The stage of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Started by the user.
    First,
    /// Started in the background, to lead a session without a terminal.
    Session,
    /// Started under its final name.
    Named,
}

/// The stage of this process.
#[must_use]
pub fn stage() -> Stage {
    match std::env::var(STAGE).as_deref() {
        Ok("session") => Stage::Session,
        Ok("named") => Stage::Named,
        _ => Stage::First,
    }
}

/// The variables of this module, which other processes must not inherit.
pub const VARIABLES: [&str; 2] = [STAGE, NAME];

/// Restarts this program in the background, without a terminal. The caller then exits.
///
/// # Errors
/// The program cannot be started.
pub fn detach(name: &str, keeps_stdio: bool) -> io::Result<()> {
    let mut command = restart_command("session");
    command.env(NAME, name).stdin(Stdio::null());
    if !keeps_stdio || io::stdout().is_terminal() {
        command.stdout(Stdio::null());
    }
    if !keeps_stdio || io::stderr().is_terminal() {
        command.stderr(Stdio::null());
    }
    command.spawn().map(drop)
}

/// Becomes the leader of a session and starts the server in it. The server itself must not be the leader, because a
/// leader that opens a terminal gets it as its controlling terminal (setsid(2)).
///
/// # Errors
/// The server cannot be started.
pub fn lead_session() -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let name = std::env::var(NAME).unwrap_or_default();
    restart_command("named").arg0(name).spawn().map(drop)
}

/// Restarts this program in this process, under `name`. Returns only on failure.
#[must_use]
pub fn restart_as(name: &str) -> io::Error {
    restart_command("named").arg0(name).exec()
}

fn restart_command(stage: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(std::env::args_os().skip(1)).env(STAGE, stage);
    command
}
