//! Other files in which a project names its packages, as requirements of pip: `pyproject.toml`, `Pipfile` and its lock file. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `pyproject.toml`: <https://packaging.python.org/en/latest/specifications/pyproject-toml/>
#[derive(Deserialize)]
struct ProjectFile {
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Project {
    dependencies: Option<Vec<String>>,
}

/// The dependencies of the project, without extras and groups.
///
/// # Errors
/// It is not TOML, or lists no dependencies.
pub(super) fn from_pyproject(text: &str) -> Result<String, String> {
    let file: ProjectFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let dependencies = file.project.and_then(|project| project.dependencies).ok_or(
        "it has no `dependencies` in `[project]`; accepted: these, or the lock file of the tool that manages them",
    )?;
    Ok(dependencies.iter().map(|dependency| format!("{dependency}\n")).collect())
}

/// `Pipfile.lock`
#[derive(Deserialize)]
struct PipfileLock {
    default: BTreeMap<String, PipfilePackage>,
}

/// `Pipfile`
#[derive(Deserialize)]
struct Pipfile {
    packages: BTreeMap<String, PipfileEntry>,
}

/// What a `Pipfile` says of a package: its versions alone, or a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum PipfileEntry {
    Versions(String),
    Package(PipfilePackage),
}

#[derive(Deserialize, Default)]
struct PipfilePackage {
    /// With its operator: `==1.0`.
    version: Option<String>,
    #[serde(default)]
    extras: Vec<String>,
    markers: Option<String>,
    git: Option<String>,
    #[serde(rename = "ref")]
    revision: Option<String>,
}

impl PipfilePackage {
    /// A line for pip.
    fn requirement(self, name: &str) -> String {
        let PipfilePackage { version, extras, markers, git, revision } = self;
        let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
        let requirement = match git {
            Some(git) => format!("{name}{extras} @ git+{git}@{}", revision.as_deref().unwrap_or("HEAD")),
            None => {
                format!("{name}{extras}{}", version.as_deref().filter(|version| *version != "*").unwrap_or_default())
            }
        };
        match markers {
            Some(markers) => format!("{requirement} ; {markers}\n"),
            None => format!("{requirement}\n"),
        }
    }
}

/// The locked packages of the project, without those for development.
///
/// # Errors
/// It is not a lock file of Pipenv.
pub(super) fn from_pipfile_lock(text: &str) -> Result<String, String> {
    let lock: PipfileLock = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(lock.default.into_iter().map(|(name, package)| package.requirement(&name)).collect())
}

/// The packages of the project that has no lock file, without those for development.
///
/// # Errors
/// It is not TOML, or has no `[packages]`.
pub(super) fn from_pipfile(text: &str) -> Result<String, String> {
    let file: Pipfile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let packages = file.packages.into_iter().map(|(name, entry)| match entry {
        PipfileEntry::Versions(versions) => {
            PipfilePackage { version: Some(versions), ..PipfilePackage::default() }.requirement(&name)
        }
        PipfileEntry::Package(package) => package.requirement(&name),
    });
    Ok(packages.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_lists_its_dependencies() {
        let text = "[project]\nname = \"shop\"\ndependencies = [\"flask>=3\", \"gunicorn\"]\n\
                    [project.optional-dependencies]\ndev = [\"pytest\"]\n";
        assert_eq!(from_pyproject(text).unwrap(), "flask>=3\ngunicorn\n");
        let error = from_pyproject("[tool.poetry.dependencies]\nflask = \"^3\"\n").unwrap_err();
        assert!(error.contains("no `dependencies` in `[project]`"), "{error}");
    }

    #[test]
    fn pipfile_lock_lists_what_the_project_needs() {
        let lock = r#"{
            "_meta": {},
            "default": {
                "colorama": { "version": "==0.4.6", "markers": "sys_platform == 'win32'", "hashes": [] },
                "fork": { "git": "https://example.org/fork.git", "ref": "0123abc" },
                "gunicorn": { "version": "==22.0.0", "extras": ["gevent"], "index": "pypi" }
            },
            "develop": { "pytest": { "version": "==8.0.0" } }
        }"#;
        let expected = "colorama==0.4.6 ; sys_platform == 'win32'\nfork @ git+https://example.org/fork.git@0123abc\n\
                        gunicorn[gevent]==22.0.0\n";
        assert_eq!(from_pipfile_lock(lock).unwrap(), expected);
        assert!(from_pipfile_lock("[]").is_err());
    }

    #[test]
    fn pipfile_lists_what_the_project_needs() {
        let text = "[[source]]\nname = \"pypi\"\nurl = \"https://pypi.org/simple\"\n[packages]\nflask = \"*\"\n\
                    gunicorn = { version = \">=22\", extras = [\"gevent\"] }\nredis = \"~=5.0\"\n\
                    [dev-packages]\npytest = \"*\"\n";
        assert_eq!(from_pipfile(text).unwrap(), "flask\ngunicorn[gevent]>=22\nredis~=5.0\n");
        let error = from_pipfile("[requires]\npython_version = \"3.12\"\n").unwrap_err();
        assert!(error.contains("missing field `packages`"), "{error}");
    }
}
