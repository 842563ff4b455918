//! The command line: clap types only, no behaviour.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

mod internal;
mod report;
mod twins;

pub use internal::{GuardArgs, KeepArgs, ReapArgs, SnapshotAssertArgs};
pub use report::{ReportArgs, ReportFormat};
pub use twins::{ProxyArgs, ServeArgs};

/// What `--help` ends with.
const EXIT_CODES: &str = "\
Exit codes:
  0  everything was as expected
  1  the command line was wrong
  2  the scenario, or a configuration it names, is wrong; nothing was started
  3  a stack or a driver could not run
  4  a check or the gate failed
  5  nothing failed, but something was inconclusive, and --strict was given
130  interrupted: Ctrl-C or SIGTERM; what was started is stopped";

/// What `lab --help` shows as examples.
const EXAMPLES: &str = "\
Examples:
  lab run scenarios/default.toml           start, check, measure and report
  lab run scenarios/default.toml --gate    the same in CI: fail for a changed fact
  lab check scenarios/default.toml         only the checks, no load
  lab up scenarios/default.toml            start the stacks and print their addresses
  lab proxy -c nginx.conf                  the nginx twin by itself
  lab serve -w 2 native:hello              the gunicorn twin by itself
";

/// A declarative test-and-benchmark lab for Python web deployments.
///
/// A scenario file names stacks (proxy, app server, app), the checks they must pass and the loads they are driven
/// with. lab starts them, checks what they do, measures how fast they do it, and compares both with the snapshot that
/// was reviewed before.
#[derive(Debug, Parser)]
#[command(name = "lab", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = EXIT_CODES, after_long_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario: checks, loads, report, snapshot
    #[command(after_long_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Run a scenario's reference stack against itself, and say what this machine can tell apart
    Calibrate(CalibrateArgs),
    /// Run a scenario's checks, without any load
    Check(CheckArgs),
    /// Ask two stacks of a scenario the same, and show every field in which they differ
    #[command(after_long_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// Start a scenario's stacks, print their addresses, and wait for Ctrl-C
    Up(UpArgs),
    /// List the scenarios of a folder, or a scenario's stacks, checks and loads
    List(ListArgs),
    /// Say what a scenario would run, resolved; nothing is started
    Explain(ScenarioArgs),
    /// Find what an nginx.conf, a gunicorn.conf.py and an application say that was not meant
    #[command(after_long_help = LINT_EXAMPLES)]
    Lint(LintArgs),
    /// List the kinds of servers and proxies, and what of them this machine has
    Servers(ServersArgs),
    /// Make the virtual environments that a scenario's servers run in
    #[command(after_long_help = PROVISION_EXAMPLES)]
    Provision(ProvisionArgs),
    /// Look at, accept or reject snapshots that wait for review
    Snapshot(SnapshotArgs),
    /// Show the record of a run: as text, as markdown, as a chart, or beside another run's
    #[command(after_long_help = report::EXAMPLES)]
    Report(ReportArgs),
    /// Remove what ended runs have left in the container engine
    Clean(CleanArgs),
    /// Print the JSON Schema of scenario files, for editors
    Schema,
    /// Say what this machine has, and what lab can and cannot do here
    Doctor,
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// The nginx twin: a reverse proxy that reads an nginx.conf
    Proxy(ProxyArgs),
    /// The gunicorn twin: an app server with worker processes
    Serve(ServeArgs),

    /// One worker of `lab serve`; its master's orders are its standard input
    #[command(hide = true)]
    ServeWorker,
    /// The load driver, in a process of its own: a plan on standard input, events on standard output
    #[command(hide = true)]
    Drive,
    /// The parent of a container: starts it, and removes it when lab ends, however lab ends
    #[command(hide = true)]
    Keep(KeepArgs),
    /// Removes what a run made in a container engine when lab ends, however lab ends
    #[command(hide = true)]
    Reap(ReapArgs),
    /// The parent of every program lab starts: stops it when lab ends, however lab ends
    #[command(hide = true)]
    Guard(GuardArgs),
    /// insta's assertion in a process of its own
    #[command(hide = true)]
    SnapshotAssert(SnapshotAssertArgs),
}

const DIFF_EXAMPLES: &str = "\
Examples:
  lab diff scenarios/default.toml direct proxied
  lab diff scenarios/default.toml --path /headers --path /no-such-page

Ports, dates and versions are no differences. Exit code 0 whatever differs, unless --exit-code is given.";

const LINT_EXAMPLES: &str = "\
Examples:
  lab lint /etc/nginx/sites-enabled/app
  lab lint nginx.conf gunicorn.conf.py app.py     also what they make of each other
  lab lint --rules                                what is looked for, and why

Files whose names end in .py are read as Python, by Python's parser, and are not run; all others as nginx.conf, with
what they include. Exit code 4 when there is an error or a warning; advice alone is 0.";

const RUN_EXAMPLES: &str = "\
Examples:
  lab run scenarios/default.toml
  lab run scenarios/default.toml --gate --quiet       what CI runs
  lab run scenarios/default.toml --rounds 20          narrower intervals, more time
  lab run scenarios/default.toml --rounds auto        as many as it takes, and no more
  lab run scenarios/default.toml --resume 20261124T101500Z-4711
  lab run scenarios/default.toml --backend container  every component in a container
  lab run scenarios/default.toml --only proxied --json | jq .estimates

The record is written to reports/<scenario>/<run>/record.json, and reports/<scenario>/latest leads to the newest.
A difference from the reviewed snapshot waits beside it as .snap.new: see `lab snapshot`.";

const PROVISION_EXAMPLES: &str = "\
Examples:
  lab provision scenarios/pong.toml        what this scenario's stacks need
  lab provision waitress bjoern            two kinds by name
  lab provision all --python python3.13    every kind, on another Python
  lab provision gunicorn --relock --kinds fixtures

What can be made is made, with progress; what cannot is said at the end, and its log kept. An interrupted run goes on
where it was. Debian packages are named, and installed by nobody but you.";

/// A scenario and which part of it.
#[derive(Debug, Clone, Args)]
pub struct ScenarioArgs {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    /// Only this stack; may be given several times
    #[arg(long, value_name = "STACK")]
    pub only: Vec<String>,
    /// Not this stack; may be given several times
    #[arg(long, value_name = "STACK")]
    pub skip: Vec<String>,
    /// Run every stack so, whatever the scenario says
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<BackendArg>,
    /// Where kinds are.
    #[command(flatten)]
    pub kinds: KindsArgs,
}

/// How components are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BackendArg {
    /// As subprocesses of lab
    Process,
    /// Each in a container
    Container,
}

/// Where kinds are looked for, and where environments are kept.
#[derive(Debug, Clone, Args)]
pub struct KindsArgs {
    /// A folder of kinds, searched before the scenario's own and lab's: *.toml in it, in servers/ and in proxies/
    #[arg(long, value_name = "FOLDER", env = "LAB_KINDS", hide_env_values = true)]
    pub kinds: Option<PathBuf>,
    /// The folder that virtual environments are kept in [default: lab in $XDG_CACHE_HOME or in ~/.cache]
    #[arg(long, value_name = "FOLDER", env = "LAB_CACHE", hide_env_values = true)]
    pub cache: Option<PathBuf>,
    /// The Python that environments are made with [default: python3]
    #[arg(long, value_name = "PYTHON", env = "LAB_PYTHON", hide_env_values = true)]
    pub python: Option<PathBuf>,
}

/// How much is said, and in which form.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// Print the record as JSON on standard output, instead of tables
    #[arg(long)]
    pub json: bool,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub quiet: bool,
}

/// `lab lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// nginx.conf or one site's file; gunicorn.conf.py; the application's file
    #[arg(value_name = "FILE", required_unless_present = "rules")]
    pub files: Vec<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
    /// Print the rules, and why they are there
    #[arg(long, conflicts_with = "files")]
    pub rules: bool,
}

/// `lab run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which scenario.
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// How much is said.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Exit with 4 when an exact fact differs from the snapshot or a metric is worse than its margin
    #[arg(long)]
    pub gate: bool,
    /// With --gate: exit with 5 when something could not be decided
    #[arg(long, requires = "gate")]
    pub strict: bool,
    /// Blocks of rounds, instead of the scenario's; `auto`: until every gated metric is decided, or the declared looks
    /// are used up (without any: after the scenario's count, twice and three times as many)
    #[arg(long, value_name = "N|auto")]
    pub rounds: Option<RoundsArg>,
    /// The scenario's short form, which its `[quick]` describes; compared with no snapshot
    #[arg(long, conflicts_with_all = ["rounds", "gate"])]
    pub quick: bool,
    /// Go on with the finished rounds of an interrupted run: the name of its folder in reports/SCENARIO/
    #[arg(long, value_name = "RUN", conflicts_with = "rounds")]
    pub resume: Option<String>,
}

/// More would not end on any machine; the same limit holds in scenario files.
const MOST_BLOCKS: u32 = 10_000;

/// How many blocks of rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundsArg {
    /// Exactly so many.
    Blocks(NonZeroU32),
    /// Until everything is decided or the looks are used up.
    Auto,
}

impl FromStr for RoundsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<RoundsArg, String> {
        let accepted = |blocks: &NonZeroU32| blocks.get() <= MOST_BLOCKS;
        let blocks = || text.parse().ok().filter(accepted).map(RoundsArg::Blocks);
        let known = if text == "auto" { Some(RoundsArg::Auto) } else { blocks() };
        known.ok_or_else(|| format!("accepted: `auto`, or a number of blocks from 1 to {MOST_BLOCKS}"))
    }
}

/// `lab calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    /// How much is said.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where kinds are.
    #[command(flatten)]
    pub kinds: KindsArgs,
    /// Blocks of two rounds each
    #[arg(long, value_name = "N", default_value = "20")]
    pub rounds: NonZeroU32,
}

/// `lab check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Which scenario.
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// How much is said.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `lab diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    /// The stacks: the others are compared with the first [default: all, with the reference]
    #[arg(value_name = "STACK")]
    pub stacks: Vec<String>,
    /// Ask for this path instead of the scenario's checks; may be given several times
    #[arg(long, value_name = "PATH", value_parser = path_of_a_request)]
    pub path: Vec<String>,
    /// Print the differences as JSON
    #[arg(long)]
    pub json: bool,
    /// Exit with 4 when something differs
    #[arg(long)]
    pub exit_code: bool,
    /// Run every stack so, whatever the scenario says
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<BackendArg>,
    /// Where kinds are.
    #[command(flatten)]
    pub kinds: KindsArgs,
}

impl DiffArgs {
    /// The scenario, with only the stacks that were named.
    #[must_use]
    pub fn selection(&self) -> ScenarioArgs {
        let (scenario, only, kinds) = (self.scenario.clone(), self.stacks.clone(), self.kinds.clone());
        ScenarioArgs { scenario, only, skip: Vec::new(), backend: self.backend, kinds }
    }
}

/// A path as it is sent: it starts with a slash and has nothing that would end the request line.
fn path_of_a_request(text: &str) -> Result<String, String> {
    let is_sendable = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    let wanted = "a path starts with `/` and is percent-encoded where it is not printable ASCII";
    if is_sendable { Ok(text.to_owned()) } else { Err(wanted.to_owned()) }
}

/// `lab up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Which scenario.
    #[command(flatten)]
    pub scenario: ScenarioArgs,
}

/// `lab list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// A folder of scenarios, or one scenario file
    #[arg(value_name = "PATH", default_value = "scenarios")]
    pub path: PathBuf,
    /// Where kinds are.
    #[command(flatten)]
    pub kinds: KindsArgs,
}

/// `lab servers`.
#[derive(Debug, Args)]
pub struct ServersArgs {
    /// Only these kinds, with their notes [default: a table of all]
    #[arg(value_name = "KIND")]
    pub only: Vec<String>,
    /// Where kinds are.
    #[command(flatten)]
    pub kinds: KindsArgs,
}

/// `lab provision`.
#[derive(Debug, Args)]
pub struct ProvisionArgs {
    /// Scenarios (files), whose stacks' kinds and applications are provisioned, and kinds by name; `all` for every kind
    #[arg(value_name = "SCENARIO.toml|KIND", required = true)]
    pub what: Vec<String>,
    /// Where kinds are.
    #[command(flatten)]
    pub kinds: KindsArgs,
    /// Write the lock files of these kinds anew, beside the kinds, instead; needs uv and --kinds
    #[arg(long, requires = "kinds")]
    pub relock: bool,
}

/// `lab snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub action: SnapshotAction,
}

/// What to do with the snapshots that wait for review.
#[derive(Debug, Subcommand)]
pub enum SnapshotAction {
    /// Show what waits, as a difference from what is committed
    Review(SnapshotTarget),
    /// Make what waits the committed snapshot
    Accept(SnapshotTarget),
    /// Remove what waits
    Reject(SnapshotTarget),
}

/// Which snapshots.
#[derive(Debug, Args)]
pub struct SnapshotTarget {
    /// Only these: `default` for a scenario's exact facts, `default.ratios` for its ratios [default: all that wait]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The folder of the snapshots
    #[arg(long, value_name = "FOLDER", default_value = "reports/snapshots")]
    pub folder: PathBuf,
}

/// `lab completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `lab clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// Say what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Also what belongs to runs that cannot be seen from here, such as those of another container
    #[arg(long)]
    pub all: bool,
}
