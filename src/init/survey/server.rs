//! Looks for the settings of the app server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::command_line;
use super::super::deployment::{Deployment, ServerCommand, SettingLine};
use super::super::launch_files::Launch;
use super::super::python::{Module, Setting};
use crate::lint::ServerAddress;

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
    let config = configuration(files, launch).cloned();
    if let (Some(named), None) = (named, &config) {
        deployment
            .missing
            .push(format!("the server's configuration {}, which its command line names", named.display()));
    }
    if let Some(config) = &config {
        deployment.found.push(format!("gunicorn's configuration: {}", config.display()));
    }
    let settings = config.as_ref().and_then(|config| modules.get(config)).map(|module| &module.settings);
    let given = command.and_then(|command| command.worker_class.clone()).filter(|_| kind == "gunicorn");
    let of_file = || Some(settings?.get("worker_class")?.value.clone());
    let class = given.clone().or_else(of_file);
    let mut arguments = command.map(|command| command.arguments.clone()).unwrap_or_default();
    let variant = match (kind, class.as_deref().map(class_name)) {
        ("gunicorn", Some(class @ ("gthread" | "gevent" | "tornado" | "asgi"))) => Some(class),
        ("gunicorn", Some(UVICORN_WORKER)) => Some("uvicorn"),
        ("gunicorn", Some(class)) => {
            let variant = is_asgi_class(class).then_some("uvicorn");
            // The variant has a class of its own, and a file is read anyway.
            if variant.is_some() || given.is_some() && class != "sync" {
                arguments.extend(["--worker-class".to_owned(), class.to_owned()]);
            }
            variant
        }
        ("granian", _) if command.is_some_and(|command| command.is_asgi) => Some("asgi"),
        // nginx speaks uWSGI's own protocol to it.
        ("uwsgi", _) if deployment.nginx.as_ref().is_some_and(|nginx| nginx.speaks_uwsgi) => Some("socket"),
        _ => None,
    };
    let threads = command.and_then(|command| command.threads);
    // lab's variant has more threads than gunicorn's own default.
    let has_default = variant == Some("gthread") && config.is_none();
    // gunicorn and uvicorn read it.
    let of_variable = || {
        let mut variables = launch.filter(|_| config.is_none())?.variables.iter();
        variables.find(|(name, _)| name == "WEB_CONCURRENCY")?.1.parse().ok()
    };
    let workers = command.and_then(|command| command.workers).or_else(of_variable);
    deployment.server = Some(ServerCommand {
        kind: variant.map_or(kind.to_owned(), |variant| format!("{kind}/{variant}")),
        // A server that is started without a number has its own default.
        workers: workers.or_else(|| (launch.is_none() && config.is_none()).then_some(2)),
        threads: threads.or_else(|| has_default.then_some(1)),
        arguments,
        worker_class: given,
        settings: settings.map(setting_lines).unwrap_or_default(),
        config,
    });
}

/// gunicorn's configuration: the one that the command line names, or that of the usual name.
fn configuration<'f>(files: &'f [PathBuf], launch: Option<&Launch>) -> Option<&'f PathBuf> {
    if launch.is_some_and(|launch| launch.command.kind != "gunicorn") {
        return None;
    }
    let named = launch.and_then(|launch| launch.command.config.as_ref());
    let is_named = |file: &&PathBuf| named.is_some_and(|named| file.ends_with(named) || named.ends_with(file));
    // A gunicorn that is started without one reads only the file of this name.
    let is_default = |file: &&PathBuf| match launch {
        Some(_) => file.ends_with("gunicorn.conf.py"),
        None => is_gunicorn_config(file),
    };
    let is_meant = |file: &&PathBuf| if named.is_some() { is_named(file) } else { is_default(file) };
    // Each service of a repository may have one of the same name.
    let is_elsewhere = |file: &&PathBuf| launch.is_some_and(|launch| !file.starts_with(&launch.home));
    files.iter().filter(is_meant).min_by_key(is_elsewhere)
}

/// The addresses that gunicorn's configuration binds, as far as they are literals.
pub(super) fn addresses_of_configuration(
    files: &[PathBuf],
    launch: &Launch,
    modules: &BTreeMap<PathBuf, Module>,
) -> Vec<ServerAddress> {
    let module = configuration(files, Some(launch)).and_then(|config| modules.get(config));
    let bind = module.and_then(|module| module.settings.get("bind"));
    let texts = bind.into_iter().flat_map(|bind| bind.value.split(','));
    texts.filter_map(|text| command_line::bound_address(text.trim())).collect()
}

/// The short name of one of gunicorn's own classes; other names as they are.
fn class_name(class: &str) -> &str {
    match class.strip_prefix("egg:gunicorn#").unwrap_or(class) {
        "gunicorn.workers.sync.SyncWorker" => "sync",
        "gunicorn.workers.gthread.ThreadWorker" => "gthread",
        "gunicorn.workers.ggevent.GeventWorker" => "gevent",
        "gunicorn.workers.gtornado.TornadoWorker" => "tornado",
        class => class,
    }
}

fn is_asgi_class(class: &str) -> bool {
    class.contains("uvicorn")
}

fn setting_lines(settings: &BTreeMap<String, Setting>) -> Vec<SettingLine> {
    let line = |(name, setting): (&String, &Setting)| SettingLine {
        name: name.clone(),
        value: setting.value.clone(),
        line: setting.line,
    };
    settings.iter().map(line).collect()
}

/// Says what lab cannot see of an application of aiohttp's.
pub(super) fn name_interface(deployment: &mut Deployment) {
    if deployment.app.is_some() && deployment.server.as_ref().is_some_and(ServerCommand::is_for_aiohttp) {
        deployment.missing.push(
            "what the application sees of requests (`expect.app`): aiohttp's applications are neither WSGI nor ASGI"
                .to_owned(),
        );
    }
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
