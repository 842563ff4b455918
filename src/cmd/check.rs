//! `lab check`: a scenario's checks, without any load.

use super::run::{conclude, execute};
use super::select;
use super::tool_paths::tool_paths;
use crate::cli::CheckArgs;
use crate::engine::session::{RunMode, SessionOutcome};
use crate::exit::Exit;

/// Runs every check and prints the results.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    let mut scenario = match select::scenario(&args.scenario)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    let tools = tool_paths(&args.scenario.kinds)?;
    let outcome = execute(&mut scenario, args.output, RunMode::ChecksOnly, &tools, None)?;
    let SessionOutcome::Finished(finished) = outcome else {
        return Ok(Exit::Interrupted);
    };
    conclude(*finished, args.output, false, false)
}
