//! The command line of `lab provision`.

use clap::Args;

use super::KindsArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  lab provision scenarios/pong.toml        what this scenario's stacks need
  lab provision waitress bjoern            two kinds by name
  lab provision all --python python3.13    every kind, on another Python
  lab provision gunicorn --relock --kinds fixtures

Failures are reported and their logs kept, and the other kinds are still provisioned. An interrupted run can be
repeated and continues. Debian packages are only named: install them yourself.";

/// `lab provision`.
#[derive(Debug, Args)]
pub struct ProvisionArgs {
    /// Scenarios (files), whose stacks' kinds and applications are provisioned, and kinds by name; `all` for every kind
    #[arg(value_name = "SCENARIO.toml|KIND", required = true)]
    pub what: Vec<String>,
    /// Of the scenarios, only what this stack needs; may be given several times
    #[arg(long, value_name = "STACK", conflicts_with = "relock")]
    pub only: Vec<String>,
    #[command(flatten)]
    pub kinds: KindsArgs,
    /// Only rewrite the lock files of these kinds; needs uv and --kinds
    #[arg(long, requires = "kinds")]
    pub relock: bool,
}
