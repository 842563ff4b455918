//! `lab up`: start a scenario's stacks, print their addresses, wait for Ctrl-C.

use std::io::Write as _;
use std::time::Duration;

use super::places::places;
use super::select;
use super::session::{self, Session};
use crate::cli::UpArgs;
use crate::exit::Exit;
use crate::scenario::model::Scenario;
use crate::stack::StartError;
use crate::stack::process::{Launcher, Running};

/// Time between two looks at the components.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Starts every stack and waits.
pub(super) fn run(args: &UpArgs) -> anyhow::Result<Exit> {
    let scenario = match select::scenario(&args.scenario)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    let session = Session::open(&scenario, None)?;
    let launcher = session.local(&scenario, &places(&args.scenario.kinds)?)?.launcher;
    let work = async {
        let mut stacks = start(&scenario, &launcher).await?;
        writeln!(anstream::stderr(), "\nlogs in {}; Ctrl-C stops everything", session.folder.display())?;
        // Only Ctrl-C ends this, or a component that ends by itself; the stacks are let go of either way.
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        loop {
            ticks.tick().await;
            if let Some(how) = stacks.iter_mut().find_map(Running::ended) {
                return Err(anyhow::anyhow!(how));
            }
        }
    };
    match session::run_until_interrupted(work)? {
        // Ctrl-C is how `lab up` is meant to end.
        None => Ok(Exit::Ok),
        Some(outcome) => outcome,
    }
}

async fn start(scenario: &Scenario, launcher: &Launcher) -> anyhow::Result<Vec<Running>> {
    let mut stacks = Vec::new();
    let mut out = anstream::stdout().lock();
    for stack in &scenario.stacks {
        let running = launcher
            .start(stack, &stack.name)
            .await
            .map_err(|error: StartError| anyhow::Error::new(error).context(format!("stack {}", stack.name)))?;
        writeln!(out, "{}  http://{}", stack.name, running.entry())?;
        for component in &running.components {
            writeln!(out, "  {}  {}  {}", component.role, component.address, component.version)?;
        }
        out.flush()?;
        stacks.push(running);
    }
    Ok(stacks)
}
