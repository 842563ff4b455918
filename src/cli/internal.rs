//! The hidden subcommands that lab starts itself.

use std::path::PathBuf;

use clap::Args;

/// `lab guard`, for lab's own use.
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// Cores that the program may use
    #[arg(long, value_delimiter = ',')]
    pub cores: Vec<u16>,
    /// Milliseconds between SIGTERM and SIGKILL
    #[arg(long, default_value = "1000")]
    pub grace_ms: u64,
    /// The program's standard input
    #[arg(long)]
    pub input: Option<PathBuf>,
    /// Replace this process by the program, and kill it when this parent ends
    #[arg(long, value_name = "PARENT")]
    pub exec: Option<u32>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub program: Vec<String>,
}

/// `lab keep`, for lab's own use.
#[derive(Debug, Args)]
pub struct KeepArgs {
    /// The container to run
    #[arg(value_name = "ORDER.json")]
    pub order: PathBuf,
}

/// `lab reap`, for lab's own use.
#[derive(Debug, Args)]
pub struct ReapArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// `lab snapshot-assert`, for lab's own use.
#[derive(Debug, Args)]
pub struct SnapshotAssertArgs {
    /// The folder of the snapshots
    pub folder: PathBuf,
    /// The snapshot's name
    #[arg(long)]
    pub name: String,
    /// One line for the snapshot's head
    #[arg(long)]
    pub description: String,
}
