//! `lab completions`: a completion script for a shell, on standard output.

use clap::CommandFactory as _;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::Exit;

/// Prints the script.
pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    clap_complete::generate(args.shell, &mut Cli::command(), "lab", &mut std::io::stdout());
    Ok(Exit::Ok)
}
