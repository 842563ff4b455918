//! `lab up`: start a scenario's stacks, print their addresses, wait for Ctrl-C.

use std::io::Write as _;

use super::select;
use super::session::{self, Session};
use crate::cli::UpArgs;
use crate::exit::Exit;
use crate::scenario::model::Scenario;
use crate::stack::StartError;
use crate::stack::process::{Launcher, Running};

/// Starts every stack and waits.
pub(super) fn run(args: &UpArgs) -> anyhow::Result<Exit> {
    let scenario = match select::scenario(&args.scenario)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    let session = Session::open(&scenario, None)?;
    let launcher = session.local(&scenario)?.launcher;
    let work = async {
        let stacks = start(&scenario, &launcher).await?;
        writeln!(anstream::stderr(), "\nlogs in {}; Ctrl-C stops everything", session.folder.display())?;
        // Only Ctrl-C ends this; the stacks are let go of when it does.
        std::future::pending::<()>().await;
        drop(stacks);
        anyhow::Ok(())
    };
    match session::run_until_interrupted(work)? {
        // Ctrl-C is how `lab up` is meant to end.
        None => Ok(Exit::Ok),
        Some(outcome) => outcome.map(|()| Exit::Ok),
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
