//! `lab reap`: removes the objects of a run from a container engine. Hidden; see [`reaper`].

use crate::cli::ReapArgs;
use crate::exit::Exit;
use crate::stack::container::reaper;

/// Waits until lab ends, then removes every object of the run.
pub(super) fn run(args: &ReapArgs) -> anyhow::Result<Exit> {
    reaper::run(&args.run)?;
    Ok(Exit::Ok)
}
