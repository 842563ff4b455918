//! The guard: a small process between lab and each program lab starts, so that nothing outlives lab.
//!
//! lab holds the write end of a pipe that is the guard's standard input. However lab ends (an error, a panic, Ctrl-C,
//! SIGKILL), the kernel closes that end, the guard reads the end of file and stops its program: SIGTERM to its process
//! group, a grace period, then SIGKILL to every descendant. The guard is a subreaper, so a program that daemonises
//! stays its descendant. Should the guard itself be killed, the program's parent-death signal ends it, and lab ends the
//! daemons ([`orphans`](super::orphans)).
//!
//! Inherited file descriptors (listening sockets) pass through the guard to its program; the guard keeps no copy in
//! use, so a dead program's port refuses connections.

use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions};
use tokio::io::AsyncReadExt;

use crate::measure::procfs;

/// A program and how its guard runs it.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Cores that the program may use; empty for no change.
    pub cores: Vec<u16>,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// A file the program reads as its standard input; none: nothing to read.
    pub input: Option<PathBuf>,
    /// The program and its arguments.
    pub program: Vec<String>,
}

/// The exit code of a guard whose program was ended by a signal, after the shells' custom.
const SIGNALLED: i32 = 128;

/// Runs the program to its end, or until standard input ends. Returns the exit code to end with.
///
/// # Errors
/// The program cannot be started, or a system call fails.
pub fn run(guard: &Guard) -> io::Result<i32> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    pin(&guard.cores)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(supervise(guard))?;
    end_descendants();
    Ok(code)
}

/// Becomes `program`, with SIGKILL as its parent-death signal: the last step before a guarded program runs.
///
/// Returns only when it could not.
#[must_use]
pub fn exec(parent: u32, program: &[String]) -> io::Error {
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have died before the signal was set.
    let still_there = rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().get().unsigned_abs() == parent);
    if !still_there {
        return io::Error::other("the guard is gone");
    }
    let Some((name, arguments)) = program.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no program given");
    };
    Command::new(name).args(arguments).exec()
}

/// Restricts the calling process and its future children to `cores`.
///
/// # Errors
/// When none of the cores exists or is allowed.
pub fn pin(cores: &[u16]) -> io::Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = rustix::thread::CpuSet::new();
    for &core in cores {
        set.set(usize::from(core));
    }
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

async fn supervise(guard: &Guard) -> io::Result<i32> {
    let mut child = tokio::process::Command::from(step(guard)?).spawn()?;
    let group = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    tokio::select! {
        status = child.wait() => return Ok(code_of(status?)),
        () = end_of_input() => {}
    }
    if let Some(group) = group {
        // An error means that the group is gone already, as it should be.
        let _ = rustix::process::kill_process_group(group, Signal::TERM);
    }
    match tokio::time::timeout(guard.grace, child.wait()).await {
        Ok(status) => Ok(code_of(status?)),
        Err(_) => {
            child.kill().await?;
            Ok(SIGNALLED + Signal::KILL.as_raw())
        }
    }
}

/// The command that runs the program in a process group of its own, by way of [`exec`].
fn step(guard: &Guard) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("guard").arg("--exec").arg(std::process::id().to_string()).arg("--").args(&guard.program);
    let input = match &guard.input {
        Some(path) => Stdio::from(File::open(path)?),
        None => Stdio::null(),
    };
    command.stdin(input).process_group(0);
    Ok(command)
}

/// Waits until the other end of standard input is closed.
pub(super) async fn end_of_input() {
    let Ok(input) = rustix::io::dup(rustix::stdio::stdin()) else { return };
    let Ok(mut pipe) = tokio::net::unix::pipe::Receiver::from_owned_fd(input) else { return };
    let mut byte = [0; 64];
    while !matches!(pipe.read(&mut byte).await, Ok(0) | Err(_)) {}
}

/// Kills the remaining descendants, daemons included, until none is left.
fn end_descendants() {
    let own = std::process::id();
    // Each pass can find children of the ones killed in the pass before; a bound keeps a fork bomb from holding us.
    for _ in 0..100 {
        let left = procfs::descendants_of(own).unwrap_or_default();
        for pid in &left {
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        if left.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn code_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| SIGNALLED + status.signal().unwrap_or_default())
}
