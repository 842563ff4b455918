//! The `lab` binary: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    lab::cmd::run(lab::cli::Cli::parse())
}
