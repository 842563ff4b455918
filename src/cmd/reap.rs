//! `lab reap`: removes the objects of a run from a container engine or a swarm. Hidden; see [`container::reaper`] and
//! [`swarm::reaper`].

use crate::cli::ReapArgs;
use crate::exit::Exit;
use crate::stack::{container, swarm};

/// Waits until lab ends, then removes every object of the run.
pub(super) fn run(args: &ReapArgs) -> anyhow::Result<Exit> {
    match args.swarm {
        true => swarm::reaper::run(&args.run, args.context.clone())?,
        false => container::reaper::run(&args.run)?,
    }
    Ok(Exit::Ok)
}
