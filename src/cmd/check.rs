//! `lab check`: a scenario's checks, without any load.

use super::places::places;
use super::run::{self, Kind};
use super::select;
use crate::cli::CheckArgs;
use crate::exit::Exit;

/// Asks every check and says what came of it.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    let mut scenario = match select::scenario(&args.scenario)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    let kind = Kind { checks_only: true, compared: false };
    let run::Outcome::Finished(finished) =
        run::execute(&mut scenario, args.output, kind, &places(&args.scenario.kinds)?, None)?
    else {
        return Ok(Exit::Interrupted);
    };
    run::conclude(*finished, args.output, false, false)
}
