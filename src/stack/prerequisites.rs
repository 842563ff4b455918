//! What a scenario's stacks need to be installed on this machine.

use std::io;
use std::path::PathBuf;

use crate::catalog;
use crate::catalog::kind::Interface;
use crate::provision::{Installed, ToolPaths};
use crate::scenario::model::{Scenario, WsgiApp};

/// A requirements file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read {}", file.display())]
pub struct RequirementsError {
    file: PathBuf,
    source: io::Error,
}

/// Finds the kinds of a scenario on this machine. Kinds that run from an image are not looked for.
///
/// # Errors
/// [`RequirementsError`].
pub fn find_installed(scenario: &Scenario, tools: &ToolPaths) -> Result<Installed, RequirementsError> {
    let requirements = requirements(scenario)?;
    let mut installed = Installed::default();
    for stack in &scenario.stacks {
        if stack.server_image().is_none() {
            let requirements = requirements_for(stack.app, &requirements);
            installed.probe(stack.server.kind.kind(), Some(stack.app), requirements, tools);
        }
        if let Some(proxy) = stack.proxy.as_ref().filter(|_| stack.proxy_image().is_none()) {
            installed.probe(proxy.kind.kind(), None, "", tools);
        }
    }
    Ok(installed)
}

/// The part of `requirements` that an app with this interface needs.
#[must_use]
pub fn requirements_for(interface: Interface, requirements: &str) -> &str {
    match interface {
        Interface::Wsgi => requirements,
        Interface::Native => "",
    }
}

/// The pip requirements of a scenario's WSGI application; empty if it has none.
///
/// # Errors
/// [`RequirementsError`].
pub fn requirements(scenario: &Scenario) -> Result<String, RequirementsError> {
    match scenario.app.wsgi() {
        Some(WsgiApp { requirements: Some(file), .. }) => {
            std::fs::read_to_string(file).map_err(|source| RequirementsError { file: file.clone(), source })
        }
        Some(WsgiApp { path: None, module, .. }) => {
            Ok(catalog::app_requirements(module).unwrap_or_default().to_owned())
        }
        _ => Ok(String::new()),
    }
}
