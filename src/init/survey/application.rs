//! Looks for the application, its packages and its variables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::app::{self, Candidate};
use super::super::deployment::{App, Deployment, Packages};
use super::super::launch_files::Launch;
use super::super::python::{self, Module};
use super::server::is_gunicorn_config;

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

/// The application that the launch or a setting names; otherwise the most likely one.
pub(super) fn find(
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

/// Its packages, and the file with its variables.
pub(super) fn find_packages(folder: &Path, deployment: &mut Deployment) {
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
