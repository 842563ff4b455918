//! `lab guard`: the parent of every program lab starts. Hidden; see [`stack::guard`](crate::stack::guard).

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::GuardArgs;
use crate::stack::guard::{self, Guard};

/// Runs the program under this process as its guard, or becomes it.
pub(super) fn run(args: &GuardArgs) -> anyhow::Result<ExitCode> {
    let name = args.program.first().map(String::as_str).unwrap_or_default();
    if let Some(parent) = args.exec {
        return Err(guard::exec(parent, &args.program)).with_context(|| format!("start {name}"));
    }
    let guard = Guard {
        cores: args.cores.clone(),
        grace: Duration::from_millis(args.grace_ms),
        input: args.input.clone(),
        program: args.program.clone(),
    };
    let code = guard::run(&guard).with_context(|| format!("guard {name}"))?;
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}
