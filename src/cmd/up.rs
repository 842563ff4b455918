//! `lab up`: start a scenario's stacks, print their addresses, wait for Ctrl-C.

use std::io::Write as _;
use std::time::Duration;

use super::select;
use super::tool_paths::tool_paths;
use crate::cli::UpArgs;
use crate::engine::backend::Backend as _;
use crate::engine::interruption::run_until_interrupted;
use crate::engine::local::Local;
use crate::engine::session::{self, Session};
use crate::exit::Exit;
use crate::scenario::model::Scenario;
use crate::stack::recording::Recording;
use crate::stack::running::RunningStack;

/// Time between two checks that every component is still running.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Starts every stack and waits.
pub(super) fn run(args: &UpArgs) -> anyhow::Result<Exit> {
    let scenario = match select::scenario(&args.scenario)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    let session = Session::open(&scenario, None)?;
    let backend = session.backend(&scenario, &tool_paths(&args.scenario.stacks.kinds)?)?;
    let work = async {
        let mut backend = backend;
        session::prepare(&mut backend, &scenario, &mut print_progress).await?;
        let mut stacks = start(&scenario, &mut backend).await?;
        writeln!(anstream::stderr(), "\nlogs in {}; Ctrl-C stops everything", session.folder.path.display())?;
        // Ends with Ctrl-C, or when a component ends by itself. Either way the stacks are dropped, which stops them.
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        loop {
            ticks.tick().await;
            if let Some(failure) = stacks.iter_mut().find_map(RunningStack::failure) {
                return Err(failure.into());
            }
        }
    };
    match run_until_interrupted(work)? {
        // Ctrl-C is how `lab up` is meant to end.
        None => Ok(Exit::Ok),
        Some(outcome) => outcome,
    }
}

fn print_progress(line: &str) {
    // Progress is a convenience: a closed standard error is not worth failing for.
    let _ = writeln!(anstream::stderr(), "{line}");
}

async fn start(scenario: &Scenario, backend: &mut Local) -> anyhow::Result<Vec<RunningStack>> {
    let mut stacks = Vec::new();
    let mut out = anstream::stdout().lock();
    for stack in &scenario.stacks {
        let running = backend.start(stack, &stack.name, Recording::LOGS).await;
        let running = running.map_err(|error| anyhow::anyhow!("stack {}: {error}", stack.name))?;
        writeln!(out, "{}  http://{}", stack.name, running.entry())?;
        for component in &running.components {
            writeln!(out, "  {}  {}  {}", component.role, component.address, component.version)?;
        }
        out.flush()?;
        stacks.push(running);
    }
    Ok(stacks)
}
