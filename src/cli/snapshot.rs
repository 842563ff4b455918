//! The command line of `lab snapshot`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
