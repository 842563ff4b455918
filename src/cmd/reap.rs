//! `lab reap`: removes what a run made in a container engine. Hidden; see [`reaper`].

use crate::cli::ReapArgs;
use crate::exit::Exit;
use crate::stack::container::reaper;

/// Waits for the end of lab, and then removes everything of the run.
pub(super) fn run(args: &ReapArgs) -> anyhow::Result<Exit> {
    reaper::run(&args.run)?;
    Ok(Exit::Ok)
}
