//! The `lab` binary: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use lab::cli::Cli;
use lab::exit::Exit;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => lab::cmd::run(cli),
        Err(error) => {
            // Help and versions are errors to clap, and go to standard output.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            error.print().map_or(Exit::CouldNotRun, |()| exit).into()
        }
    }
}
