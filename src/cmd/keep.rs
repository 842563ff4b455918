//! `lab keep`: the parent of a container. Hidden; see [`keeper`].

use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::KeepArgs;
use crate::stack::container::keeper;

/// Runs the keeper and exits with the container's code.
pub(super) fn run(args: &KeepArgs) -> anyhow::Result<ExitCode> {
    let spec = keeper::read(&args.order).with_context(|| format!("read {}", args.order.display()))?;
    // Both are written as bytes come: standard output is a pipe to lab, standard error the component's log.
    let code = keeper::run(&spec, &mut std::io::stdout(), &mut std::io::stderr())?;
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}
