//! Reads the files whose lines annotations are about: the scenario, and the application's modules.

use std::path::{Path, PathBuf};

use super::github::GitHubStep;
use crate::report::view::annotations::SourceLines;
use crate::scenario::lines::ScenarioLines;
use crate::scenario::model::{PythonApp, Scenario, Stack};
use crate::scenario::routes::routes;

/// More modules than a site of one repository has; a folder with more is a mistake in `path`.
const MAX_MODULES: usize = 500;

/// How deep packages are searched.
const MAX_DEPTH: usize = 5;

/// What can be read; annotations do without the rest.
pub(super) fn source_lines(scenario: &Scenario, step: &GitHubStep) -> SourceLines {
    let text = std::fs::read_to_string(&scenario.file).unwrap_or_default();
    let mut modules = Vec::new();
    if let Some(PythonApp { path: Some(path), .. }) = scenario.app.python() {
        python_files(path, MAX_DEPTH, &mut modules);
    }
    let routes = modules.iter().flat_map(|file| {
        let shown = step.path(file);
        let source = std::fs::read_to_string(file).unwrap_or_default();
        routes(&source).into_iter().map(move |route| (shown.clone(), route))
    });
    SourceLines {
        scenario: step.path(&scenario.file),
        lines: ScenarioLines::read(&text),
        routes: routes.collect(),
        configurations: scenario
            .stacks
            .iter()
            .filter(|stack| !stack.is_base())
            .flat_map(configurations)
            .map(|file| (file_name(&file), step.path(&file)))
            .collect(),
    }
}

/// Components are started with copies of the same name.
fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn configurations(stack: &Stack) -> impl Iterator<Item = PathBuf> {
    let proxy = stack.proxy.iter().filter_map(|proxy| proxy.config.clone());
    proxy.chain(stack.server.config.clone())
}

/// The Python files below a folder, without virtual environments.
fn python_files(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let is_environment = folder.join("pyvenv.cfg").exists();
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.into_iter().filter(|_| !is_environment) {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_dir() && !path.is_symlink() && !is_hidden && depth > 0 {
            python_files(&path, depth - 1, found);
        } else if path.extension().is_some_and(|extension| extension == "py") && found.len() < MAX_MODULES {
            found.push(path);
        }
    }
}
