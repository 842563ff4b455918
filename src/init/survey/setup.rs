//! Looks for the command that prepares the application's database.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::deployment::{App, Deployment, Packages, Setup};
use super::super::launch_files::Launch;
use super::super::python::Module;
use super::super::{service, variables};
use super::{application, launch, text_of};

/// Endings of the files of SQLite's databases.
const DATA: [&str; 3] = ["db", "sqlite", "sqlite3"];
/// Beginnings of the addresses of databases.
const SCHEMES: [&str; 3] = ["postgres", "mysql", "mariadb"];

/// Django's migrations, those that a release runs, Flask-Migrate's, or Alembic's.
pub(super) fn find(
    files: &[PathBuf],
    launch: Option<&Launch>,
    modules: &BTreeMap<PathBuf, Module>,
    deployment: &mut Deployment,
) {
    let Some(app) = &deployment.app else { return };
    let mut harmless_part = None;
    let mut missing = None;
    let manage = application::manage_file(files, &app.path, modules);
    let command = match (manage, launch.and_then(|launch| launch.release.clone())) {
        (Some((manage, _)), _) => {
            let manage = from(&app.cwd, &manage).display().to_string();
            match static_root(modules) {
                Some(StaticRoot::Here) => harmless_part = Some(format!("python {manage} collectstatic --noinput")),
                Some(StaticRoot::Elsewhere) => {
                    let what = "a STATIC_ROOT in the project, for Django's `collectstatic`: it is left to you";
                    missing = Some(what.to_owned());
                }
                None => {}
            }
            let collect: String = harmless_part.iter().map(|part| format!("{part} && ")).collect();
            Some(format!("{collect}python {manage} migrate --noinput"))
        }
        (None, Some(release)) => Some(release),
        (None, None) => of_alembic(files, app, deployment),
    };
    let setup = command.map(|command| Setup { command, changes_data: changes_data(app, deployment), harmless_part });
    deployment.missing.extend(missing);
    if let Some(app) = &mut deployment.app {
        app.setup = setup;
    }
}

/// Where Django's static files are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StaticRoot {
    /// In the project.
    Here,
    Elsewhere,
}

/// The place of static files, if pages need those that `collectstatic` writes: their storage has a manifest.
fn static_root(modules: &BTreeMap<PathBuf, Module>) -> Option<StaticRoot> {
    let is_final = |file: &&PathBuf| launch::stage(file) < launch::DEVELOPMENT;
    let of_production = || modules.iter().filter(|(file, _)| is_final(file)).map(|(_, module)| module);
    if !of_production().any(|module| module.names_static_files) {
        return None;
    }
    let is_here = |root: &str| {
        let is_relative = root.starts_with(['\'', '"']) && !root[1..].starts_with('/');
        let has = |parts: &[&str]| parts.iter().any(|part| root.contains(part));
        is_relative || (has(&["BASE_DIR", "ROOT_DIR", "PROJECT", "__file__"]) && !has(&["env", "config("]))
    };
    let mut roots = of_production().filter_map(|module| module.static_root.as_deref());
    Some(if roots.any(is_here) { StaticRoot::Here } else { StaticRoot::Elsewhere })
}

/// The command for migrations of Alembic, which Flask-Migrate hides, if the application's packages have it.
fn of_alembic(files: &[PathBuf], app: &App, deployment: &Deployment) -> Option<String> {
    let config = files.iter().find(|file| file.ends_with("alembic.ini"))?;
    // Flask-Migrate keeps it among the migrations.
    let is_of_flask = config.parent().is_some_and(|folder| folder.ends_with("migrations"));
    let package = if is_of_flask { "flask-migrate" } else { "alembic" };
    let has_package = match &deployment.packages {
        Packages::NotFound => false,
        Packages::Venv(venv) => deployment.folder.join(venv).join("bin/alembic").exists(),
        Packages::File(file) => {
            text_of(deployment, file).is_some_and(|text| text.to_lowercase().replace('_', "-").contains(package))
        }
    };
    let command = match from(&app.cwd, config) {
        _ if is_of_flask => format!("flask --app '{}' db upgrade", app.name.replace('\'', "\"")),
        config if config == Path::new("alembic.ini") => "alembic upgrade head".to_owned(),
        config => format!("alembic -c {} upgrade head", config.display()),
    };
    has_package.then_some(command)
}

/// Whether migrations would reach a database that is not one of a run: no service of lab's is one, and there is a file with data,
/// or an address of a database.
fn changes_data(app: &App, deployment: &Deployment) -> bool {
    if deployment.services.iter().any(service::has_account) {
        return false;
    }
    let is_data = |path: &Path| path.extension().is_some_and(|extension| DATA.iter().any(|known| extension == *known));
    let folders = [&app.cwd, &app.path, &PathBuf::from("instance")].map(|folder| deployment.folder.join(folder));
    let has_data =
        |folder: &PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| is_data(&entry.path()));
    let texts = deployment.env_files.iter().filter_map(|file| text_of(deployment, file));
    let of_files = texts.flat_map(|text| variables::env_file(&text));
    let leads = |value: &str| SCHEMES.iter().any(|scheme| value.starts_with(scheme)) && value.contains("://");
    folders.iter().any(has_data) || app.variables.iter().cloned().chain(of_files).any(|(_, value)| leads(&value))
}

/// The path of a file as seen from a folder; both are relative to the project.
fn from(folder: &Path, file: &Path) -> PathBuf {
    let common = folder.components().zip(file.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(common).map(|_| "..");
    let down = file.components().skip(common).map(|part| part.as_os_str().to_owned());
    up.map(Into::into).chain(down).collect::<Vec<std::ffi::OsString>>().iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_named_from_the_working_folder() {
        for (folder, file, expected) in [
            ("", "manage.py", "manage.py"),
            ("backend", "backend/manage.py", "manage.py"),
            ("backend/src", "backend/manage.py", "../manage.py"),
            ("", "backend/manage.py", "backend/manage.py"),
            ("app", "migrations/alembic.ini", "../migrations/alembic.ini"),
        ] {
            assert_eq!(from(Path::new(folder), Path::new(file)), PathBuf::from(expected), "{folder} {file}");
        }
    }
}
