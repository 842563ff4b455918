//! Detaching from the terminal (gunicorn's `daemon`), and going by a name (gunicorn's `proc_name`).
//!
//! Both take a new start of this program: a process cannot fork without `unsafe`, nor change what `ps` shows of it.
//! What has been done is told to the next start by an environment variable.

use std::io::{self, IsTerminal as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::fs::Mode;

/// The variable that says how far this has come.
const STAGE: &str = "LAB_SERVE_STAGE";
/// The variable with the name that the last start is to go by.
const NAME: &str = "LAB_SERVE_NAME";

/// How far this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Started by somebody.
    First,
    /// To lead a session of its own, without a terminal.
    Session,
    /// Started for good, under its name.
    Named,
}

/// How far this process is.
#[must_use]
pub fn stage() -> Stage {
    match std::env::var(STAGE).as_deref() {
        Ok("session") => Stage::Session,
        Ok("named") => Stage::Named,
        _ => Stage::First,
    }
}

/// The variables by which the starts know of each other, which nobody else is to see.
pub const VARIABLES: [&str; 2] = [STAGE, NAME];

/// Starts this program anew in the background, without a terminal. The process that called is then done.
///
/// # Errors
/// It cannot be started.
pub fn detach(name: &str, keeps_stdio: bool) -> io::Result<()> {
    let mut command = again("session");
    command.env(NAME, name).stdin(Stdio::null());
    if !keeps_stdio || io::stdout().is_terminal() {
        command.stdout(Stdio::null());
    }
    if !keeps_stdio || io::stderr().is_terminal() {
        command.stderr(Stdio::null());
    }
    command.spawn().map(drop)
}

/// Leads a session, and starts the server in it. The server does not lead it, so that no terminal can become its own.
///
/// # Errors
/// It cannot be started.
pub fn lead_session() -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let name = std::env::var(NAME).unwrap_or_default();
    again("named").arg0(name).spawn().map(drop)
}

/// Becomes this program anew, under `name`. Only returns if that is not possible.
#[must_use]
pub fn go_by(name: &str) -> io::Error {
    again("named").arg0(name).exec()
}

fn again(stage: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(std::env::args_os().skip(1)).env(STAGE, stage);
    command
}
