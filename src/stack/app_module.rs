//! The module that lab writes around an application: it calls the factory, for servers that cannot, and it shows lab the
//! requests, for checks.

use std::path::Path;

use super::{StartError, create_folder, write_file};
use crate::catalog::kind::Interface;
use crate::scenario::model::PythonApp;

/// The module that a server imports instead of the application's, and its callable.
const MODULE: &str = "lab_app";
const CALLABLE: &str = "app";
/// The module that describes requests to lab.
const OBSERVER_MODULE: &str = "lab_observer";
const OBSERVER: &str = include_str!("app_module/lab_observer.py");

/// Writes the module into `folder`, and returns the application that it has. `path` is the folder of the application's own
/// module. With `observer`, the name of a socket, requests are sent to that socket.
pub(super) fn write(
    app: &PythonApp,
    path: &Path,
    folder: &Path,
    observer: Option<&str>,
) -> Result<PythonApp, StartError> {
    create_folder(folder)?;
    write_file(&folder.join(format!("{MODULE}.py")), &text(app, path, observer))?;
    if observer.is_some() {
        write_file(&folder.join(format!("{OBSERVER_MODULE}.py")), OBSERVER)?;
    }
    Ok(PythonApp { module: MODULE.to_owned(), callable: CALLABLE.to_owned(), ..app.clone() })
}

fn text(app: &PythonApp, path: &Path, observer: Option<&str>) -> String {
    let PythonApp { module, callable, interface, .. } = app;
    let wrapper = if *interface == Interface::Asgi { "asgi" } else { "wsgi" };
    let (import, application) = match observer {
        Some(name) => (
            format!("import {OBSERVER_MODULE}\n"),
            format!("{OBSERVER_MODULE}.{wrapper}({module}.{callable}, {name:?})"),
        ),
        None => (String::new(), format!("{module}.{callable}")),
    };
    format!(
        "\"\"\"The application that the scenario names, as lab passes it to the server.\"\"\"\n\n\
         import sys\n\nsys.path.insert(0, {:?})\n\n{import}import {module}\n\n{CALLABLE} = {application}\n",
        path.display().to_string()
    )
}
