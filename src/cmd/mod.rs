//! The subcommands, one file each. They parse their arguments and print; everything below returns values.

mod agent;
mod calibrate;
mod check;
mod ci;
mod clean;
mod clean_swarm;
mod compare;
mod completions;
mod connect;
mod coordinate;
mod diff;
mod doctor;
mod drive;
mod earlier;
mod earlier_image;
mod earlier_lab;
mod event_log;
mod execution;
mod explain;
mod first_command;
mod github;
mod guard;
mod history;
mod init;
mod keep;
mod leftover_list;
mod lint;
mod list;
mod live;
mod missing_environments;
mod outside;
mod page;
mod pending_snapshots;
mod progress;
mod proxy;
mod provision;
mod reap;
mod report;
mod run;
mod schema;
mod select;
mod serve;
mod serve_worker;
mod servers;
mod session_history;
mod snapshot;
mod snapshot_review;
mod source_lines;
mod terminal_width;
mod tool_paths;
mod up;
mod watch;

pub use first_command::print_first_command;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::exit::Exit;

/// Runs one command line to its exit code.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Init(args) => init::run(&args).map(ExitCode::from),
        Command::Run(args) => run::run(&args).map(ExitCode::from),
        Command::Compare(args) => compare::run(&args).map(ExitCode::from),
        Command::Calibrate(args) => calibrate::run(&args).map(ExitCode::from),
        Command::Check(args) => check::run(&args).map(ExitCode::from),
        Command::Diff(args) => diff::run(&args).map(ExitCode::from),
        Command::Up(args) => up::run(&args).map(ExitCode::from),
        Command::Lint(args) => lint::run(&args).map(ExitCode::from),
        Command::List(args) => list::run(&args).map(ExitCode::from),
        Command::Explain(args) => explain::run(&args).map(ExitCode::from),
        Command::Servers(args) => servers::run(&args).map(ExitCode::from),
        Command::Provision(args) => provision::run(&args).map(ExitCode::from),
        Command::Snapshot(args) => snapshot::run(&args).map(ExitCode::from),
        Command::History(args) => history::run(&args).map(ExitCode::from),
        Command::Ci(args) => ci::run(&args).map(ExitCode::from),
        Command::Report(args) => report::run(&args).map(ExitCode::from),
        Command::Clean(args) => clean::run(&args).map(ExitCode::from),
        Command::Schema => schema::run().map(ExitCode::from),
        Command::Doctor => doctor::run().map(ExitCode::from),
        Command::Completions(args) => completions::run(&args).map(ExitCode::from),
        Command::Proxy(args) => proxy::run(&args).map(ExitCode::from),
        Command::Serve(args) => serve::run(&args),
        Command::ServeWorker => serve_worker::run(),
        Command::Drive => drive::run().map(ExitCode::from),
        Command::Coordinate(args) => coordinate::run(&args).map(ExitCode::from),
        Command::Connect(args) => connect::run(&args).map(ExitCode::from),
        Command::Agent(args) => agent::run(&args).map(ExitCode::from),
        Command::Guard(args) => guard::run(&args),
        Command::Keep(args) => keep::run(&args),
        Command::Reap(args) => reap::run(&args).map(ExitCode::from),
        Command::SnapshotAssert(args) => snapshot::assert(&args),
    };
    match outcome {
        Ok(code) => code,
        // The reader closed the pipe, as `head` does: success.
        Err(error) if is_closed_pipe(&error) => Exit::Ok.into(),
        Err(error) => {
            // Standard error is the last resort: its own failure cannot be reported.
            let _ = print_error(&error);
            Exit::CouldNotRun.into()
        }
    }
}

/// Whether the reader of standard output has closed it.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let source = error.root_cause().downcast_ref::<std::io::Error>();
    source.is_some_and(|source| source.kind() == std::io::ErrorKind::BrokenPipe)
}

fn print_error(error: &anyhow::Error) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(anstream::stderr(), "lab: {error:#}")
}
