//! What applications and configurations use of gunicorn as a Python module, and `lab serve` does not provide.

use std::path::Path;

use super::module::{Import, PythonModule};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const MODULE_NOT_PROVIDED: Rule = Rule {
    name: "gunicorn-module-not-provided",
    severity: Severity::Advice,
    why: "under lab serve the import fails unless gunicorn is installed, and then it finds code that does not run there",
    source: "lab serve provides gunicorn.glogging, gunicorn.instrument.statsd, and the types that hooks name",
};

pub(super) const VARIABLE_NOT_PROVIDED: Rule = Rule {
    name: "gunicorn-variable-not-provided",
    severity: Severity::Advice,
    why: "gunicorn adds this variable to the environ, and lab serve does not",
    source: "PEP 3333, environ variables: server-defined variables are optional",
};

/// The modules that a worker provides: those in `lab_wsgi/gunicorn_modules`.
const PROVIDED: [&str; 15] = [
    "gunicorn",
    "gunicorn.arbiter",
    "gunicorn.config",
    "gunicorn.errors",
    "gunicorn.glogging",
    "gunicorn.http",
    "gunicorn.http.message",
    "gunicorn.http.wsgi",
    "gunicorn.instrument",
    "gunicorn.instrument.statsd",
    "gunicorn.workers",
    "gunicorn.workers.base",
    "gunicorn.workers.ggevent",
    "gunicorn.workers.gthread",
    "gunicorn.workers.sync",
];

/// What gunicorn itself defines and a worker provides.
const PROVIDED_NAMES: [&str; 4] = ["SERVER", "SERVER_SOFTWARE", "__version__", "version_info"];

/// Variables of the environ that only gunicorn has, each with what to use instead.
const VARIABLES: [(&str, &str); 1] =
    [("wsgi.early_hints", "Link fields in the response, from which a proxy can send 103")];

pub(super) fn check(file: &Path, module: &PythonModule, findings: &mut Vec<Finding>) {
    for import in &module.imports {
        for name in missing(import) {
            let fix = match name.split('.').nth(1) {
                Some("app") => "lab serve module:application, with the settings in gunicorn.conf.py",
                Some("workers") => "worker_class = \"gthread\", and hooks for what the class does besides",
                _ => "the standard library, or a module of the application's own",
            };
            let message = format!("lab serve does not provide {name}");
            findings.push(Finding::new(&MODULE_NOT_PROVIDED, import.position.in_file(file), message, fix));
        }
    }
    for variable in &module.variables {
        if let Some((name, fix)) = VARIABLES.iter().find(|(name, _)| *name == variable.name) {
            let message = format!("lab serve does not provide {name}");
            findings.push(Finding::new(&VARIABLE_NOT_PROVIDED, variable.position.in_file(file), message, *fix));
        }
    }
}

/// The modules of gunicorn that an import needs and a worker does not provide.
fn missing(import: &Import) -> Vec<String> {
    let module = import.module.as_str();
    if module != "gunicorn" && !module.starts_with("gunicorn.") {
        return Vec::new();
    }
    if !PROVIDED.contains(&module) {
        return vec![module.to_owned()];
    }
    // Other modules define what they are imported for.
    let names = import.names.iter().filter(|name| module == "gunicorn" && !PROVIDED_NAMES.contains(&name.as_str()));
    names.map(|name| format!("{module}.{name}")).filter(|name| !PROVIDED.contains(&name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn provided_modules_are_those_of_the_package() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/lab-python/python/lab_wsgi/gunicorn_modules");
        let mut found = BTreeSet::new();
        let mut pending = vec![(folder, "gunicorn".to_owned())];
        while let Some((folder, name)) = pending.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let stem = path.file_stem().unwrap().to_str().unwrap();
                match (path.is_dir(), stem) {
                    (true, "__pycache__") => {}
                    (true, stem) => pending.push((path.clone(), format!("{name}.{stem}"))),
                    (false, "__init__") => drop(found.insert(name.clone())),
                    (false, stem) => drop(found.insert(format!("{name}.{stem}"))),
                }
            }
        }
        assert_eq!(found, PROVIDED.map(str::to_owned).into());
    }
}
