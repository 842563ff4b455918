//! Creates the virtual environments that a scenario's stacks lack. An earlier version may need one that was never provisioned.

use std::io::Write as _;

use crate::catalog::kind::{Install, Interface};
use crate::provision::{self, Environment, EnvironmentState, ToolPaths};
use crate::scenario::model::Scenario;
use crate::stack::prerequisites::for_each_required;

/// Creates them. A failure is printed here, and then reported for its stack like everything that is not installed.
pub(super) fn create(scenario: &Scenario, tools: &ToolPaths, is_quiet: bool) -> anyhow::Result<()> {
    let mut missing: Vec<(String, Environment)> = Vec::new();
    for_each_required(scenario, &mut |required| {
        let is_environment = matches!(required.kind.install, Install::Environment { .. });
        let is_brought = required.packages.environment_with(required.kind, required.app).is_some();
        if !is_environment
            || is_brought
            || required.app.is_none_or(|app| app == Interface::Native)
            || required.kind.run.is_err()
        {
            return;
        }
        // Without a Python, the stack is unavailable, and its row says why.
        let Ok(environment) = Environment::for_kind(required.kind, required.packages, tools) else { return };
        let is_known = missing.iter().any(|(_, known)| known.folder == environment.folder);
        if !is_known && environment.state() != EnvironmentState::Ready {
            missing.push((format!("{} of {}", required.kind.name, required.deployment), environment));
        }
    })?;
    for (what, environment) in missing {
        if !is_quiet {
            writeln!(anstream::stderr(), "creating the environment for {what}")?;
        }
        if let Err(error) = provision::provision(&environment, &mut |_| {}) {
            writeln!(anstream::stderr(), "lab: {what}: {:#}", anyhow::Error::new(error))?;
        }
    }
    Ok(())
}
