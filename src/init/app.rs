//! Chooses the application among the definitions in a project's modules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::python::{Definition, Interface, Module};

/// An application in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// `module:callable`.
    pub(super) name: String,
    /// The folder of the module, relative to the project's.
    pub(super) path: PathBuf,
    pub(super) is_asgi: bool,
    /// `file:line`.
    pub(super) place: String,
    pub(super) file: PathBuf,
}

/// Names by which an application usually goes, the most usual first.
const CALLABLES: [&str; 4] = ["application", "app", "api", "server"];
/// Names of factories.
const FACTORIES: [&str; 4] = ["create_app", "make_app", "build_app", "app_factory"];
/// Names of the files that define applications for servers, the most usual first.
const FILES: [&str; 8] =
    ["wsgi.py", "app.py", "main.py", "__init__.py", "application.py", "server.py", "run.py", "asgi.py"];

/// Every application, the most likely first.
pub(super) fn candidates(modules: &BTreeMap<PathBuf, Module>) -> Vec<Candidate> {
    let mut found: Vec<(usize, usize, Candidate)> = Vec::new();
    for (file, module) in modules {
        let file_rank = rank(&FILES, file.file_name().and_then(|name| name.to_str()).unwrap_or_default());
        let mut add = |definition: &Definition, callable: String, definition_rank: usize| {
            let (path, name) = module_name(file, modules);
            let candidate = Candidate {
                name: format!("{name}:{callable}"),
                path,
                is_asgi: definition.interface == Interface::Asgi,
                place: format!("{}:{}", file.display(), definition.line),
                file: file.clone(),
            };
            found.push((definition_rank, file_rank, candidate));
        };
        for app in &module.apps {
            add(app, app.name.clone(), rank(&CALLABLES, &app.name));
        }
        for factory in module.factories.iter().filter(|factory| factory.required == 0) {
            let is_usual = FACTORIES.contains(&factory.name.as_str());
            add(factory, format!("{}()", factory.name), if is_usual { CALLABLES.len() } else { CALLABLES.len() + 2 });
        }
    }
    // A synchronous application is what most of these deployments have; Django's projects have both.
    found.sort_by_key(|(definition, file, candidate)| (candidate.is_asgi, *file, *definition, candidate.place.clone()));
    found.into_iter().map(|(_, _, candidate)| candidate).collect()
}

fn rank(known: &[&str], name: &str) -> usize {
    known.iter().position(|own| *own == name).unwrap_or(known.len())
}

/// The folder from which a file is imported, and its dotted name there: packages have an `__init__.py`.
fn module_name(file: &Path, modules: &BTreeMap<PathBuf, Module>) -> (PathBuf, String) {
    let mut names = vec![file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned()];
    let mut folder = file.parent().unwrap_or(Path::new("")).to_owned();
    if names[0] == "__init__" {
        names.clear();
    }
    while modules.contains_key(&folder.join("__init__.py")) {
        names.insert(0, folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned());
        folder = folder.parent().unwrap_or(Path::new("")).to_owned();
    }
    (folder, names.join("."))
}

/// The file that defines the module `name`, looked up from the folder `path`.
pub(super) fn file_of<'m>(
    name: &str,
    path: &Path,
    modules: &'m BTreeMap<PathBuf, Module>,
) -> Option<(&'m PathBuf, &'m Module)> {
    let inside = name.replace('.', "/");
    let files = [format!("{inside}.py"), format!("{inside}/__init__.py")];
    files.iter().find_map(|file| modules.get_key_value(&path.join(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(files: &[(&str, &str)]) -> BTreeMap<PathBuf, Module> {
        files.iter().map(|(file, json)| (PathBuf::from(file), serde_json::from_str(json).unwrap())).collect()
    }

    #[test]
    fn most_likely_application_comes_first() {
        let factory = r#"{"factories": [{"name": "create_app", "line": 4, "interface": "wsgi", "required": 0}]}"#;
        let found = candidates(&modules(&[("src/shop/__init__.py", factory)]));
        let names: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.path.clone())).collect();
        assert_eq!(names, [("shop:create_app()", "src".into())]);

        let wsgi = r#"{"apps": [{"name": "application", "line": 9, "interface": "wsgi"}]}"#;
        let asgi = r#"{"apps": [{"name": "application", "line": 9, "interface": "asgi"}]}"#;
        let found = candidates(&modules(&[
            ("site/__init__.py", "{}"),
            ("site/asgi.py", asgi),
            ("site/wsgi.py", wsgi),
            ("shop/app.py", factory),
        ]));
        let names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["site.wsgi:application", "app:create_app()", "site.asgi:application"]);
        assert_eq!(found[0].place, "site/wsgi.py:9");
    }
}
