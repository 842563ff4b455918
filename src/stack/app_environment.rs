//! The surroundings of a WSGI application: its variables, its working folder, its setup command, and the module that
//! calls its factory.

use std::path::{Path, PathBuf};

use super::env_file::{self, EnvFileError};
use super::setup::Setup;
use super::{Role, StartError, write_file};
use crate::provision::bin;
use crate::scenario::model::WsgiApp;

/// The module that calls a factory, for servers that take only the name of a callable.
const FACTORY_MODULE: &str = "lab_factory";

/// The application's variables: those of its file, then its own, which override them.
pub(super) fn variables(app: &WsgiApp) -> Result<Vec<(String, String)>, EnvFileError> {
    let mut variables = match &app.env_file {
        Some(file) => env_file::read(file)?,
        None => Vec::new(),
    };
    variables.retain(|(name, _)| app.environment.iter().all(|(own, _)| own != name));
    variables.extend(app.environment.iter().cloned());
    Ok(variables)
}

/// The working folder of the server, which must exist.
pub(super) fn working_folder(app: &WsgiApp) -> Result<Option<PathBuf>, StartError> {
    match &app.cwd {
        Some(folder) if !folder.is_dir() => {
            let reason = format!("its working folder {} does not exist", folder.display());
            Err(StartError::Unavailable { role: Role::Server, reason })
        }
        folder => Ok(folder.clone()),
    }
}

/// The setup command. `environment` is the server's, and `venv` its environment, whose programs come first on the path.
pub(super) fn setup(app: &WsgiApp, environment: &[(String, String)], venv: Option<&Path>) -> Option<Setup> {
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
    Some(Setup { command, environment, folder: app.cwd.clone() })
}

/// The application as a server names it that cannot call a factory: as a module of lab's in `folder`, which calls it.
pub(super) fn call_factory(app: &WsgiApp, path: &Path, folder: &Path) -> Result<WsgiApp, StartError> {
    let WsgiApp { module, callable, .. } = app;
    let text = format!(
        "\"\"\"Calls the factory that the scenario names, for a server that cannot.\"\"\"\n\n\
         import sys\n\nsys.path.insert(0, {:?})\n\nimport {module}\n\napp = {module}.{callable}\n",
        path.display().to_string()
    );
    write_file(&folder.join(format!("{FACTORY_MODULE}.py")), &text)?;
    Ok(WsgiApp { module: FACTORY_MODULE.to_owned(), callable: "app".to_owned(), ..app.clone() })
}
