//! The command line of `lab report`.

use std::path::PathBuf;

use clap::Args;

/// What its help shows as examples.
pub(super) const EXAMPLES: &str = "\
Examples:
  lab report reports/default/latest                               as `lab run` printed it
  lab report reports/default/latest --format markdown
  lab report reports/default/latest --format svg --output chart.svg
  lab report reports/default/latest --format record --output small.json.gz
  lab report second.json.gz --against first.json.gz --exit-code   do two runs agree?

Two runs agree where no two stacks are told apart in opposite orders, and each one's places have some in common.
Exit code 0 whatever the record says, unless --exit-code is given; 2 for what is not a record that this lab reads.";

/// `lab report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// record.json, record.json.gz, or the folder of a run
    #[arg(value_name = "RECORD")]
    pub record: PathBuf,
    /// What to make of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
    /// Only this load; may be given several times
    #[arg(long, value_name = "LOAD")]
    pub load: Vec<String>,
    /// Compare with this earlier record of the same scenario
    #[arg(long, value_name = "RECORD")]
    pub against: Option<PathBuf>,
    /// With --against: only this metric; may be given several times
    #[arg(long, value_name = "METRIC", requires = "against")]
    pub metric: Vec<String>,
    /// With --against: exit with 4 when the places do not agree, and with 5 when too little is told to say so
    #[arg(long, requires = "against")]
    pub exit_code: bool,
    /// Write it to this file; compressed where its name ends in .gz
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What to make of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// The report of `lab run`
    Text,
    /// Tables for a README, what was guarded against, and published figures
    Markdown,
    /// A chart of throughput and CPU time per request
    Svg,
    /// The record without histograms, curves and seconds: small enough to be committed
    Record,
}
