//! The command line: clap types only, no behaviour.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum as _};
use lab_proxy::config::nginx_version::NginxVersion;

mod ci;
mod compare;
mod history;
mod internal;
mod outcome;
mod report;
mod twins;

pub use ci::{CiAction, CiArgs, CiInitArgs, CiService};
pub use compare::{BaseImage, CompareArgs};
pub use history::HistoryArgs;
pub use internal::{GuardArgs, KeepArgs, ReapArgs, SnapshotAssertArgs};
pub use outcome::OutcomeArgs;
pub use report::{ReportArgs, ReportFormat};
pub use twins::{ProxyArgs, ServeArgs};

const EXIT_CODES: &str = "\
Exit codes:
  0  everything was as expected
  1  the command line was wrong
  2  the scenario, or a configuration it names, is wrong; nothing was started
  3  a stack or a driver could not run
  4  a check or the gate failed
  5  nothing failed, but something was inconclusive, and --strict was given
130  interrupted: Ctrl-C or SIGTERM; what was started is stopped";

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
#[command(after_help = EXIT_CODES, after_long_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a scenario for the deployment in this folder: its nginx, its server, its application
    #[command(after_long_help = INIT_EXAMPLES)]
    Init(InitArgs),
    /// Run a scenario: checks, loads, report, snapshot
    #[command(after_long_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Compare a scenario's stacks with themselves at another revision: did a change break anything?
    #[command(after_long_help = compare::EXAMPLES)]
    Compare(CompareArgs),
    /// Compare a scenario's reference stack with itself, and report the smallest difference this machine can detect
    Calibrate(CalibrateArgs),
    /// Run a scenario's checks, without any load
    Check(CheckArgs),
    /// Send the same requests to the stacks of a scenario, and show every difference between the responses
    #[command(after_long_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// Start a scenario's stacks, print their addresses, and wait for Ctrl-C
    Up(UpArgs),
    /// List the scenarios of a folder, or a scenario's stacks, checks and loads
    List(ListArgs),
    /// Describe what a scenario would run, without starting anything
    Explain(ScenarioArgs),
    /// Find likely mistakes in an nginx.conf, a gunicorn.conf.py and an application
    #[command(after_long_help = LINT_EXAMPLES)]
    Lint(LintArgs),
    /// List the kinds of servers and proxies, and which of them are installed
    Servers(ServersArgs),
    /// Create the virtual environments of a scenario's servers
    #[command(after_long_help = PROVISION_EXAMPLES)]
    Provision(ProvisionArgs),
    /// Review, accept or reject pending snapshots
    Snapshot(SnapshotArgs),
    /// Show the record of a run as text, as markdown or as a chart, or compare it with another run's
    #[command(after_long_help = report::EXAMPLES)]
    Report(ReportArgs),
    /// Show how a scenario's figures developed over its accepted sessions, and where their levels changed
    #[command(after_long_help = history::EXAMPLES)]
    History(HistoryArgs),
    /// Write a workflow that compares each pull request with its merge base
    Ci(CiArgs),
    /// Remove the containers, networks and images that ended runs left in the container engine
    Clean(CleanArgs),
    /// Print the JSON Schema of scenario files, for editors
    Schema,
    /// Describe this machine and what lab can do on it
    Doctor,
    /// Print a completion script for a shell
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
    /// The parent of a container: starts it, and removes it when lab ends for any reason
    #[command(hide = true)]
    Keep(KeepArgs),
    /// Removes everything of a run from a container engine when lab ends for any reason
    #[command(hide = true)]
    Reap(ReapArgs),
    /// The parent of every program that lab starts: stops it when lab ends for any reason
    #[command(hide = true)]
    Guard(GuardArgs),
    /// Runs an insta assertion
    #[command(hide = true)]
    SnapshotAssert(SnapshotAssertArgs),
}

const INIT_EXAMPLES: &str = "\
Examples:
  lab init                                 looks at the files of this folder, and asks before it writes lab.toml
  lab init --dry-run                       prints what it would write
  lab init deploy/nginx.conf Procfile      these files rather than others that were found
  lab init --yes && lab provision lab.toml && lab check lab.toml

It looks for nginx configurations (nginx.conf, files of sites), for the way the application is started (Procfile, systemd
unit, compose file, Dockerfile, gunicorn.conf.py), for the application (module:app, create_app(), Django's wsgi.py), for
static files, and for .venv, uv.lock, poetry.lock or requirements.txt. Python files are parsed, and not run.";

const DIFF_EXAMPLES: &str = "\
Examples:
  lab diff scenarios/default.toml direct proxied
  lab diff scenarios/default.toml --path /headers --path /no-such-page

Ports, dates and versions do not count as differences. The exit code is 0 unless --exit-code is given.";

const LINT_EXAMPLES: &str = "\
Examples:
  lab lint /etc/nginx/sites-enabled/app
  lab lint nginx.conf gunicorn.conf.py app.py     also how they fit together
  lab lint nginx.conf --format sarif > lint.sarif for code scanning
  lab lint --rules                                the rules and their reasons

Files named *.py are parsed as Python, by Python's parser, and not run; all others as nginx.conf, with the files they
include. The exit code is 4 for an error or a warning, and 0 for advice only.";

const RUN_EXAMPLES: &str = "\
Examples:
  lab run scenarios/default.toml
  lab run scenarios/default.toml --gate --accept-new  the first run, which commits the snapshot
  lab run scenarios/default.toml --gate --quiet       what CI runs
  lab run scenarios/default.toml --rounds 20          narrower intervals, more time
  lab run scenarios/default.toml --rounds auto        until every gated metric is decided
  lab run scenarios/default.toml --resume 20261124T101500Z-4711
  lab run scenarios/default.toml --backend container  every component in a container
  lab run scenarios/default.toml --only proxied --json | jq .estimates

The record is written to reports/<scenario>/<run>/record.json, and reports/<scenario>/latest leads to the newest.
A difference from the reviewed snapshot is stored beside it as .snap.new: see `lab snapshot`.";

const PROVISION_EXAMPLES: &str = "\
Examples:
  lab provision scenarios/pong.toml        what this scenario's stacks need
  lab provision waitress bjoern            two kinds by name
  lab provision all --python python3.13    every kind, on another Python
  lab provision gunicorn --relock --kinds fixtures

Failures are reported and their logs kept, and the other kinds are still provisioned. An interrupted run can be
repeated and continues. Debian packages are only named: install them yourself.";

/// A scenario and a selection of its stacks.
#[derive(Debug, Clone, Args)]
pub struct ScenarioArgs {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    #[command(flatten)]
    pub stacks: StackArgs,
}

/// A selection of stacks, and how they run.
#[derive(Debug, Clone, Args)]
pub struct StackArgs {
    /// Only this stack; may be given several times
    #[arg(long, value_name = "STACK")]
    pub only: Vec<String>,
    /// Not this stack; may be given several times
    #[arg(long, value_name = "STACK")]
    pub skip: Vec<String>,
    /// How to run every stack; overrides the scenario
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<BackendArg>,
    #[command(flatten)]
    pub kinds: KindsArgs,
}

impl StackArgs {
    /// All stacks, as the scenario runs them.
    #[must_use]
    pub fn all(kinds: KindsArgs) -> StackArgs {
        StackArgs { only: Vec::new(), skip: Vec::new(), backend: None, kinds }
    }

    /// Whether these are all stacks, as the scenario runs them.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty() && self.backend.is_none()
    }

    /// The same selection as options of a command line, each with a space before it.
    #[must_use]
    pub fn options(&self) -> String {
        let only = self.only.iter().map(|stack| format!(" --only {stack}"));
        let skip = self.skip.iter().map(|stack| format!(" --skip {stack}"));
        let backend = self.backend.and_then(|backend| Some(backend.to_possible_value()?.get_name().to_owned()));
        only.chain(skip).chain(backend.map(|name| format!(" --backend {name}"))).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BackendArg {
    /// As subprocesses of lab
    Process,
    /// Each in a container
    Container,
}

/// The locations of kinds and environments.
#[derive(Debug, Clone, Args)]
pub struct KindsArgs {
    /// A folder of kinds, searched before the scenario's own and lab's: *.toml in it, in servers/ and in proxies/
    #[arg(long, value_name = "FOLDER", env = "LAB_KINDS", hide_env_values = true)]
    pub kinds: Option<PathBuf>,
    /// The folder of virtual environments [default: lab in $XDG_CACHE_HOME or in ~/.cache]
    #[arg(long, value_name = "FOLDER", env = "LAB_CACHE", hide_env_values = true)]
    pub cache: Option<PathBuf>,
    /// The Python of virtual environments [default: python3]
    #[arg(long, value_name = "PYTHON", env = "LAB_PYTHON", hide_env_values = true)]
    pub python: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// Print the record as JSON on standard output, instead of tables
    #[arg(long)]
    pub json: bool,
    /// Print nothing but failures
    #[arg(short, long)]
    pub quiet: bool,
    /// Print each check with its response as it runs
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// `lab init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Files to use rather than others that are found
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print what would be written, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Write without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Replace a lab.toml that exists
    #[arg(long)]
    pub force: bool,
}

/// `lab lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// nginx.conf or one site's file; gunicorn.conf.py; the application's file
    #[arg(value_name = "FILE", required_unless_present = "rules")]
    pub files: Vec<PathBuf>,
    /// The format of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: LintFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// The version of nginx that the findings are for [default: any from 1.22 on]
    #[arg(long, value_name = "VERSION", conflicts_with = "rules")]
    pub nginx_version: Option<NginxVersion>,
    /// Write the fixes that change nothing but the fault into the files, then print what is left
    #[arg(long, conflicts_with = "rules")]
    pub fix: bool,
    /// In a step of GitHub Actions: write the job summary, and annotate the lines of the findings
    #[arg(long, conflicts_with = "rules")]
    pub github: bool,
    /// Print the rules and their reasons
    #[arg(long, conflicts_with = "files")]
    pub rules: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LintFormat {
    /// Each finding with its line, the reason and a fix
    Text,
    /// A list of the findings
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// `lab run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub outcome: OutcomeArgs,
    /// Exit with 4 if an exact fact differs from the snapshot, a metric is worse by more than its margin, or there is no
    /// snapshot. Compares the whole scenario, so it goes with no --only, --skip or --backend
    #[arg(long, conflicts_with_all = ["only", "skip", "backend"])]
    pub gate: bool,
    /// With --gate: commit the snapshots that do not exist yet, instead of failing for them; for the first run
    #[arg(long, requires = "gate")]
    pub accept_new: bool,
    /// With --gate: exit with 5 if something is undecided
    #[arg(long, requires = "gate")]
    pub strict: bool,
    /// The number of blocks, instead of the scenario's; `auto`: until every gated metric is decided, at most until the last
    /// declared look (by default there are looks after the scenario's count, twice and three times as many)
    #[arg(long, value_name = "N|auto")]
    pub rounds: Option<RoundsArg>,
    /// Run the short form: what `[quick]` defines, otherwise one round with windows of two seconds. It is not compared
    /// with a snapshot
    #[arg(long, conflicts_with_all = ["rounds", "gate"])]
    pub quick: bool,
    /// Continue an interrupted run: the name of its folder in reports/SCENARIO/
    #[arg(long, value_name = "RUN", conflicts_with = "rounds")]
    pub resume: Option<String>,
    /// Compare each stack with itself at this revision or in this folder, and with no snapshot: the same as `lab compare`
    #[arg(long, value_name = "REVISION", conflicts_with = "accept_new")]
    pub against_rev: Option<String>,
    /// With --against-rev: compare with the best common ancestor of the revision and HEAD
    #[arg(long, requires = "against_rev")]
    pub merge_base: bool,
}

/// As in scenario files.
const MAX_BLOCKS: u32 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundsArg {
    Blocks(NonZeroU32),
    /// Until everything is decided, at most until the last look.
    Auto,
}

impl FromStr for RoundsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<RoundsArg, String> {
        let accepted = |blocks: &NonZeroU32| blocks.get() <= MAX_BLOCKS;
        let blocks = || text.parse().ok().filter(accepted).map(RoundsArg::Blocks);
        let known = if text == "auto" { Some(RoundsArg::Auto) } else { blocks() };
        known.ok_or_else(|| format!("accepted: `auto`, or a number of blocks from 1 to {MAX_BLOCKS}"))
    }
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

/// `lab diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    /// Stacks; the first is compared with each of the others [default: all, the reference with each of the others]
    #[arg(value_name = "STACK")]
    pub stacks: Vec<String>,
    /// Request this path instead of the scenario's checks; may be given several times
    #[arg(long, value_name = "PATH", value_parser = request_path)]
    pub path: Vec<String>,
    /// Print the differences as JSON
    #[arg(long)]
    pub json: bool,
    /// Exit with 4 if there is a difference
    #[arg(long)]
    pub exit_code: bool,
    /// Run every stack with this backend, regardless of the scenario
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<BackendArg>,
    #[command(flatten)]
    pub kinds: KindsArgs,
}

impl DiffArgs {
    #[must_use]
    pub fn selection(&self) -> ScenarioArgs {
        let (only, backend, kinds) = (self.stacks.clone(), self.backend, self.kinds.clone());
        let stacks = StackArgs { only, skip: Vec::new(), backend, kinds };
        ScenarioArgs { scenario: self.scenario.clone(), stacks }
    }
}

/// A path as sent: it starts with a slash and has no character that would end the request line.
fn request_path(text: &str) -> Result<String, String> {
    let is_valid = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    let accepted = "a path starts with `/`, and is percent-encoded where it is not printable ASCII";
    if is_valid { Ok(text.to_owned()) } else { Err(accepted.to_owned()) }
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

/// `lab provision`.
#[derive(Debug, Args)]
pub struct ProvisionArgs {
    /// Scenarios (files), whose stacks' kinds and applications are provisioned, and kinds by name; `all` for every kind
    #[arg(value_name = "SCENARIO.toml|KIND", required = true)]
    pub what: Vec<String>,
    /// Of the scenarios, only what this stack needs; may be given several times
    #[arg(long, value_name = "STACK", conflicts_with = "relock")]
    pub only: Vec<String>,
    #[command(flatten)]
    pub kinds: KindsArgs,
    /// Only rewrite the lock files of these kinds; needs uv and --kinds
    #[arg(long, requires = "kinds")]
    pub relock: bool,
}

/// `lab snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    #[command(subcommand)]
    pub action: SnapshotAction,
}

#[derive(Debug, Subcommand)]
pub enum SnapshotAction {
    /// Decide on each pending snapshot in turn: accept, reject or skip it
    Review(SnapshotTarget),
    /// Show the pending snapshots whole
    Show(SnapshotTarget),
    /// Show the differences between pending and committed snapshots
    Diff(SnapshotTarget),
    /// Commit pending snapshots, and add their sessions to the history
    Accept(SnapshotTarget),
    /// Remove pending snapshots
    Reject(SnapshotTarget),
}

#[derive(Debug, Args)]
pub struct SnapshotTarget {
    /// Only these: `default` for a scenario's exact facts, `default.ratios` for its ratios; to accept `default` is to accept
    /// both [default: all pending ones]
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
    /// Print what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Also remove objects of runs whose process is invisible here, such as one in another container
    #[arg(long)]
    pub all: bool,
    /// Also remove all but the last N runs of each scenario in `reports/`, and compress the logs of the others
    #[arg(long, value_name = "N")]
    pub keep: Option<NonZeroU32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selection_is_kept_in_the_command_that_continues() {
        let options = ["--only", "direct", "--only", "proxied", "--skip", "other", "--backend", "container"];
        let line = ["lab", "run", "mine.toml"].into_iter().chain(options);
        let Command::Run(run) = Cli::try_parse_from(line).unwrap().command else { panic!("another command") };
        assert_eq!(run.scenario.stacks.options(), format!(" {}", options.join(" ")));
        assert!(!run.scenario.stacks.is_all());
        assert_eq!(StackArgs::all(run.scenario.stacks.kinds).options(), "");
    }
}
