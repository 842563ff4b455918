//! `lab serve`: the master and its workers.

use crate::cli::ServeArgs;
use crate::exit::Exit;

/// Runs the master until it is told to stop.
pub(super) fn run(_args: &ServeArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("not there yet")
}

/// Runs one worker until its master tells it to stop.
pub(super) fn run_worker(_args: &ServeArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("not there yet")
}
