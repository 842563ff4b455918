//! The scenario of a command, the stacks it selects, and the places of kinds and environments.

use std::path::PathBuf;

use clap::{Args, ValueEnum as _};

/// A scenario and a selection of its stacks.
#[derive(Debug, Clone, Args)]
pub struct ScenarioArgs {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    #[command(flatten)]
    pub stacks: StackArgs,
}

/// A selection of stacks, and how they run.
#[derive(Debug, Clone, Args)]
pub struct StackArgs {
    /// Only this stack; may be given several times
    #[arg(long, value_name = "STACK")]
    pub only: Vec<String>,
    /// Not this stack; may be given several times
    #[arg(long, value_name = "STACK")]
    pub skip: Vec<String>,
    /// How to run every stack; overrides the scenario
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<BackendArg>,
    /// The Docker context of a manager, for stacks in a swarm [default: the docker command's]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    #[command(flatten)]
    pub kinds: KindsArgs,
}

impl StackArgs {
    /// All stacks, as the scenario runs them.
    #[must_use]
    pub fn all(kinds: KindsArgs) -> StackArgs {
        StackArgs { only: Vec::new(), skip: Vec::new(), backend: None, context: None, kinds }
    }

    /// Whether these are all stacks, as the scenario runs them.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty() && self.backend.is_none()
    }

    /// The same selection as options of a command line, each with a space before it.
    #[must_use]
    pub fn options(&self) -> String {
        let only = self.only.iter().map(|stack| format!(" --only {stack}"));
        let skip = self.skip.iter().map(|stack| format!(" --skip {stack}"));
        let backend = self.backend.and_then(|backend| Some(backend.to_possible_value()?.get_name().to_owned()));
        let context = self.context.iter().map(|name| format!(" --context {name}"));
        only.chain(skip).chain(backend.map(|name| format!(" --backend {name}"))).chain(context).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BackendArg {
    /// As subprocesses of lab
    Process,
    /// Each in a container
    Container,
    /// As services of a swarm
    Swarm,
}

/// The locations of kinds and environments.
#[derive(Debug, Clone, Args)]
pub struct KindsArgs {
    /// A folder of kinds, searched before the scenario's own and lab's: *.toml in it, in servers/ and in proxies/
    #[arg(long, value_name = "FOLDER", env = "LAB_KINDS", hide_env_values = true)]
    pub kinds: Option<PathBuf>,
    /// The folder of virtual environments [default: lab in $XDG_CACHE_HOME or in ~/.cache]
    #[arg(long, value_name = "FOLDER", env = "LAB_CACHE", hide_env_values = true)]
    pub cache: Option<PathBuf>,
    /// The Python of virtual environments [default: python3]
    #[arg(long, value_name = "PYTHON", env = "LAB_PYTHON", hide_env_values = true)]
    pub python: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command};
    use super::*;

    #[test]
    fn selection_is_kept_in_the_command_that_continues() {
        let options =
            ["--only", "direct", "--only", "proxied", "--skip", "other", "--backend", "swarm", "--context", "lab"];
        let line = ["lab", "run", "mine.toml"].into_iter().chain(options);
        let Command::Run(run) = Cli::try_parse_from(line).unwrap().command else { panic!("another command") };
        assert_eq!(run.scenario.stacks.options(), format!(" {}", options.join(" ")));
        assert!(!run.scenario.stacks.is_all());
        assert_eq!(StackArgs::all(run.scenario.stacks.kinds).options(), "");
    }
}
