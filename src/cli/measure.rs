//! The options of the commands that measure: `lab run` and `lab compare`.

use std::num::NonZeroU32;
use std::str::FromStr;

use clap::Args;

/// How much is measured, and how the gate judges it.
#[derive(Debug, Clone, Args)]
pub struct MeasureArgs {
    /// Exit with 4 if a fact has changed, a metric is worse by more than its margin, or a limit is exceeded
    #[arg(long)]
    pub gate: bool,
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
