//! The same small application for each gateway, for tests that must hold with both.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::python::Folder;
use super::server::Server;

const PONG: &str = r#"
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"Pong!"]
"#;

/// An application that responds to `/pong` with `Pong!`.
pub(super) struct Host {
    pub(super) app: &'static str,
    /// Additional arguments of `lab serve`.
    pub(super) arguments: Vec<String>,
    /// The folder of the application. A native one has none.
    pub(super) folder: Option<Folder>,
}

/// A native app; and one in Python, in place and on threads, where there is a Python.
pub(super) fn hosts() -> Vec<Host> {
    let mut hosts = vec![Host { app: "native:hello", arguments: Vec::new(), folder: None }];
    for threads in ["1", "2"] {
        let Some(folder) = Folder::new() else { break };
        folder.write("pong.py", PONG);
        // Workers may run as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let arguments = ["--venv", folder.venv.to_str().unwrap(), "--chdir", folder.path().to_str().unwrap()];
        let arguments = arguments.into_iter().chain(["--threads", threads]).map(str::to_owned).collect();
        hosts.push(Host { app: "pong:app", arguments, folder: Some(folder) });
    }
    hosts
}

impl Host {
    /// A server on a free port.
    pub(super) fn serve(&self, arguments: &[&str]) -> Server {
        self.complete(Server::command().args(arguments))
    }

    /// A server by a command that lacks the application.
    pub(super) fn complete(&self, command: &mut Command) -> Server {
        Server::of(command.args(&self.arguments), 1, self.app)
    }
}
