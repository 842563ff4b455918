//! The command line of `lab run`.

use std::num::NonZeroU32;
use std::str::FromStr;

use clap::Args;

use super::{OutcomeArgs, OutputArgs, ScenarioArgs};

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
    /// Open the page of the run in a browser once it has ended
    #[arg(long)]
    pub open: bool,
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
