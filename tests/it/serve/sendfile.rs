//! `sendfile`: how the files of `wsgi.file_wrapper` are sent.

use std::net::TcpStream;

use super::python::Folder;
use super::server::{Server, get};

/// Reading moves the position of the open file, which the duplicate shares; sendfile(2) does not.
const APP: &str = r#"
import os

duplicates = []

def app(environ, start_response):
    if environ["PATH_INFO"] == "/position":
        start_response("200 OK", [])
        return [str(os.lseek(duplicates[-1], 0, os.SEEK_CUR)).encode()]
    file = open("content", "rb")
    duplicates.append(os.dup(file.fileno()))
    start_response("200 OK", [("Content-Length", str(os.path.getsize("content")))])
    return environ["wsgi.file_wrapper"](file)
"#;

#[test]
fn sendfile_setting_is_followed() {
    let Some(folder) = Folder::new() else { return };
    folder.write("files.py", APP);
    folder.write("content", &"line\n".repeat(1000));
    let cases = [
        (&[][..], None, "0"),
        (&["--no-sendfile"], None, "5000"),
        (&[], Some("0"), "5000"),
        (&[], Some("YES"), "0"),
        (&["--no-sendfile"], Some("1"), "5000"),
    ];
    for (arguments, variable, position) in cases {
        let mut command = folder.lab();
        command.args(["--bind", "127.0.0.1:0"]).args(arguments).env_remove("SENDFILE");
        command.envs(variable.map(|value| ("SENDFILE", value)));
        let server = Server::of(&mut command, 1, "files:app");
        let body = |path: &str| {
            let response = get(TcpStream::connect(&server.address).unwrap(), path).unwrap();
            response.split_once("\r\n\r\n").unwrap().1.to_owned()
        };
        assert_eq!(body("/file").len(), 5000);
        assert_eq!(body("/position"), position, "{arguments:?} {variable:?}");
    }
}
