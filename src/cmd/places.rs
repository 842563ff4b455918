//! Where kinds are looked for and environments kept, from the command line and the environment.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::catalog;
use crate::catalog::kind::Interface;
use crate::cli::KindsArgs;
use crate::provision::{Installed, Python, ToolPaths};
use crate::scenario::model::{Scenario, WsgiApp};

/// The places that the command line names, or their defaults.
pub(super) fn places(args: &KindsArgs) -> anyhow::Result<ToolPaths> {
    let cache = match (&args.cache, std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _, _) => cache.clone(),
        (None, Some(cache), _) if !cache.is_empty() => PathBuf::from(cache).join("lab"),
        (None, _, Some(home)) => PathBuf::from(home).join(".cache/lab"),
        (None, _, None) => anyhow::bail!("there is no home folder to keep environments in: give --cache"),
    };
    Ok(ToolPaths {
        lab: std::env::current_exe().context("find the lab binary")?,
        cache: std::path::absolute(&cache).with_context(|| format!("find {}", cache.display()))?,
        python: Python::find(args.python.as_deref()),
    })
}

/// What a scenario's kinds are on this machine.
pub(super) fn installed(scenario: &Scenario, places: &ToolPaths) -> anyhow::Result<Installed> {
    let requirements = requirements(scenario)?;
    let mut installed = Installed::default();
    for stack in &scenario.stacks {
        // What is in an image is not looked for on this machine.
        if stack.server_image().is_none() {
            installed.probe(stack.server.kind.kind(), Some(stack.app), needed(stack.app, &requirements), places);
        }
        if let Some(proxy) = stack.proxy.as_ref().filter(|_| stack.proxy_image().is_none()) {
            installed.probe(proxy.kind.kind(), None, "", places);
        }
    }
    Ok(installed)
}

/// What an app of that interface needs of pip.
pub(super) fn needed(app: Interface, requirements: &str) -> &str {
    match app {
        Interface::Wsgi => requirements,
        Interface::Native => "",
    }
}

/// What a scenario's WSGI application needs of pip; empty where it needs nothing, or there is none.
pub(super) fn requirements(scenario: &Scenario) -> anyhow::Result<String> {
    match &scenario.app.wsgi {
        Some(WsgiApp { requirements: Some(file), .. }) => {
            std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))
        }
        Some(WsgiApp { path: None, module, .. }) => {
            Ok(catalog::app_requirements(module).unwrap_or_default().to_owned())
        }
        _ => Ok(String::new()),
    }
}
