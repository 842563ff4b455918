//! The command line of `lab diff`.

use std::path::PathBuf;

use clap::Args;

use super::{BackendArg, KindsArgs, ScenarioArgs, StackArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  lab diff scenarios/default.toml direct proxied
  lab diff scenarios/default.toml --path /headers --path /no-such-page

Ports, dates and versions do not count as differences. The exit code is 0 unless --exit-code is given.";

/// `lab diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    /// Stacks; the first is compared with each of the others [default: all, the reference with each of the others]
    #[arg(value_name = "STACK")]
    pub stacks: Vec<String>,
    /// Request this path instead of the scenario's checks; may be given several times
    #[arg(long, value_name = "PATH", value_parser = request_path)]
    pub path: Vec<String>,
    /// Print the differences as JSON
    #[arg(long)]
    pub json: bool,
    /// Exit with 4 if there is a difference
    #[arg(long)]
    pub exit_code: bool,
    /// Run every stack with this backend, regardless of the scenario
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<BackendArg>,
    #[command(flatten)]
    pub kinds: KindsArgs,
}

impl DiffArgs {
    #[must_use]
    pub fn selection(&self) -> ScenarioArgs {
        let (only, backend, kinds) = (self.stacks.clone(), self.backend, self.kinds.clone());
        let stacks = StackArgs { only, skip: Vec::new(), backend, context: None, kinds };
        ScenarioArgs { scenario: self.scenario.clone(), stacks }
    }
}

/// A path as sent: it starts with a slash and has no character that would end the request line.
fn request_path(text: &str) -> Result<String, String> {
    let is_valid = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    let accepted = "a path starts with `/`, and is percent-encoded where it is not printable ASCII";
    if is_valid { Ok(text.to_owned()) } else { Err(accepted.to_owned()) }
}
