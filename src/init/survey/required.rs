//! Looks for variables of the environment that the application reads and no file of the project gives, such as secrets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::deployment::{Deployment, RequiredValue};
use super::super::python::Module;
use super::super::variables;
use super::{launch, text_of, within};

/// Folders of programs beside the application.
const OTHER_PROGRAMS: [&str; 6] = ["bin", "docs", "examples", "notebooks", "scripts", "tools"];
/// Parts of the names of variables that may have any text.
const SECRETS: [&str; 6] = ["SECRET", "TOKEN", "PASSWORD", "SALT", "API_KEY", "ACCESS_KEY"];
/// Long enough for keys of signatures.
const MADE_UP: &str = "made-up-by-lab-init-because-no-file-has-it";
/// Files that show which variables a `.env` has.
const EXAMPLES: [&str; 6] = [".env.example", ".env.sample", ".env.template", ".env.dist", "env.example", "example.env"];
/// Variables that every process has, each machine or platform its own.
const EVERYWHERE: [&str; 6] = ["HOME", "HOSTNAME", "LANG", "PATH", "PWD", "USER"];

/// Makes up secrets, and names other variables that have no value.
pub(super) fn find(files: &[PathBuf], modules: &BTreeMap<PathBuf, Module>, deployment: &mut Deployment) {
    let known = known_names(modules, deployment);
    let is_other = |file: &Path| {
        OTHER_PROGRAMS.iter().any(|folder| within(file, folder)) || launch::stage(file) == launch::DEVELOPMENT
    };
    let examples = examples(files, deployment);
    let mut required: Vec<RequiredValue> = Vec::new();
    for (file, module) in modules.iter().filter(|(file, _)| !is_other(file)) {
        for variable in &module.required {
            let name = &variable.name;
            let is_known = known.contains(name) || EVERYWHERE.contains(&name.as_str());
            if is_known || required.iter().any(|other| other.name == *name) {
                continue;
            }
            let is_secret = SECRETS.iter().any(|part| name.contains(part));
            let value = match name.as_str() {
                "PORT" => Some("8000".to_owned()),
                _ => is_secret.then(|| MADE_UP.to_owned()),
            };
            let example = examples.iter().find(|(_, names)| names.contains(name)).map(|(file, _)| file.clone());
            let place = format!("{}:{}", file.display(), variable.line);
            required.push(RequiredValue { name: name.clone(), place, value, example });
        }
    }
    for RequiredValue { name, place, value, example } in &required {
        match (value, example) {
            (Some(_), _) => {
                deployment.found.push(format!("a value for {name}, made up: {place} reads it, and no file has it"));
            }
            (None, Some(example)) => deployment.missing.push(format!(
                "a value for {name}, which {place} reads; {} has an example, for a .env or for `[app] env`",
                example.display()
            )),
            (None, None) => {
                deployment
                    .missing
                    .push(format!("a value for {name}, which {place} reads, in a .env or in `[app] env`"));
            }
        }
    }
    if let Some(app) = &mut deployment.app {
        let is_made_up = |name: &String| required.iter().any(|made| made.name == *name && made.value.is_some());
        app.variables.retain(|(name, _)| !is_made_up(name));
    }
    deployment.required = required;
}

/// The names of the variables that the application will have.
fn known_names(modules: &BTreeMap<PathBuf, Module>, deployment: &Deployment) -> Vec<String> {
    let texts = deployment.env_files.iter().filter_map(|file| text_of(deployment, file));
    let of_files = texts.flat_map(|text| variables::env_file(&text)).map(|(name, _)| name);
    // Compose has an empty value for what only its environment has.
    let own = deployment.app.iter().flat_map(|app| &app.variables).filter(|(_, value)| !value.is_empty());
    let own = own.map(|(name, _)| name.clone());
    let of_services = deployment.services.iter().filter_map(|service| Some((service, service.kind?)));
    let of_services = of_services.flat_map(|(service, kind)| {
        let of_kind = match kind {
            "redis" => Some("REDIS_URL"),
            "memcached" => Some("MEMCACHED_URL"),
            _ => None,
        };
        service.variables.iter().map(|(name, _)| name.clone()).chain(of_kind.map(str::to_owned))
    });
    let defaults = modules.values().flat_map(|module| module.defaults.keys().cloned());
    own.chain(of_files).chain(of_services).chain(defaults).collect()
}

/// The files with examples, each with the names in it.
fn examples(files: &[PathBuf], deployment: &Deployment) -> Vec<(PathBuf, Vec<String>)> {
    let is_example = |file: &&PathBuf| EXAMPLES.iter().any(|name| file.ends_with(name));
    let names = |file: &PathBuf| {
        let pairs = variables::env_file(&text_of(deployment, file)?);
        Some((file.clone(), pairs.into_iter().map(|(name, _)| name).collect()))
    };
    files.iter().filter(is_example).filter_map(names).collect()
}
