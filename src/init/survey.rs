//! Looks for the parts of a deployment in a folder.

mod application;
mod containers;
mod launch;
mod machine_folders;
mod manifests;
mod packages;
mod proxy;
mod required;
mod server;
mod services;
mod setup;
mod upstream;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::deployment::Deployment;
use super::python;
use super::scenario_text::load_refusal;

/// How deep parts of a deployment lie.
const MAX_DEPTH: usize = 4;
/// More files than a project has outside its environments.
const MAX_FILES: usize = 4000;
/// More Python files than are worth reading for a first scenario.
const MAX_MODULES: usize = 400;
/// Larger files are data.
const MAX_BYTES: u64 = 4 << 20;
/// Folders without parts of a deployment.
const SKIPPED: [&str; 6] = ["node_modules", "__pycache__", "reports", "site-packages", "tests", "test"];

/// Why a folder cannot be surveyed.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("no such file: {}", .0.display())]
    Missing(PathBuf),
    #[error("{} is not in {}: a scenario names files of its own folder", file.display(), folder.display())]
    Elsewhere { file: PathBuf, folder: PathBuf },
}

/// Looks at the files of `folder`, which is absolute. `named` files come before all others; `python` reads Python files,
/// and may be missing.
///
/// # Errors
/// The folder cannot be read, or a named file is not in it.
pub fn survey(folder: &Path, named: &[PathBuf], python: Result<PathBuf, String>) -> Result<Deployment, SurveyError> {
    let files = files(folder, named)?;
    let mut deployment = Deployment { name: slug(folder), folder: folder.to_owned(), ..Deployment::default() };
    let is_python = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "py");
    let python_files: Vec<PathBuf> = files.iter().filter(is_python).take(MAX_MODULES).cloned().collect();
    let modules = python.and_then(|python| python::inspect(&python, folder, &python_files)).unwrap_or_else(|reason| {
        deployment.missing.push(format!("Python, to read the application's files: {reason}"));
        BTreeMap::new()
    });
    for (file, reason) in modules.iter().filter_map(|(file, module)| Some((file, module.error.as_ref()?))) {
        deployment.missing.push(format!("{}:{reason}", file.display()));
    }
    manifests::name_charts(&files, &mut deployment);
    proxy::find(&files, named, &mut deployment);
    let launch = launch::find(&files, &files[..named.len()], &modules, &mut deployment);
    if let Some(launch) = &launch {
        upstream::mark_others(launch, &mut deployment);
    }
    server::find(&files, launch.as_ref(), &modules, &mut deployment);
    application::find(&files, launch.as_ref(), &modules, &mut deployment);
    server::choose_for_asgi(launch.is_some(), &mut deployment);
    server::name_interface(&mut deployment);
    packages::find(&mut deployment);
    packages::find_variables(launch.as_ref(), &mut deployment);
    services::find(&files, &mut deployment);
    // It depends on the services.
    setup::find(&files, launch.as_ref(), &modules, &mut deployment);
    required::find(&files, &modules, &mut deployment);
    if let Some(reason) = load_refusal(&deployment) {
        deployment.missing.push(format!("a load: {reason}"));
    }
    Ok(deployment)
}

/// The files below `folder`, relative to it: the named ones, then the others by depth and name.
fn files(folder: &Path, named: &[PathBuf]) -> Result<Vec<PathBuf>, SurveyError> {
    let mut files = Vec::new();
    for file in named {
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        if !absolute.is_file() {
            return Err(SurveyError::Missing(file.clone()));
        }
        let inside = absolute
            .strip_prefix(folder)
            .map_err(|_| SurveyError::Elsewhere { file: file.clone(), folder: folder.to_owned() })?;
        files.push(inside.to_owned());
    }
    let mut level = vec![PathBuf::new()];
    for _ in 0..=MAX_DEPTH {
        let mut next = Vec::new();
        for inner in level {
            let path = folder.join(&inner);
            let mut entries: Vec<PathBuf> = fs::read_dir(&path)
                .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
                .map_err(|source| SurveyError::Unreadable { path: path.clone(), source })?;
            entries.sort();
            for entry in entries {
                let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let inside = inner.join(name);
                if entry.is_dir() {
                    let is_skipped = name.starts_with('.') || SKIPPED.contains(&name);
                    if !is_skipped && !entry.join("pyvenv.cfg").is_file() && fs::read_dir(&entry).is_ok() {
                        next.push(inside);
                    }
                } else if !files.contains(&inside) && files.len() < MAX_FILES {
                    files.push(inside);
                }
            }
        }
        level = next;
    }
    Ok(files)
}

/// A name for the scenario, after the folder's.
fn slug(folder: &Path) -> String {
    let name = folder.file_name().map_or(String::new(), |name| name.to_string_lossy().to_lowercase());
    let kept: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = kept.split('-').filter(|word| !word.is_empty()).collect();
    // Names that `reports/` has for other things.
    match words.join("-") {
        name if name.is_empty() || ["snapshots", "calibration", "revisions"].contains(&name.as_str()) => {
            "site".to_owned()
        }
        name => name,
    }
}

/// Whether one of the folders above a file has this name.
fn within(file: &Path, folder: &str) -> bool {
    file.parent().is_some_and(|parent| parent.components().any(|part| part.as_os_str() == folder))
}

fn text_of(deployment: &Deployment, file: &Path) -> Option<String> {
    let path = deployment.folder.join(file);
    let is_small = fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= MAX_BYTES);
    // Comments may have another encoding.
    is_small.then(|| lab_nginx_conf::decode(fs::read(path).ok()?).ok()).flatten()
}
