//! Looks for the file that starts the app server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::compose::{self, ComposeService};
use super::super::deployment::Deployment;
use super::super::launch_files::{self, Launch};
use super::super::python::Module;
use super::super::{command_line, kubernetes, makefile, platforms, variables};
use super::manifests::config_maps;
use super::{server, text_of, upstream, within};
use crate::lint::ServerAddress;
use crate::shell_words;

/// The [`stage`] of files for development.
pub(super) const DEVELOPMENT: u8 = 3;
/// A larger file is no script.
const MAX_SCRIPT: u64 = 64 << 10;

/// A launch, and the file that has it.
struct Found {
    launch: Launch,
    file: PathBuf,
}

/// Sorts of files, the most explicit first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Procfile,
    Platform,
    Unit,
    Compose,
    Manifest,
    Supervisor,
    Dockerfile,
    Uwsgi,
    Makefile,
    Script,
}

/// The launch of the server: of a named file, if there is one, or of a server to which nginx passes requests.
pub(super) fn find(
    files: &[PathBuf],
    named: &[PathBuf],
    modules: &BTreeMap<PathBuf, Module>,
    deployment: &mut Deployment,
) -> Option<Launch> {
    let mut sorted: Vec<(Sort, u8, &PathBuf)> =
        files.iter().filter_map(|file| Some((sort_of(file)?, stage(file), file))).collect();
    sorted.sort_by_key(|(sort, stage, file)| (!named.contains(file), *sort, *stage));
    let has_addresses = upstream::has_addresses(deployment);
    let mut found: Vec<(Sort, Found)> = Vec::new();
    let mut last = None;
    for (sort, _, file) in sorted {
        // A server that reloads is for development; any other one is preferred.
        let is_final = |Found { launch, file }: &Found| {
            let is_meant = named.contains(file) || !has_addresses || upstream::is_passed_to(launch, deployment);
            is_meant && !launch.command.reloads
        };
        // Files of the same sort may start other servers.
        if last != Some(sort) && found.iter().any(|(_, found)| is_final(found)) {
            break;
        }
        for mut one in launches(sort, file, files, deployment) {
            if one.launch.home == Path::new("") {
                one.launch.home = folder_of(&one.file).to_owned();
            }
            if one.launch.command.bound.is_empty() {
                one.launch.command.bound = server::addresses_of_configuration(files, &one.launch, modules);
            }
            found.push((sort, one));
        }
        last = Some(sort);
    }
    found.sort_by_key(|(_, Found { launch, file })| {
        (!named.contains(file), launch.command.reloads, !upstream::is_passed_to(launch, deployment))
    });
    let mut found = found.into_iter();
    let (sort, Found { mut launch, file }) = found.next()?;
    let of_sort = found.filter(|(other, _)| *other == sort).map(|(_, found)| found);
    let others: Vec<Found> = of_sort.filter(|other| is_another_server(&launch, &other.launch)).collect();
    if launch.command.kind == "uwsgi" {
        complete_uwsgi(&mut launch, files, deployment);
    }
    let (kind, place) = (launch.command.kind, format!("{}:{}", file.display(), launch.line));
    deployment.found.push(match launch.command.replaced {
        Some(program) => format!("{kind}, in place of {program}, which lab does not know ({place})"),
        None => format!("{kind} started by {place}"),
    });
    let chosen = &file;
    for Found { launch, file } in &others {
        let (kind, line) = (launch.command.kind, launch.line);
        let other = format!("another server: {kind} started by {}:{line}", file.display());
        deployment.found.push(match file == chosen {
            true => other,
            false => format!("{other}; `lab init {}` takes that one", file.display()),
        });
    }
    let own = std::mem::take(&mut launch.command.variables);
    launch.variables = variables::overridden(launch.variables, own);
    launch.env_files.append(&mut launch.command.env_files);
    launch.env_files = existing(&launch.env_files, &file, files, deployment);
    Some(launch)
}

/// The servers that a file starts.
fn launches(sort: Sort, file: &Path, files: &[PathBuf], deployment: &mut Deployment) -> Vec<Found> {
    match sort {
        Sort::Compose => in_compose(file, files, deployment),
        Sort::Dockerfile => in_dockerfile(file, files, deployment).into_iter().collect(),
        Sort::Manifest => in_manifest(file, files, deployment).into_iter().collect(),
        sort => in_file(sort, file, deployment).into_iter().collect(),
    }
}

/// Whether `other` starts another application than `launch` for production.
fn is_another_server(launch: &Launch, other: &Launch) -> bool {
    !other.command.reloads && other.command.app.is_some() && other.command.app != launch.command.app
}

fn sort_of(file: &Path) -> Option<Sort> {
    let name = file.file_name().and_then(|name| name.to_str())?;
    match name {
        "Procfile" => Some(Sort::Procfile),
        "app.yaml" | "render.yaml" | "fly.toml" | "nixpacks.toml" | "railway.toml" | "railway.json" => {
            Some(Sort::Platform)
        }
        "Makefile" | "makefile" | "GNUmakefile" => Some(Sort::Makefile),
        name if name.ends_with(".service") => Some(Sort::Unit),
        _ if is_compose(file) => Some(Sort::Compose),
        name if name.starts_with("Dockerfile") || name.ends_with(".Dockerfile") => Some(Sort::Dockerfile),
        name if name.contains("supervisor") || (name.ends_with(".conf") && within(file, "supervisor")) => {
            Some(Sort::Supervisor)
        }
        name if name.ends_with(".yaml") || name.ends_with(".yml") => Some(Sort::Manifest),
        name if name.ends_with(".ini") => Some(Sort::Uwsgi),
        name if name.ends_with(".sh") || !name.contains('.') => Some(Sort::Script),
        _ => None,
    }
}

/// Whether the file may name the working folder of a server.
pub(super) fn has_working_folder(file: &Path) -> bool {
    matches!(sort_of(file), Some(Sort::Unit | Sort::Supervisor))
}

pub(super) fn is_compose(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.contains("compose") && (name.ends_with(".yml") || name.ends_with(".yaml"))
}

/// How far a file is from production, by its name.
pub(super) fn stage(file: &Path) -> u8 {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
    let has = |words: &[&str]| name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| words.contains(&part));
    if has(&["prod", "production", "deploy"]) {
        0
    } else if has(&["dev", "development", "local", "override", "test", "tests", "ci", "debug"]) {
        DEVELOPMENT
    } else if has(&["staging", "stage"]) {
        2
    } else {
        1
    }
}

fn in_file(sort: Sort, file: &Path, deployment: &Deployment) -> Option<Found> {
    if sort == Sort::Script && !is_script(&deployment.folder.join(file)) {
        return None;
    }
    let text = text_of(deployment, file)?;
    let launch = match sort {
        Sort::Procfile => launch_files::procfile(&text).map(|mut launch| {
            let heroku = text_of(deployment, &file.with_file_name("app.json"));
            launch.variables.extend(heroku.map(|text| platforms::heroku_variables(&text)).unwrap_or_default());
            launch
        }),
        Sort::Platform => match file.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => platforms::toml_file(&text),
            Some("json") => platforms::railway(&text),
            _ => platforms::yaml(&text),
        },
        Sort::Makefile => makefile::server(&text),
        Sort::Unit => launch_files::unit(&text),
        Sort::Supervisor => launch_files::supervisor(&text),
        Sort::Uwsgi => launch_files::uwsgi(&text),
        Sort::Script | Sort::Compose | Sort::Dockerfile | Sort::Manifest => launch_files::script(&text),
    };
    Some(Found { launch: launch?, file: file.to_owned() })
}

fn in_manifest(file: &Path, files: &[PathBuf], deployment: &Deployment) -> Option<Found> {
    let text = text_of(deployment, file)?;
    // Most manifests start no server, so the others are not read for them.
    kubernetes::server(&text, &[])?;
    let maps: Vec<_> = config_maps(files, deployment).into_iter().map(|(_, map)| map).collect();
    Some(Found { launch: kubernetes::server(&text, &maps)?, file: file.to_owned() })
}

/// Whether a file is short, and a script by its name or by its first line.
fn is_script(file: &Path) -> bool {
    let is_short = fs::metadata(file).is_ok_and(|metadata| metadata.len() <= MAX_SCRIPT);
    let is_named = file.extension().is_some_and(|extension| extension == "sh");
    is_short && (is_named || fs::read_to_string(file).is_ok_and(|text| text.starts_with("#!")))
}

/// The launch of a Dockerfile: its own command, or that of a script which it runs.
fn in_dockerfile(file: &Path, files: &[PathBuf], deployment: &Deployment) -> Option<Found> {
    let text = text_of(deployment, file)?;
    if let Some(launch) = launch_files::dockerfile(&text) {
        return Some(Found { launch, file: file.to_owned() });
    }
    let scripts = launch_files::dockerfile_scripts(&text);
    let mut found = scripts.iter().find_map(|name| in_script_named(name, files, deployment))?;
    found.launch.variables = variables::overridden(launch_files::image_variables(&text), found.launch.variables);
    Some(found)
}

/// The launch of a script that an image has under this name.
fn in_script_named(name: &str, files: &[PathBuf], deployment: &Deployment) -> Option<Found> {
    let mut named = files.iter().filter(|file| file.file_name().is_some_and(|own| own == name)).collect::<Vec<_>>();
    named.sort_by_key(|file| if file.components().any(|part| part.as_os_str() == "production") { 0 } else { 1 });
    named.into_iter().find_map(|file| in_file(Sort::Script, file, deployment))
}

/// The launches of the services of a compose file.
fn in_compose(file: &Path, files: &[PathBuf], deployment: &mut Deployment) -> Vec<Found> {
    let Some(text) = text_of(deployment, file) else { return Vec::new() };
    let services = match compose::services(&text) {
        Ok(services) => services,
        Err(error) => {
            deployment.missing.push(format!("{} cannot be read: {error}", file.display()));
            return Vec::new();
        }
    };
    let known = compose_variables(file, deployment);
    let launched = services.iter().filter_map(|service| {
        let Found { mut launch, file: starting } = of_service(service, file, files, deployment)?;
        let own = service.variables.iter().map(|(name, value)| (name.clone(), variables::interpolated(value, &known)));
        launch.variables = variables::overridden(launch.variables, own.collect());
        launch.release = release(service, &services);
        launch.hosts.clone_from(&service.hosts);
        if let Some(build) = &service.build {
            launch.home = cleaned(&folder_of(file).join(&build.context));
        }
        let published = |port: &u16| ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: *port };
        launch.command.bound.extend(service.published.iter().map(published));
        launch.env_files.extend(service.env_files.iter().map(|own| folder_of(file).join(own)));
        Some(Found { launch, file: starting })
    });
    launched.collect()
}

/// The commands of the services that prepare the application, in the image of its own.
fn release(service: &ComposeService, services: &[ComposeService]) -> Option<String> {
    let prepares = |other: &&ComposeService| {
        service.completed_before.contains(&other.name) && other.shares_image_with(service) && !other.command.is_empty()
    };
    let commands: Vec<String> =
        services.iter().filter(prepares).map(|other| shell_words::joined(&other.command)).collect();
    (!commands.is_empty()).then(|| commands.join(" && "))
}

/// The launch of a service: its command, a script that this names, or what its image starts.
fn of_service(service: &ComposeService, file: &Path, files: &[PathBuf], deployment: &Deployment) -> Option<Found> {
    let built = service.build.as_ref().map(|build| cleaned(&folder_of(file).join(&build.dockerfile)));
    let of_image = || text_of(deployment, built.as_deref()?);
    let variables = || of_image().map(|text| launch_files::image_variables(&text)).unwrap_or_default();
    if let Some(command) = command_line::from_words(&service.command) {
        let launch = Launch { command, line: service.line, variables: variables(), ..Launch::default() };
        return Some(Found { launch, file: file.to_owned() });
    }
    match service.command.first() {
        Some(first) => {
            let name = first.rsplit('/').next().unwrap_or(first);
            let mut found = in_script_named(name, files, deployment).filter(|_| first.contains('/'))?;
            found.launch.variables = variables::overridden(variables(), found.launch.variables);
            Some(found)
        }
        None => in_dockerfile(built.as_deref()?, files, deployment),
    }
}

/// The variables that compose replaces in the values of `file`: those of the `.env` beside it.
pub(super) fn compose_variables(file: &Path, deployment: &Deployment) -> Vec<(String, String)> {
    let text = text_of(deployment, &file.with_file_name(".env"));
    text.map(|text| variables::env_file(&text)).unwrap_or_default()
}

/// Adds the settings of uWSGI's own file that its command line does not have.
fn complete_uwsgi(launch: &mut Launch, files: &[PathBuf], deployment: &Deployment) {
    let Some(named) = launch.command.config.take() else { return };
    let mut same = files.iter().filter(|file| file.file_name() == named.file_name());
    let Some(of_file) = same.find_map(|file| in_file(Sort::Uwsgi, file, deployment)) else {
        // It is still named among what is missing.
        launch.command.config = Some(named);
        return;
    };
    let (own, other) = (&mut launch.command, of_file.launch.command);
    own.app = own.app.take().or(other.app);
    own.workers = own.workers.or(other.workers);
    own.threads = own.threads.or(other.threads);
    own.working_folder = own.working_folder.take().or(other.working_folder);
    own.import_folder = own.import_folder.take().or(other.import_folder);
    own.arguments.extend(other.arguments);
    own.variables.extend(other.variables);
}

/// The files of variables that are here: as written, or of the same name where the path is one of a server.
fn existing(named: &[PathBuf], launch: &Path, files: &[PathBuf], deployment: &mut Deployment) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for file in named {
        let inside = cleaned(file);
        let same_name = || files.iter().find(|other| other.file_name() == file.file_name()).cloned();
        let here = match inside.is_relative() && deployment.folder.join(&inside).is_file() {
            true => Some(inside),
            false => same_name().filter(|_| file.is_absolute()),
        };
        match here {
            Some(here) if !found.contains(&here) => found.push(here),
            Some(_) => {}
            None => {
                let what = format!("{}, with variables for the application ({})", file.display(), launch.display());
                deployment.missing.push(what);
            }
        }
    }
    found
}

pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// A path without `.` and without folders that `..` leaves again.
pub(super) fn cleaned(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if clean.file_name().is_some() => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_comes_first() {
        let mut names =
            ["docker-compose.override.yml", "compose.yaml", "docker-compose.prod.yml", "compose.staging.yml"];
        names.sort_by_key(|name| stage(Path::new(name)));
        let expected =
            ["docker-compose.prod.yml", "compose.yaml", "compose.staging.yml", "docker-compose.override.yml"];
        assert_eq!(names, expected);
    }

    #[test]
    fn paths_are_cleaned() {
        assert_eq!(cleaned(Path::new("./deploy/../.envs/./.django")), PathBuf::from(".envs/.django"));
        assert_eq!(cleaned(Path::new("../above")), PathBuf::from("../above"));
    }
}
