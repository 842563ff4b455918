//! Looks for the application.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::app::{self, Candidate};
use super::super::command_line::CommandLine;
use super::super::deployment::{App, Deployment};
use super::super::launch_files::Launch;
use super::super::pages;
use super::super::python::{self, Module};
use super::server::is_gunicorn_config;

/// Folders of a project that hold its packages, and nothing else.
const SOURCE_FOLDERS: [&str; 2] = ["src", "lib"];
/// The variable with the module of Django's settings.
const SETTINGS_MODULE: &str = "DJANGO_SETTINGS_MODULE";

/// The application that the launch or a setting names; otherwise the most likely one.
pub(super) fn find(
    files: &[PathBuf],
    launch: Option<&Launch>,
    modules: &BTreeMap<PathBuf, Module>,
    deployment: &mut Deployment,
) {
    let mut command = launch.map(|launch| launch.command.clone()).unwrap_or_default();
    let config = deployment.server.as_ref().and_then(|server| server.config.clone());
    let settings = config.as_ref().and_then(|config| modules.get(config)).map(|module| &module.settings);
    let setting = |name: &str| settings.and_then(|settings| settings.get(name)).map(|setting| setting.value.clone());
    command.app = command.app.or_else(|| setting("wsgi_app"));
    command.working_folder = command.working_folder.or_else(|| setting("chdir").map(PathBuf::from));
    command.import_folder = command.import_folder.or_else(|| setting("pythonpath").map(PathBuf::from));
    let own: BTreeMap<PathBuf, Module> = modules
        .iter()
        .filter(|(file, _)| !is_gunicorn_config(file))
        .map(|(file, module)| (file.clone(), module.clone()))
        .collect();
    let candidates = app::candidates(&own);
    let chosen = match &command.app {
        Some(named) => named_app(named, &command, launch.map(|launch| launch.home.as_path()), &own),
        None => candidates.first().cloned(),
    };
    let Some(Candidate { name, path, is_asgi, place, file }) = chosen else {
        deployment.missing.push(match &command.app {
            Some(named) => format!("the application {named}, which the server's command line names"),
            None => "the application (a module with Flask(…), FastAPI(…), get_wsgi_application() or create_app())"
                .to_owned(),
        });
        return;
    };
    deployment.found.push(format!("the application: {name} ({place})"));
    let others: Vec<&str> =
        candidates.iter().map(|other| other.name.as_str()).filter(|other| *other != name).take(3).collect();
    if command.app.is_none() && !others.is_empty() {
        deployment.found.push(format!("other applications: {}", others.join(", ")));
    }
    let mut variables = launch.map(|launch| launch.variables.clone()).unwrap_or_default();
    // The setup command needs them too, and gunicorn gives them to the application alone.
    let of_config = setting("raw_env").unwrap_or_default();
    for (name, value) in of_config.split(',').filter_map(|pair| pair.split_once('=')) {
        if variables.iter().all(|(own, _)| own != name) {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    let manage = manage_file(files, &path, modules);
    if let Some(manage) = &manage
        && let Some(module) = differing_settings(&own[&file], manage.1)
        && variables.iter().all(|(name, _)| name != SETTINGS_MODULE)
    {
        // `manage.py` would prepare the database of other settings.
        variables.push((SETTINGS_MODULE.to_owned(), module.to_owned()));
    }
    // Those of other applications, beside this one, are not its own.
    let imported: BTreeMap<PathBuf, Module> = own.into_iter().filter(|(file, _)| file.starts_with(&path)).collect();
    deployment.pages = pages::pages(&imported);
    deployment.cookies = pages::django_admin(&imported)
        .map(|admin| (format!("{admin}login/"), "csrftoken".to_owned()))
        .into_iter()
        .collect();
    let is_django = manage.is_some();
    deployment.host = is_django.then(|| pages::allowed_host(modules)).flatten();
    let cwd = working_folder(&command, &path);
    deployment.app = Some(App { name, path, cwd, is_asgi, variables, setup: None, is_django });
}

/// Django's `manage.py`: the one nearest to the application.
pub(super) fn manage_file<'m>(
    files: &[PathBuf],
    path: &Path,
    modules: &'m BTreeMap<PathBuf, Module>,
) -> Option<(PathBuf, &'m Module)> {
    let is_manage = |file: &&PathBuf| file.file_name().is_some_and(|name| name == "manage.py");
    let of_django = files.iter().filter(is_manage).filter_map(|file| Some((file, modules.get(file)?)));
    let mut of_django: Vec<_> = of_django.filter(|(_, module)| module.runs_django).collect();
    of_django.sort_by_key(|(file, _)| file.parent() != Some(path));
    of_django.into_iter().next().map(|(file, module)| (file.clone(), module))
}

/// The settings module that the application takes by default, if `manage.py` takes another.
fn differing_settings<'m>(application: &'m Module, manage: &Module) -> Option<&'m str> {
    let own = application.defaults.get(SETTINGS_MODULE)?;
    (manage.defaults.get(SETTINGS_MODULE) != Some(own)).then_some(own)
}

/// Where the server starts: where its command line says, if that folder is here. Otherwise the folder of the module, or the one
/// above that of all sources: such a package is installed, or found by a path.
fn working_folder(command: &CommandLine, path: &Path) -> PathBuf {
    let above = || path.parent().unwrap_or(Path::new("")).to_owned();
    let is_sources = path.file_name().is_some_and(|name| SOURCE_FOLDERS.iter().any(|known| name == *known));
    let is_imported = command.import_folder.as_ref().is_some_and(|folder| path.ends_with(folder));
    match &command.working_folder {
        Some(folder) if path.starts_with(folder) => folder.clone(),
        _ if is_sources || is_imported => above(),
        _ => path.to_owned(),
    }
}

/// The application that a command line names, wherever its module is.
fn named_app(
    named: &str,
    command: &CommandLine,
    home: Option<&Path>,
    modules: &BTreeMap<PathBuf, Module>,
) -> Option<Candidate> {
    let (module, callable) = named.split_once(':').unwrap_or((named, "application"));
    let mut folders: Vec<PathBuf> = command.import_folder.iter().chain(&command.working_folder).cloned().collect();
    // Services of one repository may have modules of the same name.
    folders.extend(home.map(Path::to_owned));
    folders.push(PathBuf::new());
    folders.extend(modules.keys().filter_map(|file| file.parent()).flat_map(Path::ancestors).map(Path::to_owned));
    let found = folders.into_iter().find_map(|folder| Some((app::file_of(module, &folder, modules)?, folder)));
    let ((file, defined), path) = found?;
    let bare = callable.split('(').next().unwrap_or_default();
    let definitions = defined.apps.iter().chain(&defined.factories);
    let definition = definitions.into_iter().find(|definition| definition.name == bare);
    let line = definition.map_or(1, |definition| definition.line);
    // Hypercorn takes either, mostly for ASGI.
    let is_asgi = match definition {
        Some(definition) => command.is_asgi || definition.interface == python::Interface::Asgi,
        None => command.is_asgi || command.kind == "hypercorn",
    };
    let name = format!("{module}:{callable}");
    let place = format!("{}:{line}", file.display());
    Some(Candidate { name, path, is_asgi, place, file: file.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_starts_above_the_folder_of_sources() {
        let folder = |command: CommandLine, path: &str| working_folder(&command, Path::new(path));
        assert_eq!(folder(CommandLine::default(), "backend"), PathBuf::from("backend"));
        assert_eq!(folder(CommandLine::default(), "src"), PathBuf::new());
        let importing = CommandLine { import_folder: Some("app".into()), ..CommandLine::default() };
        assert_eq!(folder(importing, "app"), PathBuf::new());
        let changing = CommandLine { working_folder: Some("app".into()), ..CommandLine::default() };
        assert_eq!(folder(changing, "app"), PathBuf::from("app"));
        let on_a_server = CommandLine { working_folder: Some("/srv/app".into()), ..CommandLine::default() };
        assert_eq!(folder(on_a_server, "app"), PathBuf::from("app"));
    }
}
