//! `lab clean --swarm` and `--context`: removes leftovers of ended runs from a swarm.

use std::io::Write as _;
use std::time::Duration;

use super::leftover_list::{self, RunLeftovers};
use crate::cli::CleanArgs;
use crate::exit::Exit;
use crate::stack::swarm::{DockerClient, sweep};

/// How long the removal of one run may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Removes the leftovers, or only lists them. 3 if something could not be removed.
pub(super) async fn clean(args: &CleanArgs) -> anyhow::Result<Exit> {
    let docker = DockerClient::new(args.context.clone());
    let mut out = anstream::stdout().lock();
    let mut exit = Exit::Ok;
    let runs = sweep::find_leftovers(&docker).await?;
    for (run, left) in &runs {
        let left = RunLeftovers { run, state: left.state, objects: &left.objects, kept: "services" };
        if !leftover_list::remove(&mut out, args, left, sweep::remove_run(&docker, run, DEADLINE)).await? {
            exit = Exit::CouldNotRun;
        }
    }
    if runs.is_empty() {
        writeln!(out, "lab has left nothing in the swarm")?;
    }
    Ok(exit)
}
