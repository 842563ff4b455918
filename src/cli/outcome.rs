//! The options that write the outcome of a run for programs: CI systems, bots, dashboards.

use std::path::PathBuf;

use clap::Args;

/// Where the outcome of a run goes, beside standard output.
#[derive(Debug, Clone, Default, Args)]
pub struct OutcomeArgs {
    /// Write the outcome to this file as JUnit XML, for a CI system: each check, each load, and each verdict of the gate
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// In a step of GitHub Actions: write the job summary, and annotate the lines of failed checks and margins
    #[arg(long)]
    pub github: bool,
    /// Write a summary to this file as markdown: the text of a comment that a bot keeps up to date
    #[arg(long, value_name = "FILE")]
    pub comment: Option<PathBuf>,
    /// Write every event to this file while the run goes on, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
}
