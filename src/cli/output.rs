//! How a command that runs stacks prints.

use clap::Args;

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
