//! What applications expect of gunicorn as a Python module, with gunicorn installed and without, and of its variables.

use std::net::TcpStream;

use super::python::Folder;
use super::server::{Server, get};

const APP: &str = r#"
import os
import gunicorn
from gunicorn import SERVER_SOFTWARE, glogging
from gunicorn.instrument.statsd import Statsd
from gunicorn.workers.base import Worker

try:
    import gunicorn.app.base
except ImportError as error:
    base = f"{type(error).__name__}: {error}"
else:
    base = "there"

def app(environ, start_response):
    start_response("200 OK", [])
    facts = [gunicorn.__version__, SERVER_SOFTWARE, os.environ["SERVER_SOFTWARE"], environ["SERVER_SOFTWARE"],
             issubclass(Statsd, glogging.Logger), base]
    return ["\n".join(map(str, facts)).encode()]
"#;

fn facts(folder: &Folder) -> Vec<String> {
    let mut command = folder.lab();
    let server = Server::of(command.args(["--bind", "127.0.0.1:0"]), 1, "facts:app");
    let response = get(TcpStream::connect(&server.address).unwrap(), "/").unwrap();
    let body = response.split_once("\r\n\r\n").unwrap().1;
    body.lines().map(str::to_owned).collect()
}

#[test]
fn gunicorn_can_be_imported() {
    let Some(folder) = Folder::new() else { return };
    folder.write("facts.py", APP);
    let software = format!("gunicorn/27.0.1 (lab/{})", env!("CARGO_PKG_VERSION"));
    let expected = |base: &str| ["27.0.1", "gunicorn/27.0.1", &software, &software, "True", base].map(str::to_owned);
    assert_eq!(facts(&folder), expected("there"));
    let folder = folder.without_packages();
    let missing = "ModuleNotFoundError: lab serve provides no gunicorn.app, and gunicorn is not installed";
    assert_eq!(facts(&folder), expected(missing));
}

/// gunicorn sets the variable for the application before it applies `raw_env`.
#[test]
fn raw_env_may_set_the_name_of_the_server() {
    let Some(folder) = Folder::new() else { return };
    folder.write("facts.py", APP);
    folder.write("gunicorn.conf.py", "raw_env = ['SERVER_SOFTWARE=own']\n");
    let facts = facts(&folder);
    assert_eq!(facts[2], "own");
    assert!(facts[3].starts_with("gunicorn/"), "{}", facts[3]);
}

/// As libraries for WebSockets do.
#[test]
fn application_takes_over_an_upgraded_connection() {
    use std::io::{Read as _, Write as _};
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "upgrade.py",
        "def app(environ, start_response):\n\
         \x20   if environ['PATH_INFO'] == '/refused':\n\
         \x20       start_response('400 Bad Request', [('Content-Length', '2')])\n\
         \x20       return [b'no']\n\
         \x20   client = environ['gunicorn.socket']\n\
         \x20   client.sendall(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: echo\\r\\n\\r\\n')\n\
         \x20   while content := client.recv(100):\n\
         \x20       client.sendall(content)\n\
         \x20       if content == b'bye':\n\
         \x20           break\n\
         \x20   raise StopIteration\n",
    );
    let request =
        |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    let mut gunicorn = std::process::Command::new(folder.venv.join("bin/python"));
    gunicorn.args(["-m", "gunicorn", "--no-control-socket", "--threads", "2", "--bind", "127.0.0.1:0", "upgrade:app"]);
    let mut single = folder.lab();
    single.args(["--bind", "127.0.0.1:0", "upgrade:app"]);
    let mut threaded = folder.lab();
    threaded.args(["--bind", "127.0.0.1:0", "--threads", "2", "--access-logfile", "access", "upgrade:app"]);
    for mut command in [folder.in_here(gunicorn), single, threaded] {
        let server = Server::spawn(&mut command);
        let mut client = TcpStream::connect(&server.address).unwrap();
        client.write_all(request("/").as_bytes()).unwrap();
        let mut expect = |expected: &str| {
            let mut received = vec![0; expected.len()];
            client.read_exact(&mut received).unwrap();
            assert_eq!(String::from_utf8_lossy(&received), expected);
            client.try_clone().unwrap()
        };
        expect("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n").write_all(b"hello").unwrap();
        expect("hello").write_all(b"bye").unwrap();
        let mut rest = expect("bye");
        assert_eq!(rest.read(&mut [0; 10]).unwrap(), 0);
        let mut client = TcpStream::connect(&server.address).unwrap();
        client.write_all(request("/refused").as_bytes()).unwrap();
        let mut line = [0; 12];
        client.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"HTTP/1.1 400");
    }
    assert!(!folder.read("access").contains(" 500 "), "{}", folder.read("access"));
}

/// A body too large for memory is kept there.
#[test]
fn large_bodies_are_kept_in_their_folder() {
    use std::io::{Read as _, Write as _};
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "files.py",
        "import os\n\
         def app(environ, start_response):\n\
         \x20   links = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if fd.isdigit()\n\
         \x20            and os.path.lexists(f'/proc/self/fd/{fd}')]\n\
         \x20   start_response('200 OK', [])\n\
         \x20   return ['\\n'.join(links).encode()]\n",
    );
    std::fs::create_dir(folder.path().join("uploads")).unwrap();
    folder.write("gunicorn.conf.py", "tmp_upload_dir = 'uploads'\n");
    let mut command = folder.lab();
    let server = Server::of(command.args(["--bind", "127.0.0.1:0"]), 1, "files:app");
    let mut client = TcpStream::connect(&server.address).unwrap();
    let length = 4 * 1024 * 1024;
    write!(client, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n").unwrap();
    client.write_all(&vec![b'x'; length]).unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    let uploads = folder.path().join("uploads");
    assert!(response.lines().any(|line| line.starts_with(uploads.to_str().unwrap())), "{response}");
}
