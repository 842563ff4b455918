//! Loads a scenario and selects its stacks, for every subcommand that takes a scenario.

use std::io::Write as _;

use anstream::stream::IsTerminal as _;

use crate::cli::{BackendArg, ScenarioArgs};
use crate::exit::Exit;
use crate::scenario::{
    self,
    model::{Backend, Scenario},
};
use crate::stack::verify;

/// Loads the scenario and applies `--backend`, `--only` and `--skip`. Prints what is wrong and returns the exit code.
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
