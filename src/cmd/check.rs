//! `lab check`: a scenario's checks, without any load.

use super::execution::{GateArgs, Outputs, Request, github_step, perform};
use super::select;
use super::tool_paths::tool_paths;
use crate::cli::CheckArgs;
use crate::engine::session::RunMode;
use crate::exit::Exit;

/// Runs every check and prints the results.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    let step = match github_step(&args.outcome, args.output)? {
        Ok(step) => step,
        Err(exit) => return Ok(exit),
    };
    let scenario = match select::scenario_of_run(&args.scenario, false, step.as_ref())? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    perform(Request {
        scenario,
        mode: RunMode::ChecksOnly,
        tools: tool_paths(&args.scenario.stacks.kinds)?,
        outputs: Outputs {
            terminal: args.output,
            files: &args.outcome,
            step: step.as_ref(),
            opens_page: false,
            is_served: false,
        },
        gate: GateArgs::default(),
        resume: None,
        command: None,
    })
}
