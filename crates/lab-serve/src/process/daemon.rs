//! Detaching from the terminal (gunicorn's `daemon`) and setting the process name (gunicorn's `proc_name`).
//!
//! Both restart this program, because a process cannot fork or change the name that `ps` shows without `unsafe`. An
//! environment variable tells the next start which stage has been reached.

use std::io::{self, IsTerminal as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::fs::Mode;

/// The variable with the stage of the next start.
const STAGE: &str = "LAB_SERVE_STAGE";
/// The variable with the process name of the last start.
const NAME: &str = "LAB_SERVE_NAME";
/// The variable with the path of this program as the user started it.
const PROGRAM: &str = "LAB_SERVE_PROGRAM";

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
pub const VARIABLES: [&str; 3] = [STAGE, NAME, PROGRAM];

/// The path of this program as the user started it. After an installation it is another program than this one.
#[must_use]
pub fn program() -> PathBuf {
    std::env::var_os(PROGRAM).map_or_else(started_program, PathBuf::from)
}

fn started_program() -> PathBuf {
    let name = PathBuf::from(std::env::args_os().next().unwrap_or_default());
    let found = if name.components().count() > 1 {
        std::path::absolute(&name).ok()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(&name)).find(|path| path.is_file())
    };
    found.filter(|path| path.is_file()).or_else(|| std::env::current_exe().ok()).unwrap_or(name)
}

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
    let mut command = restart_command("named");
    let is_set = |name| std::env::var_os(name).is_some();
    if is_set("GUNICORN_PID") && is_set("LISTEN_FDS") && !is_set("LISTEN_PID") {
        // An old arbiter passes systemd's sockets on, but did not know the id of this process.
        command.env("LISTEN_PID", std::process::id().to_string());
    }
    command.arg0(name).exec()
}

fn restart_command(stage: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(std::env::args_os().skip(1)).env(STAGE, stage).env(PROGRAM, program());
    command
}
