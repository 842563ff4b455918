//! Writes `[app]`.

use std::fmt::Write as _;

use super::super::deployment::{App, Deployment, Packages, RequiredValue};
use super::{quoted, quoted_path};

/// Where the comments behind the lines start, if there is room.
const COMMENTS: usize = 44;

pub(super) fn write(text: &mut String, deployment: &Deployment, app: &App) {
    let interface = if app.is_asgi { "asgi" } else { "wsgi" };
    let mut line = |line: String, comment: &str| {
        let _ = match comment {
            "" => writeln!(text, "{line}"),
            comment => writeln!(text, "{line:COMMENTS$} # {comment}"),
        };
    };
    line("[app]".to_owned(), "");
    line(format!("{interface} = {}", quoted(&app.name)), "");
    line(format!("path = {}", quoted_path(&app.path)), "the folder of its module");
    line(format!("cwd  = {}", quoted_path(&app.cwd)), "where the servers start");
    match &deployment.packages {
        Packages::Venv(venv) => {
            let comment = "its own packages, with its own gunicorn if it has one";
            line(format!("venv = {}", quoted_path(venv)), comment);
        }
        Packages::File(file) => {
            let comment = "what it pins is installed, also of the server";
            line(format!("requirements = {}", quoted_path(file)), comment);
        }
        Packages::NotFound => {
            let comment = "or requirements = \"requirements.txt\": none was found";
            line("# venv = \".venv\"".to_owned(), comment);
        }
    }
    match deployment.env_files.as_slice() {
        [] => {}
        [file] => line(format!("env_file = {}", quoted_path(file)), ""),
        files => {
            let files: Vec<String> = files.iter().map(|file| quoted_path(file)).collect();
            line(format!("env_file = [{}]", files.join(", ")), "the later ones override");
        }
    }
    let made_up =
        deployment.required.iter().filter_map(|required| Some((required.name.clone(), required.value.clone()?)));
    let variables: Vec<(String, String)> = app.variables.iter().cloned().chain(made_up).collect();
    for RequiredValue { name, place, value, .. } in &deployment.required {
        match value {
            Some(_) => line(format!("# {name} is made up: {place} reads it, and no file has it."), ""),
            None => line(format!("# {name} is missing: {place} reads it."), ""),
        }
    }
    if !variables.is_empty() {
        let pairs = variables.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)));
        line(format!("env = {{ {} }}", pairs.collect::<Vec<_>>().join(", ")), "");
    }
    if let Some(setup) = &app.setup {
        if let Some(command) = setup.proposed() {
            line(format!("setup = {}", quoted(command)), "before each start");
        }
        if setup.changes_data {
            let comment = "not run unless you say so: it would change a database that is there";
            line(format!("# setup = {}", quoted(&setup.command)), comment);
        }
    }
    text.push('\n');
}
