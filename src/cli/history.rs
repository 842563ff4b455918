//! The command line of `lab history`.

use std::path::PathBuf;

use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  lab history default                                    how every metric developed, and where its level changed
  lab history scenarios/shop.toml --metric cpu_per_request --stack production
  lab history shop --bisect                              the commands that find the commit of each change

A run of a whole scenario becomes part of the history with `lab snapshot accept`: a line of reports/history/SCENARIO.jsonl,
which is committed. Machines are shown apart, because figures of two machines cannot be compared.
The exit code is 0 whatever has changed: a trend is for triage, and `lab compare` decides.";

/// `lab history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// A scenario's name, or its file
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,
    /// Only this load; may be given several times
    #[arg(long, value_name = "LOAD")]
    pub load: Vec<String>,
    /// Only this stack; may be given several times
    #[arg(long, value_name = "STACK")]
    pub stack: Vec<String>,
    /// Only this metric; may be given several times
    #[arg(long, value_name = "METRIC")]
    pub metric: Vec<String>,
    /// Only this machine, by its fingerprint; may be given several times
    #[arg(long, value_name = "FINGERPRINT")]
    pub machine: Vec<String>,
    /// Print the commands that find the commit of each change, instead of the trends
    #[arg(long)]
    pub bisect: bool,
    /// Print the sessions as JSON
    #[arg(long, conflicts_with = "bisect")]
    pub json: bool,
    /// The folder of reports
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub reports: PathBuf,
}
