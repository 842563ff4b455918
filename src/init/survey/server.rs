//! Looks for the settings of the app server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::deployment::{Deployment, ServerCommand};
use super::super::launch_files::Launch;
use super::super::python::Module;

/// The worker class of lab's variant `gunicorn/uvicorn`.
const UVICORN_WORKER: &str = "uvicorn.workers.UvicornWorker";

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
    // A gunicorn that is started without one reads only the file of this name.
    let is_default = |file: &&PathBuf| match launch {
        Some(_) => file.ends_with("gunicorn.conf.py"),
        None => is_gunicorn_config(file),
    };
    let config = files.iter().find(is_named).or_else(|| files.iter().filter(|_| named.is_none()).find(is_default));
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
        // nginx speaks uWSGI's own protocol to it.
        ("uwsgi", _) if deployment.nginx.as_ref().is_some_and(|nginx| nginx.speaks_uwsgi) => Some("socket"),
        _ => None,
    };
    let workers = command.and_then(|command| command.workers);
    deployment.server = Some(ServerCommand {
        kind: variant.map_or(kind.to_owned(), |variant| format!("{kind}/{variant}")),
        // A server that is started without a number has its own default.
        workers: workers.or_else(|| (launch.is_none() && config.is_none()).then_some(2)),
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
