//! The inputs of a run: every file that its stacks are made from, beside the scenario file itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::catalog;
use crate::catalog::kind::Language;
use crate::scenario::model::{Image, Proxy, Scenario, WsgiApp};
use lab_nginx_conf::SourceFile;

/// An input that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read {}", file.display())]
pub struct InputError {
    file: PathBuf,
    source: io::Error,
}

/// The name and content of each input.
///
/// # Errors
/// [`InputError`].
pub(super) fn inputs(scenario: &Scenario) -> Result<Vec<(String, Vec<u8>)>, InputError> {
    let mut inputs = kinds(scenario);
    for file in files(scenario) {
        inputs.push((relative(scenario, &file), read(&file)?));
    }
    let proxies = scenario.stacks.iter().filter_map(|stack| stack.proxy.as_ref());
    let includes = proxies.flat_map(nginx_includes);
    inputs.extend(includes.map(|source| (relative(scenario, &source.file), source.text.into_bytes())));
    if let Some(app) = scenario.app.wsgi() {
        inputs.push((format!("app {}", app.module), app_source(app)?));
    }
    Ok(inputs)
}

/// `path` relative to the scenario's root where it lies within.
pub(super) fn relative(scenario: &Scenario, path: &Path) -> String {
    path.strip_prefix(&scenario.root).unwrap_or(path).display().to_string()
}

fn kinds(scenario: &Scenario) -> Vec<(String, Vec<u8>)> {
    let stacks = scenario.stacks.iter();
    let kinds = stacks.flat_map(|stack| stack.proxy.iter().map(|proxy| &proxy.kind).chain([&stack.server.kind]));
    kinds
        .map(|kind| {
            let kind = kind.kind();
            (format!("{} kind {}", kind.role, kind.name), kind.sha256.clone().into_bytes())
        })
        .collect()
}

/// Configuration files, Dockerfiles and requirements. The other files of an image's folder are not tracked.
fn files(scenario: &Scenario) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for stack in &scenario.stacks {
        let proxy = stack.proxy.as_ref().and_then(|proxy| proxy.config.clone());
        files.extend(proxy.into_iter().chain(stack.server.config.clone()));
    }
    for stack in &scenario.stacks {
        let images = stack.proxy_image().into_iter().chain(stack.server_image());
        files.extend(images.filter_map(|image| match image {
            Image::Built(folder) => Some(folder.join("Dockerfile")),
            Image::Named(_) => None,
        }));
    }
    files.extend(scenario.app.wsgi().and_then(|app| app.requirements.clone()));
    files
}

/// The files that a proxy's nginx.conf includes. One that cannot be read was refused when the scenario was loaded.
fn nginx_includes(proxy: &Proxy) -> Vec<SourceFile> {
    let is_nginx = proxy.kind.kind().run.as_ref().is_ok_and(|run| run.language == Language::Nginx);
    let config = proxy.config.as_deref().filter(|_| is_nginx);
    config
        .and_then(|config| lab_nginx_conf::load(config).ok())
        .map_or_else(Vec::new, |loaded| loaded.sources.into_iter().skip(1).collect())
}

/// The source of the application's module. The other modules of its package are not tracked.
fn app_source(app: &WsgiApp) -> Result<Vec<u8>, InputError> {
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
