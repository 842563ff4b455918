//! One file per subcommand. Only this module writes files and prints; everything below returns values.

mod drive;
mod proxy;
mod serve;

use std::process::ExitCode;

use crate::cli::{Cli, Command};

/// Runs one command line to its exit code.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Proxy(args) => proxy::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::ServeWorker(args) => serve::run_worker(&args),
        Command::Drive => drive::run(),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("lab: {error:#}");
            crate::exit::Exit::CouldNotRun.into()
        }
    }
}
