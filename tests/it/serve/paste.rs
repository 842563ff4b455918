//! `paste`: applications in PasteDeploy files.

use std::net::TcpStream;

use super::python::Folder;
use super::server::{Server, get};
use crate::support::text;

const INI: &str = "\
[app:main]
paste.app_factory = shop_paste:make
greeting = hello

[app:other]
paste.app_factory = shop_paste:make
greeting = good bye

[loggers]
keys = root

[handlers]
keys = file

[formatters]
keys = plain

[logger_root]
level = INFO
handlers = file

[handler_file]
class = FileHandler
args = ('%(here)s/log', 'a')
formatter = plain

[formatter_plain]
format = %(name)s %(message)s
";

const FACTORY: &str = r#"
import logging

def make(global_conf, greeting):
    def app(environ, start_response):
        logging.getLogger("shop").warning("greeting")
        start_response("200 OK", [])
        return [f"{greeting} from {global_conf.get('town')}".encode()]
    return app
"#;

#[test]
fn application_of_a_paste_file_is_served() {
    let Some(folder) = Folder::new() else { return };
    folder.write("shop.ini", INI);
    folder.write("shop_paste.py", FACTORY);
    for (uri, greeting) in [("shop.ini", "hello from Ulm"), ("shop.ini#other", "good bye from Ulm")] {
        let mut command = folder.lab();
        command.args(["--bind", "127.0.0.1:0", "--paste", uri, "--paste-global", "town=Ulm", "--pythonpath", "."]);
        let server = Server::spawn(&mut command);
        let response = get(TcpStream::connect(&server.address).unwrap(), "/").unwrap();
        assert!(response.ends_with(greeting), "{response}");
        assert!(folder.read("log").contains("shop greeting\n"), "{}", folder.read("log"));
    }
    let checked = folder.run(&["--check-config", "--paste", "shop.ini"]);
    assert!(checked.status.success(), "{}", text(&checked));
}

#[test]
fn missing_paste_files_and_packages_are_named() {
    let Some(folder) = Folder::new() else { return };
    let output = folder.run(&["--check-config", "--paste", "nowhere.ini"]);
    assert!(text(&output).contains("--paste = nowhere.ini: cannot read "), "{}", text(&output));
    folder.write("shop.ini", INI);
    let folder = folder.without_packages();
    let output = folder.run(&["--bind", "127.0.0.1:0", "--paste", "shop.ini"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(text(&output).contains("bin/python -m pip install PasteDeploy`"), "{}", text(&output));
}
