//! The command line of `lab report`.

use std::path::PathBuf;

use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  lab report reports/default/latest                               the report of `lab run`
  lab report reports/default/latest --output page.html            a page that opens in a browser
  lab report one.json two.json.gz --output page.html              several runs side by side
  lab report reports/default/latest --format markdown
  lab report reports/default/latest --format svg --output chart.svg
  lab report reports/default/latest --format junit --output junit.xml
  lab report reports/default/latest --format record --output small.json.gz
  lab report second.json.gz --against first.json.gz --exit-code   do two runs agree?

Two runs agree if no two stacks differ in opposite directions, the rank ranges of each stack overlap, and no two medians of a
stack are further apart than --tolerance.
The exit code is 0 unless --exit-code is given, and 2 if lab cannot read the record.";

/// `lab report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// record.json, record.json.gz, or the folder of a run; several for a page with them side by side
    #[arg(value_name = "RECORD", required = true)]
    pub records: Vec<PathBuf>,
    /// The format of the output [default: html if the name of the output ends in .html, otherwise text]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<ReportFormat>,
    /// Only this load; may be given several times
    #[arg(long, value_name = "LOAD")]
    pub load: Vec<String>,
    /// Compare with this earlier record of the same scenario
    #[arg(long, value_name = "RECORD")]
    pub against: Option<PathBuf>,
    /// With --against: only this metric; may be given several times
    #[arg(long, value_name = "METRIC", requires = "against")]
    pub metric: Vec<String>,
    /// With --against: how far apart the two medians of a stack may be
    #[arg(long, value_name = "PERCENT", requires = "against", default_value = "50%", value_parser = percentage)]
    pub tolerance: f64,
    /// With --against: exit with 4 if the rankings or the medians disagree, and with 5 if they cannot be compared
    #[arg(long, requires = "against")]
    pub exit_code: bool,
    /// Write the output to this file, compressed if its name ends in .gz
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// The report of `lab run`
    Text,
    /// Tables for a README, the precautions of the run, and published figures
    Markdown,
    /// A page with charts, in one file that needs no network
    Html,
    /// A chart of throughput and CPU time per request
    Svg,
    /// JUnit XML, as `lab run --junit` writes it
    Junit,
    /// The record without histograms, curves and seconds: small enough to be committed
    Record,
}

/// A percentage as in scenario files, as a fraction.
fn percentage(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let percent = number.filter(|percent| percent.is_finite() && *percent > 0.0);
    percent.map(|percent| percent / 100.0).ok_or_else(|| "accepted: a percentage above zero, such as 50%".to_owned())
}
