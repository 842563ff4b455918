//! Which scenario, and which of its stacks: what the subcommands that take a scenario have in common.

use std::io::Write as _;

use anstream::stream::IsTerminal as _;

use crate::cli::{BackendArg, ScenarioArgs};
use crate::exit::Exit;
use crate::scenario::{
    self,
    model::{Backend, Scenario},
};
use crate::stack::verify;

/// Loads the scenario, has its stacks run as `--backend` says, and keeps the stacks that `--only` and `--skip` leave. What is wrong is printed, and the exit
/// code returned.
pub(super) fn scenario(args: &ScenarioArgs) -> anyhow::Result<Result<Scenario, Exit>> {
    let mut scenario = match scenario::load(&args.scenario, args.kinds.kinds.as_deref()) {
        Ok(scenario) => scenario,
        Err(errors) => {
            let color = std::io::stderr().is_terminal();
            writeln!(anstream::stderr(), "{}", errors.render(color))?;
            return Ok(Err(Exit::BadScenario));
        }
    };
    if let Some(backend) = args.backend {
        for stack in &mut scenario.stacks {
            stack.backend = match backend {
                BackendArg::Process => Backend::Process,
                BackendArg::Container => Backend::Container,
            };
        }
    }
    if let Err(error) = verify::configurations(&scenario) {
        writeln!(anstream::stderr(), "lab: {:#}", anyhow::Error::new(error))?;
        return Ok(Err(Exit::BadScenario));
    }
    let known: Vec<&str> = scenario.stacks.iter().map(|stack| stack.name.as_str()).collect();
    if let Some(unknown) = args.only.iter().chain(&args.skip).find(|name| !known.contains(&name.as_str())) {
        let known = known.join("`, `");
        writeln!(anstream::stderr(), "lab: {}: no stack `{unknown}`; it has `{known}`", args.scenario.display())?;
        return Ok(Err(Exit::Usage));
    }
    scenario
        .stacks
        .retain(|stack| (args.only.is_empty() || args.only.contains(&stack.name)) && !args.skip.contains(&stack.name));
    if scenario.stacks.is_empty() {
        writeln!(anstream::stderr(), "lab: {}: --only and --skip leave no stack", args.scenario.display())?;
        return Ok(Err(Exit::Usage));
    }
    Ok(Ok(scenario))
}
