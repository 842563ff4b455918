//! The inputs of a run: every file that its stacks are made from, beside the scenario file itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::catalog;
use crate::catalog::kind::Language;
use crate::scenario::model::{Image, Proxy, PythonApp, Scenario, Stack, StackVersion};
use lab_nginx_conf::{SourceFile, load_nearby, read_source};

/// An input that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read {}", file.display())]
pub struct InputError {
    file: PathBuf,
    source: io::Error,
}

/// The name and content of each input. The names of an earlier version's inputs start with `base: `.
///
/// # Errors
/// [`InputError`].
pub(super) fn inputs(scenario: &Scenario) -> Result<Vec<(String, Vec<u8>)>, InputError> {
    let mut inputs: Vec<(String, Vec<u8>)> = Vec::new();
    if let Some(lab) = scenario.stacks.iter().find_map(Stack::earlier_lab) {
        inputs.push(("base: lab".to_owned(), read(lab)?));
    }
    for stack in &scenario.stacks {
        let (root, prefix) = match &stack.version {
            Some(StackVersion::Base { root, .. }) => (root.as_path(), "base: "),
            _ => (scenario.root.as_path(), ""),
        };
        let name = |file: &Path| format!("{prefix}{}", relative_to(root, file));
        inputs.extend(kinds(stack).map(|(name, sha256)| (format!("{prefix}{name}"), sha256)));
        for file in files(stack) {
            inputs.push((name(&file), read(&file)?));
        }
        let includes = stack.proxy.iter().flat_map(nginx_includes);
        inputs.extend(includes.map(|source| (name(&source.file), source.text.into_bytes())));
    }
    for stack in &scenario.stacks {
        let prefix = if stack.is_base() { "base: " } else { "" };
        if let Some(app) = stack.apps.python() {
            let name = format!("{prefix}app {}", app.module);
            if !inputs.iter().any(|(known, _)| *known == name) {
                inputs.push((name, app_source(app)?));
            }
        }
    }
    Ok(inputs)
}

/// `path` relative to the scenario's root where it lies within.
pub(super) fn relative(scenario: &Scenario, path: &Path) -> String {
    relative_to(&scenario.root, path)
}

fn relative_to(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn kinds(stack: &Stack) -> impl Iterator<Item = (String, Vec<u8>)> {
    let kinds = stack.proxy.iter().map(|proxy| &proxy.kind).chain([&stack.server.kind]);
    kinds.map(|kind| {
        let kind = kind.kind();
        (format!("{} kind {}", kind.role, kind.name), kind.sha256.clone().into_bytes())
    })
}

/// Configuration files, Dockerfiles and requirements. The other files of an image's folder are not tracked.
fn files(stack: &Stack) -> Vec<PathBuf> {
    let proxy = stack.proxy.as_ref().and_then(|proxy| proxy.config.clone());
    let mut files: Vec<PathBuf> = proxy.into_iter().chain(stack.server.config.clone()).collect();
    let images = stack.proxy_image().into_iter().chain(stack.server_image());
    files.extend(images.filter_map(|image| match image {
        Image::Built(folder) => Some(folder.join("Dockerfile")),
        Image::Named(_) => None,
    }));
    files.extend(stack.apps.python().and_then(|app| app.requirements.clone()));
    files
}

/// The files that a proxy's nginx.conf includes. One that cannot be read was refused when the scenario was loaded.
fn nginx_includes(proxy: &Proxy) -> Vec<SourceFile> {
    let is_nginx = proxy.kind.kind().run.as_ref().is_ok_and(|run| run.language == Language::Nginx);
    let config = proxy.config.as_deref().filter(|_| is_nginx);
    config
        .and_then(|config| load_nearby(config, config.parent()?, &mut read_source).ok())
        .map_or_else(Vec::new, |loaded| loaded.sources.into_iter().skip(1).collect())
}

/// The source of the application's module. The other modules of its package are not tracked.
fn app_source(app: &PythonApp) -> Result<Vec<u8>, InputError> {
    let Some(path) = &app.path else {
        return Ok(catalog::app(&app.module).unwrap_or_default().as_bytes().to_vec());
    };
    let module = app.module.replace('.', "/");
    let file = path.join(format!("{module}.py"));
    read(&if file.is_file() { file } else { path.join(module).join("__init__.py") })
}

fn read(file: &Path) -> Result<Vec<u8>, InputError> {
    fs::read(file).map_err(|source| InputError { file: file.to_owned(), source })
}
