//! The surroundings of a Python application: its variables, its working folder, its setup command.

use std::path::{Path, PathBuf};

use super::env_file::{self, EnvFileError};
use super::shell_command::ShellCommand;
use super::{Role, StartError};
use crate::provision::bin;
use crate::scenario::model::PythonApp;

/// The output of the setup command, in the folder of the visit.
const SETUP_LOG: &str = "setup.log";

/// The application's variables: those of its files, then those of its services, then its own. The later ones override.
pub(super) fn variables(app: &PythonApp, services: &[(String, String)]) -> Result<Vec<(String, String)>, EnvFileError> {
    let of_files: Result<Vec<_>, _> = app.env_files.iter().map(|file| env_file::read(file)).collect();
    let of_files = of_files?;
    let mut variables: Vec<(String, String)> = Vec::new();
    for overriding in of_files.iter().map(Vec::as_slice).chain([services, &app.environment]) {
        variables.retain(|(name, _)| overriding.iter().all(|(own, _)| own != name));
        variables.extend(overriding.iter().cloned());
    }
    Ok(variables)
}

/// The working folder of the server, which must exist.
pub(super) fn working_folder(app: &PythonApp) -> Result<Option<PathBuf>, StartError> {
    match &app.cwd {
        Some(folder) if !folder.is_dir() => {
            let reason = format!("its working folder {} does not exist", folder.display());
            Err(StartError::Unavailable { role: Role::Server, reason })
        }
        folder => Ok(folder.clone()),
    }
}

/// The setup command. `environment` is the server's, and `venv` its environment, whose programs come first on the path.
pub(super) fn setup(
    app: &PythonApp,
    environment: &[(String, String)],
    venv: Option<&Path>,
    visit: &Path,
) -> Option<ShellCommand> {
    let command = app.setup.clone()?;
    let mut environment = environment.to_vec();
    if let Some(venv) = venv {
        let given = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.into());
        let path = given.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let folders = std::iter::once(bin(venv)).chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(folders) {
            environment.retain(|(name, _)| name != "PATH");
            environment.push(("PATH".to_owned(), path.to_string_lossy().into_owned()));
        }
        environment.push(("VIRTUAL_ENV".to_owned(), venv.display().to_string()));
    }
    let (title, log) = ("the setup command".to_owned(), visit.join(SETUP_LOG));
    let program = ["sh", "-c", &command].map(str::to_owned).to_vec();
    Some(ShellCommand { title, log, command, program, environment, folder: app.cwd.clone() })
}
