//! Writes `[app]`.

use std::fmt::Write as _;

use super::super::deployment::{App, Deployment, Packages};
use super::{quoted, quoted_path};

pub(super) fn write(text: &mut String, deployment: &Deployment, app: &App) {
    let _ = writeln!(text, "[app]");
    let interface = if app.is_asgi { "asgi" } else { "wsgi" };
    let _ = writeln!(text, "{interface} = {}", quoted(&app.name));
    let _ =
        writeln!(text, "path = {}                                  # the folder of its module", quoted_path(&app.path));
    let _ =
        writeln!(text, "cwd  = {}                                  # where the servers start", quoted_path(&app.path));
    match &deployment.packages {
        Packages::Venv(venv) => {
            let _ = writeln!(
                text,
                "venv = {}                              # its own packages, with its own gunicorn if it has one",
                quoted_path(venv)
            );
        }
        Packages::File(file) => {
            let _ = writeln!(
                text,
                "requirements = {}           # what it pins is installed, also of the server",
                quoted_path(file)
            );
        }
        Packages::NotFound => {
            let _ = writeln!(
                text,
                "# venv = \".venv\"                            # or requirements = \"requirements.txt\": none was found"
            );
        }
    }
    if let Some(file) = &deployment.env_file {
        let _ = writeln!(text, "env_file = {}", quoted_path(file));
    }
    if !app.variables.is_empty() {
        let pairs = app.variables.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)));
        let _ = writeln!(text, "env = {{ {} }}", pairs.collect::<Vec<_>>().join(", "));
    }
    if let Some((command, is_safe)) = &app.setup {
        let (mark, note) = match is_safe {
            true => ("", "before each start"),
            false => ("# ", "not run unless you say so: it changes the database that is there"),
        };
        let _ = writeln!(text, "{mark}setup = {}   # {note}", quoted(command));
    }
    text.push('\n');
}
