//! The command line: clap types only, no behaviour.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::exit::Exit;

mod ci;
mod compare;
mod diff;
mod history;
mod init;
mod internal;
mod lint;
mod measure;
mod outcome;
mod output;
mod provision;
mod report;
mod run;
mod selection;
mod snapshot;
mod twins;

pub use ci::{CiAction, CiArgs, CiInitArgs, CiService};
pub use compare::{BaseImage, CompareArgs};
pub use diff::DiffArgs;
pub use history::HistoryArgs;
pub use init::InitArgs;
pub use internal::{AgentArgs, ConnectArgs, CoordinateArgs, GuardArgs, KeepArgs, ReapArgs, SnapshotAssertArgs};
pub use lint::{LintArgs, LintFormat};
pub use measure::{MeasureArgs, RoundsArg};
pub use outcome::OutcomeArgs;
pub use output::OutputArgs;
pub use provision::ProvisionArgs;
pub use report::{ReportArgs, ReportFormat};
pub use run::RunArgs;
pub use selection::{BackendArg, KindsArgs, ScenarioArgs, StackArgs};
pub use snapshot::{SnapshotAction, SnapshotArgs, SnapshotTarget};
pub use twins::{ProxyArgs, ServeArgs};

fn exit_codes() -> String {
    let line = |exit: Exit| format!("{:>3}  {}\n", exit as u8, exit.meaning());
    format!("Exit codes:\n{}", Exit::ALL.map(line).concat().trim_end())
}

const EXAMPLES: &str = "\
Examples:
  lab init                                 write a scenario for the deployment in this folder
  lab run scenarios/default.toml           start, check, measure and report
  lab run scenarios/default.toml --gate    the same in CI: fail for a changed fact
  lab compare main --gate                  the stacks as they are beside the stacks as they were in main
  lab check scenarios/default.toml         only the checks, no load
  lab up scenarios/default.toml            start the stacks and print their addresses
  lab proxy -c nginx.conf                  the nginx twin by itself
  lab serve -w 2 native:hello              the gunicorn twin by itself
";

/// A declarative test-and-benchmark lab for Python web deployments.
///
/// A scenario file defines stacks (proxy, app server, app), checks and loads. lab starts the stacks, runs the checks,
/// measures the loads, and compares both with a reviewed snapshot.
#[derive(Debug, Parser)]
#[command(name = "lab", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = exit_codes(), after_long_help = format!("{EXAMPLES}\n{}", exit_codes()))]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a scenario for the deployment in this folder: its nginx, its server, its application
    #[command(after_long_help = init::EXAMPLES)]
    Init(InitArgs),
    /// Run a scenario: checks, loads, report, snapshot
    #[command(after_long_help = run::EXAMPLES)]
    Run(RunArgs),
    /// Compare a scenario's stacks with themselves at another revision: did a change break anything?
    #[command(after_long_help = compare::EXAMPLES)]
    Compare(CompareArgs),
    /// Compare a scenario's reference stack with itself, and report the smallest difference this machine can detect
    Calibrate(CalibrateArgs),
    /// Run a scenario's checks, without any load
    Check(CheckArgs),
    /// Send the same requests to the stacks of a scenario, and show every difference between the responses
    #[command(after_long_help = diff::EXAMPLES)]
    Diff(DiffArgs),
    /// Start a scenario's stacks, print their addresses, and follow their logs until Ctrl-C
    Up(UpArgs),
    /// List the scenarios of a folder, or a scenario's stacks, checks and loads
    List(ListArgs),
    /// Describe what a scenario would run, without starting anything
    Explain(ScenarioArgs),
    /// Find likely mistakes in an nginx.conf, a gunicorn.conf.py and an application
    #[command(after_long_help = lint::EXAMPLES)]
    Lint(LintArgs),
    /// List the kinds of servers and proxies, and which of them are installed
    Servers(ServersArgs),
    /// Create the virtual environments of a scenario's servers
    #[command(after_long_help = provision::EXAMPLES)]
    Provision(ProvisionArgs),
    /// Review, accept or reject pending snapshots
    Snapshot(SnapshotArgs),
    /// Show the record of a run as text, as markdown, as a page or as a chart, or compare it with another run's
    #[command(after_long_help = report::EXAMPLES)]
    Report(ReportArgs),
    /// Show how a scenario's figures developed over its accepted sessions, and where their levels changed
    #[command(after_long_help = history::EXAMPLES)]
    History(HistoryArgs),
    /// Write a workflow that compares each pull request with its merge base
    Ci(CiArgs),
    /// Remove the containers, networks and images that ended runs left in the container engine, or in a swarm
    Clean(CleanArgs),
    /// Print the JSON Schema of scenario files, for editors
    Schema,
    /// Describe this machine and what lab can do on it
    Doctor,
    /// Print a completion script for a shell, or install it with the manual pages
    Completions(CompletionsArgs),
    /// The nginx twin: a reverse proxy that reads an nginx.conf
    Proxy(ProxyArgs),
    /// The gunicorn twin: an app server with worker processes
    Serve(ServeArgs),

    /// One worker of `lab serve`; reads its arbiter's messages from standard input
    #[command(hide = true)]
    ServeWorker,
    /// The load driver's process: a plan on standard input, events on standard output
    #[command(hide = true)]
    Drive,
    /// Leads the agents of a run on several hosts: requests on standard input, reports on standard output
    #[command(hide = true)]
    Coordinate(CoordinateArgs),
    /// Passes standard input to an address, and what it sends to standard output
    #[command(hide = true)]
    Connect(ConnectArgs),
    /// Runs drivers on its node for the coordinator of a run on several hosts
    #[command(hide = true)]
    Agent(AgentArgs),
    /// The parent of a container: starts it, and removes it when lab ends for any reason
    #[command(hide = true)]
    Keep(KeepArgs),
    /// Removes everything of a run from a container engine or a swarm when lab ends for any reason
    #[command(hide = true)]
    Reap(ReapArgs),
    /// The parent of every program that lab starts: stops it when lab ends for any reason
    #[command(hide = true)]
    Guard(GuardArgs),
    /// Runs an insta assertion
    #[command(hide = true)]
    SnapshotAssert(SnapshotAssertArgs),
}

/// `lab calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub kinds: KindsArgs,
    /// Blocks of two rounds each
    #[arg(long, value_name = "N", default_value = "20")]
    pub rounds: NonZeroU32,
    /// Instead of --rounds: as many blocks as N whole runs of the scenario take, each of which is judged as a run
    #[arg(long, value_name = "N", conflicts_with = "rounds")]
    pub comparisons: Option<NonZeroU32>,
}

/// `lab check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub outcome: OutcomeArgs,
}

/// `lab up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
}

/// `lab list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// A folder of scenarios, or one scenario file
    #[arg(value_name = "PATH", default_value = "scenarios")]
    pub path: PathBuf,
    #[command(flatten)]
    pub kinds: KindsArgs,
}

/// `lab servers`.
#[derive(Debug, Args)]
pub struct ServersArgs {
    /// Only these kinds, with their notes [default: a table of all]
    #[arg(value_name = "KIND")]
    pub only: Vec<String>,
    #[command(flatten)]
    pub kinds: KindsArgs,
}

/// `lab completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell [default: by the variable SHELL]
    #[arg(value_name = "SHELL")]
    pub shell: Option<clap_complete::Shell>,
    /// Install the script for this user, and the manual pages
    #[arg(long)]
    pub install: bool,
}

/// `lab clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// Print what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Remove what runs left in the swarm whose manager the docker command speaks to
    #[arg(long)]
    pub swarm: bool,
    /// Remove what runs left in the swarm whose manager has this Docker context
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Also remove objects of runs whose process is invisible here, such as one in another container
    #[arg(long)]
    pub all: bool,
    /// Also remove all but the last N runs of each scenario in `reports/`, and compress the logs of the others
    #[arg(long, value_name = "N")]
    pub keep: Option<NonZeroU32>,
}
