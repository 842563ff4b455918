//! `lab explain`: prints a resolved scenario without running it.

use std::io::Write as _;

use super::{select, session_history};
use crate::cli::ScenarioArgs;
use crate::engine::swarm::SwarmPlan;
use crate::exit::Exit;
use crate::scenario;
use crate::scenario::model::{Backend, Scenario};
use crate::stack::swarm::DockerClient;

/// Prints the explanation.
pub(super) fn run(args: &ScenarioArgs) -> anyhow::Result<Exit> {
    let scenario = match select::scenario(args)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    let past = match session_history::past(&scenario) {
        Ok(past) => past,
        Err(error) => {
            writeln!(anstream::stderr(), "lab: {:#}", anyhow::Error::new(error))?;
            return Ok(Exit::BadScenario);
        }
    };
    writeln!(anstream::stdout(), "{}", scenario::explain(&scenario, past).trim_end())?;
    if scenario.stacks.iter().any(|stack| stack.backend == Backend::Swarm) {
        print_places(&scenario)?;
    }
    Ok(Exit::Ok)
}

/// Prints the nodes of the stacks that run in a swarm. What cannot be placed is an error.
fn print_places(scenario: &Scenario) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let docker = DockerClient::new(scenario.context.clone());
    let SwarmPlan { nodes, stacks } = runtime.block_on(SwarmPlan::make(&docker, scenario))?;
    writeln!(anstream::stdout(), "\nnodes")?;
    for (stack, assignment) in stacks {
        writeln!(anstream::stdout(), "  {stack}")?;
        for (role, place) in assignment.rows(&nodes) {
            writeln!(anstream::stdout(), "    {:<9}{place}", role.name())?;
        }
    }
    Ok(())
}
