//! `lab drive`: the load driver in a process of its own. Hidden; see [`lab_load::drivers`].

use std::fs::File;
use std::io;

use anyhow::Context as _;

use crate::exit::Exit;
use lab_load::drivers;

/// Carries out the plan on standard input and reports on standard output.
pub(super) fn run() -> anyhow::Result<Exit> {
    // Standard output belongs to the protocol. Whatever a library prints there goes to standard error instead.
    let events = rustix::io::dup(rustix::stdio::stdout()).context("cannot keep standard output")?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr()).context("cannot redirect standard output")?;
    drivers::run(io::stdin().lock(), File::from(events))?;
    Ok(Exit::Ok)
}
