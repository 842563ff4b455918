//! Looks for the parts of a deployment in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::app::{self, Candidate};
use super::compose::compose;
use super::deployment::{App, Deployment, Packages, ServerCommand};
use super::launch_files::{self, Launch};
use super::nginx::{self, Nginx};
use super::python::{self, Module};

/// How deep parts of a deployment lie.
const MAX_DEPTH: usize = 4;
/// More files than a project has outside its environments.
const MAX_FILES: usize = 4000;
/// More Python files than are worth reading for a first scenario.
const MAX_MODULES: usize = 400;
/// Folders without parts of a deployment.
const SKIPPED: [&str; 6] = ["node_modules", "__pycache__", "reports", "site-packages", "tests", "test"];
/// Names of virtual environments.
const VENVS: [&str; 3] = [".venv", "venv", "env"];
/// Files with an application's packages, the most exact first.
const PACKAGE_FILES: [&str; 6] = [
    "uv.lock",
    "poetry.lock",
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/base.txt",
];

/// The worker class of lab's variant `gunicorn/uvicorn`.
const UVICORN_WORKER: &str = "uvicorn.workers.UvicornWorker";

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
    find_nginx(&files, &mut deployment);
    let launch = find_launch(&files, &mut deployment);
    find_server(&files, launch.as_ref(), &modules, &mut deployment);
    find_app(&files, launch.as_ref(), &modules, &mut deployment);
    choose_asgi_server(launch.is_some(), &mut deployment);
    find_packages(folder, &mut deployment);
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

fn text_of(deployment: &Deployment, file: &Path) -> Option<String> {
    fs::read_to_string(deployment.folder.join(file)).ok()
}

/// The configuration that passes requests to an application, a whole one before one of a site.
fn find_nginx(files: &[PathBuf], deployment: &mut Deployment) {
    let mut read: Vec<Nginx> = Vec::new();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_of_sites = file
            .parent()
            .is_some_and(|parent| parent.ends_with("sites-enabled") || parent.ends_with("sites-available"));
        let is_likely = name.ends_with(".conf") || name.ends_with(".nginx") || name == "nginx" || is_of_sites;
        let text = is_likely.then(|| text_of(deployment, file)).flatten();
        if !text.is_some_and(|text| text.contains("server") && text.contains('{') && text.contains("listen")) {
            continue;
        }
        match nginx::read(&deployment.folder.join(file), file.clone()) {
            Ok(nginx) if nginx.servers.is_empty() => {}
            Ok(mut nginx) => {
                // The file of a site is included by one in the deployment's folder.
                let parent = file.parent().filter(|_| nginx.is_whole);
                let home = parent.map_or(deployment.folder.clone(), |parent| deployment.folder.join(parent));
                for files in nginx.servers.iter_mut().flat_map(|server| &mut server.files) {
                    files.sample = sample(&home.join(&files.folder), &files.prefix);
                }
                read.push(nginx);
            }
            Err(error) => deployment.missing.push(format!("an nginx configuration that cannot be read: {error}")),
        }
    }
    let passes = |nginx: &Nginx| nginx.servers.iter().any(|server| server.passes);
    read.sort_by_key(|nginx| (!passes(nginx), !nginx.is_whole));
    let mut read = read.into_iter();
    match read.next() {
        Some(nginx) => {
            let what = if nginx.is_whole { "nginx" } else { "nginx, one site's file" };
            deployment.found.push(format!("{what}: {}", nginx.file.display()));
            let others: Vec<String> = read.map(|other| other.file.display().to_string()).collect();
            if !others.is_empty() {
                deployment.found.push(format!("not used: {}; name a file to use it instead", others.join(", ")));
            }
            for files in nginx.servers.iter().flat_map(|server| &server.files) {
                let (file, line, folder) = (nginx.file.display(), files.line, files.folder.display());
                match &files.sample {
                    Some(sample) => {
                        deployment.found.push(format!("static files: {folder} ({file}:{line}), such as {sample}"));
                    }
                    None => deployment.missing.push(format!("a static file in {folder} ({file}:{line})")),
                }
            }
            deployment.nginx = Some(nginx);
        }
        None => deployment.missing.push("an nginx configuration (*.conf with a `server` block)".to_owned()),
    }
}

/// A file in `folder`, as a path for clients: a style sheet or a script rather than another.
fn sample(folder: &Path, prefix: &str) -> Option<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((folder, inside)) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_plain =
                name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~".contains(c)) && !name.starts_with('.');
            let path = format!("{inside}{name}");
            match entry.file_type() {
                Ok(sort) if sort.is_dir() && is_plain && inside.matches('/').count() < MAX_DEPTH => {
                    open.push((entry.path(), format!("{path}/")));
                }
                Ok(sort) if sort.is_file() && is_plain && found.len() < MAX_FILES => found.push(path),
                _ => {}
            }
        }
    }
    found.sort_by_key(|path| (!path.ends_with(".css"), !path.ends_with(".js"), path.clone()));
    found.first().map(|path| format!("{}/{path}", prefix.trim_end_matches('/')))
}

/// The file that starts the server.
fn find_launch(files: &[PathBuf], deployment: &mut Deployment) -> Option<Launch> {
    let ranked = |file: &PathBuf| -> Option<usize> {
        let name = file.file_name().and_then(|name| name.to_str())?;
        let is_compose = name.contains("compose") && (name.ends_with(".yml") || name.ends_with(".yaml"));
        match name {
            "Procfile" => Some(0),
            name if name.ends_with(".service") => Some(1),
            _ if is_compose => Some(2),
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
            2 => compose(&text).unwrap_or_else(|error| {
                deployment.missing.push(format!("{} cannot be read: {error}", file.display()));
                None
            }),
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

/// Whether the file is named after gunicorn's configuration.
fn is_gunicorn_config(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "gunicorn.conf.py" || (name.contains("gunicorn") && name.ends_with(".py"))
}

fn find_server(
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
fn choose_asgi_server(is_launched: bool, deployment: &mut Deployment) {
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

fn find_app(
    files: &[PathBuf],
    launch: Option<&Launch>,
    modules: &BTreeMap<PathBuf, Module>,
    deployment: &mut Deployment,
) {
    let command = launch.map(|launch| &launch.command);
    let config = deployment.server.as_ref().and_then(|server| server.config.clone());
    let settings = config.as_ref().and_then(|config| modules.get(config)).map(|module| &module.settings);
    let setting = |name: &str| settings.and_then(|settings| settings.get(name)).map(|setting| setting.value.clone());
    let named = command.and_then(|command| command.app.clone()).or_else(|| setting("wsgi_app"));
    let folder = command.and_then(|command| command.folder.clone()).or_else(|| setting("chdir").map(PathBuf::from));
    let own: BTreeMap<PathBuf, Module> = modules
        .iter()
        .filter(|(file, _)| !is_gunicorn_config(file))
        .map(|(file, module)| (file.clone(), module.clone()))
        .collect();
    let candidates = app::candidates(&own);
    let is_asgi_server = command.is_some_and(|command| command.is_asgi);
    let chosen = match &named {
        Some(named) => named_app(named, folder.as_deref(), &own, is_asgi_server),
        None => candidates.first().cloned(),
    };
    let Some(Candidate { name, path, is_asgi, place }) = chosen else {
        deployment.missing.push(match named {
            Some(named) => format!("the application {named}, which the server's command line names"),
            None => "the application (a module with Flask(…), FastAPI(…), get_wsgi_application() or create_app())"
                .to_owned(),
        });
        return;
    };
    deployment.found.push(format!("the application: {name} ({place})"));
    let others: Vec<&str> =
        candidates.iter().map(|other| other.name.as_str()).filter(|other| *other != name).take(3).collect();
    if named.is_none() && !others.is_empty() {
        deployment.found.push(format!("other applications: {}", others.join(", ")));
    }
    let manage = files.iter().find(|file| file.file_name().is_some_and(|name| name == "manage.py"));
    let setup = manage.map(|manage| {
        let home = manage.parent().unwrap_or(Path::new(""));
        let has_data = fs::read_dir(deployment.folder.join(home))
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.path().extension().is_some_and(|extension| extension == "sqlite3"));
        (format!("python {} migrate --noinput", manage.display()), !has_data)
    });
    deployment.page = app::page(&own);
    deployment.cookies =
        app::django_admin(&own).map(|admin| (format!("{admin}login/"), "csrftoken".to_owned())).into_iter().collect();
    let variables = launch.map(|launch| launch.variables.clone()).unwrap_or_default();
    deployment.app = Some(App { name, path, is_asgi, variables, setup, is_django: manage.is_some() });
}

/// The application that a command line names, wherever its module is.
fn named_app(
    named: &str,
    folder: Option<&Path>,
    modules: &BTreeMap<PathBuf, Module>,
    is_asgi: bool,
) -> Option<Candidate> {
    let (module, callable) = named.split_once(':').unwrap_or((named, "application"));
    let mut folders: Vec<PathBuf> = folder.map(Path::to_owned).into_iter().collect();
    folders.push(PathBuf::new());
    folders.extend(modules.keys().filter_map(|file| file.parent()).flat_map(Path::ancestors).map(Path::to_owned));
    let found = folders.into_iter().find_map(|folder| Some((app::file_of(module, &folder, modules)?, folder)));
    let ((file, defined), path) = found?;
    let bare = callable.split('(').next().unwrap_or_default();
    let definitions = defined.apps.iter().chain(&defined.factories);
    let definition = definitions.into_iter().find(|definition| definition.name == bare);
    let line = definition.map_or(1, |definition| definition.line);
    let is_asgi = is_asgi || definition.is_some_and(|definition| definition.interface == python::Interface::Asgi);
    let name = format!("{module}:{callable}");
    Some(Candidate { name, path, is_asgi, place: format!("{}:{line}", file.display()) })
}

fn find_packages(folder: &Path, deployment: &mut Deployment) {
    let home = deployment.app.as_ref().map(|app| app.path.clone()).unwrap_or_default();
    let homes: Vec<PathBuf> = if home.as_os_str().is_empty() { vec![home] } else { vec![PathBuf::new(), home] };
    let venv = homes.iter().flat_map(|home| VENVS.map(|name| home.join(name)));
    let venv = venv.into_iter().find(|venv| folder.join(venv).join("bin/python").is_file());
    let file = homes.iter().flat_map(|home| PACKAGE_FILES.map(|name| home.join(name)));
    let file = file.into_iter().find(|file| folder.join(file).is_file());
    deployment.packages = match (venv, file) {
        (Some(venv), _) => {
            deployment.found.push(format!("the application's environment: {}", venv.display()));
            Packages::Venv(venv)
        }
        (None, Some(file)) => {
            deployment.found.push(format!("the application's packages: {}", file.display()));
            Packages::File(file)
        }
        (None, None) => {
            deployment.missing.push(
                "the application's packages (.venv, uv.lock, poetry.lock, requirements.txt): it gets none".to_owned(),
            );
            Packages::NotFound
        }
    };
    let env_file = homes.iter().map(|home| home.join(".env")).find(|file| folder.join(file).is_file());
    if let Some(file) = &env_file {
        deployment.found.push(format!("variables: {}", file.display()));
    }
    deployment.env_file = env_file;
}
