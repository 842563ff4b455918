//! What a scenario's stacks need to be installed on this machine.

use crate::catalog;
use crate::catalog::kind::Interface;
use crate::provision::{self, AppPackages, Installed, RequiredKind, RequirementsError, ToolPaths};
use crate::scenario::model::{App, PythonApp, Scenario, Stack};

/// Finds the kinds of a scenario on this machine. Kinds that run from an image are not looked for.
///
/// # Errors
/// [`RequirementsError`].
pub fn find_installed(scenario: &Scenario, tools: &ToolPaths) -> Result<Installed, RequirementsError> {
    let mut installed = Installed::default();
    for_each_required(scenario, &mut |required| {
        let stack = scenario.stacks.iter().find(|stack| stack.name == required.deployment);
        match stack.and_then(Stack::earlier_lab) {
            Some(lab) => installed.probe(required, &ToolPaths { lab: lab.to_owned(), ..tools.clone() }),
            None => installed.probe(required, tools),
        }
    })?;
    Ok(installed)
}

/// Passes each kind that a stack of the scenario runs on this machine, rather than from an image, to `visit`.
///
/// # Errors
/// [`RequirementsError`].
pub fn for_each_required(
    scenario: &Scenario,
    visit: &mut dyn FnMut(RequiredKind<'_>),
) -> Result<(), RequirementsError> {
    for stack in &scenario.stacks {
        // A server in an image brings its own environment.
        if stack.server_image().is_none() {
            let packages = match stack.app {
                Interface::Wsgi | Interface::Asgi => packages(&stack.apps)?,
                Interface::Native => AppPackages::None,
            };
            let (kind, app) = (stack.server.kind.kind(), Some(stack.app));
            visit(RequiredKind { deployment: &stack.name, kind, app, packages: &packages });
        }
        if let Some(proxy) = stack.proxy.as_ref().filter(|_| stack.proxy_image().is_none()) {
            let kind = proxy.kind.kind();
            visit(RequiredKind { deployment: &stack.name, kind, app: None, packages: &AppPackages::None });
        }
    }
    Ok(())
}

/// The packages of a Python application.
fn packages(apps: &App) -> Result<AppPackages, RequirementsError> {
    match apps.python() {
        Some(PythonApp { venv: Some(venv), .. }) => Ok(AppPackages::Venv(venv.clone())),
        Some(PythonApp { requirements: Some(file), .. }) => {
            provision::read_requirements(file).map(AppPackages::from_requirements)
        }
        Some(PythonApp { path: None, module, .. }) => {
            Ok(AppPackages::from_requirements(catalog::app_requirements(module).unwrap_or_default().to_owned()))
        }
        _ => Ok(AppPackages::None),
    }
}
