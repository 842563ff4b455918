//! Looks for the application's packages, and for the files with its variables.

use std::path::{Path, PathBuf};

use super::super::deployment::{Deployment, Packages};
use super::super::launch_files::Launch;
use super::text_of;

/// Names of virtual environments.
const VENVS: [&str; 3] = [".venv", "venv", "env"];
/// Files with an application's packages, the most exact first.
const PACKAGE_FILES: [&str; 10] = [
    "uv.lock",
    "poetry.lock",
    "Pipfile.lock",
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/base.txt",
    "requirements-prod.txt",
    "Pipfile",
    PROJECT_FILE,
];
/// It may name packages, or only tools.
const PROJECT_FILE: &str = "pyproject.toml";

/// The packages nearest to the application.
pub(super) fn find(deployment: &mut Deployment) {
    let homes = homes(deployment);
    let is_venv = |venv: &PathBuf| deployment.folder.join(venv).join("bin/python").is_file();
    let is_file = |file: &PathBuf| {
        let text = text_of(deployment, file);
        text.is_some_and(|text| !file.ends_with(PROJECT_FILE) || has_dependencies(&text))
    };
    let venv = homes.iter().flat_map(|home| VENVS.map(|name| home.join(name))).find(is_venv);
    let file = homes.iter().flat_map(|home| PACKAGE_FILES.map(|name| home.join(name))).find(is_file);
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
            let project = homes.iter().map(|home| home.join(PROJECT_FILE));
            let project = project
                .into_iter()
                .find(|file| text_of(deployment, file).is_some_and(|text| has_poetry_dependencies(&text)));
            deployment.missing.push(match project {
                Some(project) => format!(
                    "the application's packages: {} has them for Poetry alone; `poetry lock` writes poetry.lock, which \
                     lab reads",
                    project.display()
                ),
                None => "the application's packages (.venv, uv.lock, poetry.lock, Pipfile.lock, Pipfile, \
                         requirements.txt, pyproject.toml with dependencies): it gets none"
                    .to_owned(),
            });
            Packages::NotFound
        }
    };
}

/// Whether a project file lists the dependencies of the project (PEP 621).
fn has_dependencies(text: &str) -> bool {
    let project = toml::from_str::<toml::Table>(text).ok().and_then(|mut table| table.remove("project"));
    project.is_some_and(|project| project.get("dependencies").is_some_and(toml::Value::is_array))
}

/// Whether a project file lists them as Poetry did before its version 2.
fn has_poetry_dependencies(text: &str) -> bool {
    let tools = toml::from_str::<toml::Table>(text).ok().and_then(|mut table| table.remove("tool"));
    tools.is_some_and(|tools| tools.get("poetry").is_some_and(|poetry| poetry.get("dependencies").is_some()))
}

/// The `.env` beside the application, then the files that the launch names.
pub(super) fn find_variables(launch: Option<&Launch>, deployment: &mut Deployment) {
    let own = homes(deployment).into_iter().map(|home| home.join(".env"));
    let own = own.into_iter().find(|file| deployment.folder.join(file).is_file());
    let mut files: Vec<PathBuf> = own.into_iter().collect();
    for file in launch.iter().flat_map(|launch| &launch.env_files) {
        // The later ones override.
        files.retain(|known| known != file);
        files.push(file.clone());
    }
    for file in &files {
        deployment.found.push(format!("variables: {}", file.display()));
    }
    deployment.env_files = files;
}

/// The folders in which an application has its files: its module's, and those above.
fn homes(deployment: &Deployment) -> Vec<PathBuf> {
    let path = deployment.app.as_ref().map_or(Path::new(""), |app| &app.path);
    path.ancestors().map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_file_may_have_no_dependencies() {
        assert!(has_dependencies("[project]\nname = \"shop\"\ndependencies = [\"flask\"]\n"));
        assert!(!has_dependencies("[tool.ruff]\nline-length = 100\n"));
        assert!(!has_dependencies("[project]\nname = \"shop\"\n"));
        let of_poetry = "[tool.poetry.dependencies]\nflask = \"^3.0\"\n";
        assert!(!has_dependencies(of_poetry) && has_poetry_dependencies(of_poetry));
    }
}
