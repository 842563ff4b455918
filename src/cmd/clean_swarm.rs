//! `lab clean --swarm` and `--context`: removes leftovers of ended runs from a swarm.

use std::io::Write as _;
use std::time::Duration;

use crate::cli::CleanArgs;
use crate::exit::Exit;
use crate::stack::container::labels::RunState;
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
        match left.state {
            RunState::Running => writeln!(out, "run {run} is still running; its services are kept")?,
            RunState::Unknown if !args.all => writeln!(out, "run {run} is not visible from here; --all removes it")?,
            RunState::Ended | RunState::Unknown => {
                writeln!(out, "run {run}")?;
                let remaining = match args.dry_run {
                    true => Vec::new(),
                    false => sweep::remove_run(&docker, run, DEADLINE).await?,
                };
                for object in &left.objects {
                    let result = match (args.dry_run, remaining.contains(object)) {
                        (true, _) => "would be removed",
                        (false, true) => "cannot be removed",
                        (false, false) => "removed",
                    };
                    writeln!(out, "  {object}: {result}")?;
                }
                if !remaining.is_empty() {
                    exit = Exit::CouldNotRun;
                }
            }
        }
    }
    if runs.is_empty() {
        writeln!(out, "lab has left nothing in the swarm")?;
    }
    Ok(exit)
}
