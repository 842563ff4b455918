//! `lab explain`: prints a resolved scenario without running it.

use std::io::Write as _;

use super::select;
use crate::cli::ScenarioArgs;
use crate::exit::Exit;
use crate::scenario;

/// Prints the explanation.
pub(super) fn run(args: &ScenarioArgs) -> anyhow::Result<Exit> {
    let scenario = match select::scenario(args)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    writeln!(anstream::stdout(), "{}", scenario::explain(&scenario).trim_end())?;
    Ok(Exit::Ok)
}
