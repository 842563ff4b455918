//! `lab explain`: prints a resolved scenario without running it.

use std::io::Write as _;

use super::{select, session_history};
use crate::cli::ScenarioArgs;
use crate::exit::Exit;
use crate::scenario;

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
    Ok(Exit::Ok)
}
