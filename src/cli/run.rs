//! The command line of `lab run`.

use clap::Args;

use super::{MeasureArgs, OutcomeArgs, OutputArgs, ScenarioArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  lab run scenarios/default.toml
  lab run scenarios/default.toml --gate --accept-new  the first run, which commits the snapshot
  lab run scenarios/default.toml --gate --quiet       what CI runs
  lab run scenarios/default.toml --open               show the page of the run in a browser
  lab run scenarios/default.toml --serve              the page while the run goes on, at an address that is printed
  lab run scenarios/default.toml --watch              check again whenever a file changes
  lab run scenarios/default.toml --rounds 20          narrower intervals, more time
  lab run scenarios/default.toml --rounds auto        until every gated metric is decided
  lab run scenarios/default.toml --resume 20261124T101500Z-4711
  lab run scenarios/default.toml --backend container  every component in a container
  lab run scenarios/default.toml --only proxied --json | jq .estimates

The record is written to reports/<scenario>/<run>/record.json, a page of it to report.html beside it, and reports/<scenario>/latest leads to the newest.
A difference from the reviewed snapshot is stored beside it as .snap.new: see `lab snapshot`.";

/// Replaces the help of `--gate` where a run is compared with its snapshots.
const GATE_HELP: &str = "Exit with 4 if an exact fact differs from the snapshot, a metric is worse by more than its margin, or \
                         there is no snapshot. Compares the whole scenario, so it goes with no --only, --skip or --backend";

/// `lab run`.
#[derive(Debug, Args)]
#[command(mut_arg("gate", |gate| gate.help(GATE_HELP).conflicts_with_all(["only", "skip", "backend"])))]
pub struct RunArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub outcome: OutcomeArgs,
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// With --gate: commit the snapshots that do not exist yet, instead of failing for them; for the first run
    #[arg(long, requires = "gate")]
    pub accept_new: bool,
    /// Serve the page of the run on a port of the loopback address while the run goes on
    #[arg(long, conflicts_with = "against_rev")]
    pub serve: bool,
    /// Run the checks, and again whenever the scenario, a configuration or the application changes; no load
    #[arg(long, conflicts_with_all = ["gate", "rounds", "quick", "resume", "open", "serve", "against_rev", "json", "junit", "github", "comment", "events"])]
    pub watch: bool,
    /// Compare each stack with itself at this revision or in this folder, and with no snapshot: the same as `lab compare`
    #[arg(long, value_name = "REVISION", conflicts_with = "accept_new")]
    pub against_rev: Option<String>,
    /// With --against-rev: compare with the best common ancestor of the revision and HEAD
    #[arg(long, requires = "against_rev")]
    pub merge_base: bool,
}
