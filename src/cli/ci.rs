//! The command line of `lab ci`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `lab ci`.
#[derive(Debug, Args)]
pub struct CiArgs {
    #[command(subcommand)]
    pub action: CiAction,
}

#[derive(Debug, Subcommand)]
pub enum CiAction {
    /// Write a workflow that compares each pull request with its merge base, uploads the report, and keeps one comment up to
    /// date
    Init(CiInitArgs),
}

/// `lab ci init`.
#[derive(Debug, Args)]
pub struct CiInitArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    pub service: CiService,
    /// The scenario to compare [default: lab.toml, the only one in scenarios/, or scenarios/default.toml]
    #[arg(long, value_name = "SCENARIO.toml")]
    pub scenario: Option<PathBuf>,
    /// The shell command that installs lab [default: cargo install from the repository that the variable LAB_REPOSITORY of
    /// the service names]
    #[arg(long, value_name = "COMMAND")]
    pub install: Option<String>,
    /// Write to this file [default: .github/workflows/lab.yml or .gitlab-ci.yml]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CiService {
    /// GitHub Actions
    Github,
    /// GitLab CI/CD
    Gitlab,
}
