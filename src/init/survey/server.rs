//! Looks for the file that starts the app server, and for its settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::compose::compose;
use super::super::deployment::{Deployment, ServerCommand};
use super::super::launch_files::{self, Launch};
use super::super::python::Module;
use super::super::variables;
use super::services::{compose_variables, is_compose};
use super::text_of;

/// The worker class of lab's variant `gunicorn/uvicorn`.
const UVICORN_WORKER: &str = "uvicorn.workers.UvicornWorker";

/// The file that starts the server.
pub(super) fn find_launch(files: &[PathBuf], deployment: &mut Deployment) -> Option<Launch> {
    let ranked = |file: &PathBuf| -> Option<usize> {
        let name = file.file_name().and_then(|name| name.to_str())?;
        match name {
            "Procfile" => Some(0),
            name if name.ends_with(".service") => Some(1),
            _ if is_compose(file) => Some(2),
            name if name.starts_with("Dockerfile") => Some(3),
            name if name.ends_with(".sh") => Some(4),
            _ => None,
        }
    };
    let mut launches: Vec<(usize, &PathBuf)> = files.iter().filter_map(|file| Some((ranked(file)?, file))).collect();
    launches.sort_by_key(|(rank, _)| *rank);
    for (rank, file) in launches {
        let Some(text) = text_of(deployment, file) else { continue };
        let launch = match rank {
            0 => launch_files::procfile(&text),
            1 => launch_files::unit(&text),
            2 => match compose(&text) {
                Ok(launch) => launch.map(|launch| interpolated(launch, &compose_variables(file, deployment))),
                Err(error) => {
                    deployment.missing.push(format!("{} cannot be read: {error}", file.display()));
                    None
                }
            },
            3 => launch_files::dockerfile(&text),
            _ => launch_files::script(&text),
        };
        if let Some(launch) = launch {
            deployment.found.push(format!("{} started by {}:{}", launch.command.kind, file.display(), launch.line));
            return Some(launch);
        }
    }
    None
}

/// The launch with its variables' values as compose passes them.
fn interpolated(mut launch: Launch, known: &[(String, String)]) -> Launch {
    for (_, value) in &mut launch.variables {
        *value = variables::interpolated(value, known);
    }
    launch
}

/// Whether the file is named after gunicorn's configuration.
pub(super) fn is_gunicorn_config(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "gunicorn.conf.py" || (name.contains("gunicorn") && name.ends_with(".py"))
}

/// The server that the launch or a configuration describes; otherwise gunicorn is assumed.
pub(super) fn find(
    files: &[PathBuf],
    launch: Option<&Launch>,
    modules: &BTreeMap<PathBuf, Module>,
    deployment: &mut Deployment,
) {
    let command = launch.map(|launch| &launch.command);
    let kind = command.map_or("gunicorn", |command| command.kind);
    let named = command.and_then(|command| command.config.as_ref());
    let is_named = |file: &&PathBuf| named.is_some_and(|named| file.ends_with(named) || named.ends_with(file));
    let config = files.iter().find(is_named).or_else(|| files.iter().find(|file| is_gunicorn_config(file)));
    let config = config.filter(|_| kind == "gunicorn").cloned();
    if let (Some(named), None) = (named, &config) {
        deployment
            .missing
            .push(format!("the server's configuration {}, which its command line names", named.display()));
    }
    if let Some(config) = &config {
        deployment.found.push(format!("gunicorn's configuration: {}", config.display()));
    }
    let settings = config.as_ref().and_then(|config| modules.get(config)).map(|module| &module.settings);
    let class = command.and_then(|command| command.worker_class.clone());
    let class = class.or_else(|| Some(settings?.get("worker_class")?.value.clone()));
    let mut arguments = command.map(|command| command.arguments.clone()).unwrap_or_default();
    let variant = match (kind, class.as_deref()) {
        ("gunicorn", Some(class @ ("gthread" | "gevent" | "tornado" | "asgi"))) => Some(class),
        ("gunicorn", Some(class)) if class.contains("uvicorn") => {
            if class != UVICORN_WORKER {
                arguments.extend(["--worker-class".to_owned(), class.to_owned()]);
            }
            Some("uvicorn")
        }
        ("granian", _) if command.is_some_and(|command| command.is_asgi) => Some("asgi"),
        _ => None,
    };
    let workers = command.and_then(|command| command.workers);
    deployment.server = Some(ServerCommand {
        kind: variant.map_or(kind.to_owned(), |variant| format!("{kind}/{variant}")),
        workers: workers.or_else(|| config.is_none().then_some(2)),
        threads: command.and_then(|command| command.threads),
        arguments,
        config,
    });
}

/// Replaces gunicorn, which is assumed where no file starts a server, if the application is an ASGI one.
pub(super) fn choose_for_asgi(is_launched: bool, deployment: &mut Deployment) {
    let is_asgi = deployment.app.as_ref().is_some_and(|app| app.is_asgi);
    let Some(server) = deployment.server.as_mut().filter(|_| !is_launched) else { return };
    if is_asgi && server.kind == "gunicorn" {
        server.kind = if server.config.is_some() { "gunicorn/uvicorn" } else { "uvicorn" }.to_owned();
    }
    if server.config.is_none() {
        let assumed = if is_asgi { "uvicorn" } else { "gunicorn" };
        deployment.missing.push(format!(
            "how the application is started (Procfile, unit, compose file, Dockerfile, gunicorn.conf.py): \
             {assumed} with 2 workers is assumed"
        ));
    }
}
