//! The `lab` binary: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use lab::cli::Cli;
use lab::exit::Exit;
use mimalloc::MiMalloc;

/// Streams of HTTP/2 allocate for each request. With glibc's allocator, such a request costs the proxy a tenth more CPU time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => lab::cmd::run(cli),
        Err(error) => {
            // Help and versions are errors to clap, and go to standard output.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let printed = error.print().and_then(|()| match std::env::args_os().len() {
                // Not even a subcommand.
                0 | 1 => lab::cmd::print_first_command(),
                _ => Ok(()),
            });
            printed.map_or(Exit::CouldNotRun, |()| exit).into()
        }
    }
}
