//! The frameworks' own hello applications, and gunicorn beside them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};

use super::environment::python;
use super::launch::{Worker, settings};

#[test]
fn every_framework_says_hello() {
    let Some(python) = python() else { return };
    for app in ["flask", "django", "bottle", "falcon", "pyramid"] {
        let worker = Worker::start(python, settings(&format!("hello_{app}:app")));
        assert_eq!(worker.get("/"), "Hello, World!", "{app}");
        let form = "POST /form HTTP/1.0\r\nHost: a\r\nContent-Length: 6\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\n\r\nname=x";
        let response = String::from_utf8_lossy(&worker.exchange(form.as_bytes())).into_owned();
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("Hello, x!"), "{app}: {response}");
    }
}

/// Variables that may differ: the server's name and the ports. Objects are not in the response.
const DIFFERENT: [&str; 3] = ["SERVER_SOFTWARE", "REMOTE_PORT", "SERVER_PORT"];

#[test]
fn environ_matches_gunicorn() {
    let Some(python) = python() else { return };
    let worker = Worker::start(python, settings("environ:app"));
    let gunicorn = Gunicorn::start(python, "environ:app");
    let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a%20b/%2F%e9?c=%20d&e HTTP/1.1\r\nHost: a:80\r\nX-A: 1\r\nx-a: 2\r\nAccept:\r\n\r\n",
        "GET //x/../y? HTTP/1.0\r\n\r\n",
        "GET /%zz%?? HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\nX-Latin: \u{e9}\r\n\r\n",
        "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nHello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\nX-Forwarded-For: 2\r\nCONTENT_LENGTH: 9\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\n\r\n",
        "GET /app/b HTTP/1.1\r\nHost: a\r\nSCRIPT_NAME: /app\r\nPATH_INFO: /x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "PURGE /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTE: trailers\r\nUpgrade: x\r\n\r\n",
    ];
    for request in requests {
        // Bytes that are no UTF-8, as the protocol allows them.
        let bytes: Vec<u8> = request.chars().map(|char| u8::try_from(u32::from(char)).expect("Latin-1")).collect();
        assert_eq!(environ(&worker.exchange(&bytes)), environ(&gunicorn.exchange(&bytes)), "{request}");
    }
    // Both refuse these, with the same status.
    let refused = [
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Type: a\r\nContent-Type: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nHello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for request in refused {
        let status = |response: Vec<u8>| String::from_utf8_lossy(&response).chars().skip(9).take(3).collect::<String>();
        let (own, theirs) =
            (status(worker.exchange(request.as_bytes())), status(gunicorn.exchange(request.as_bytes())));
        assert_eq!((own.as_str(), theirs.as_str()), ("400", "400"), "{request}");
    }
}

/// The environ in a response, without variables that may differ.
fn environ(response: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(response);
    let body = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}")).1;
    let variables = body.lines().map(|line| line.split_once('=').unwrap_or_else(|| panic!("{text}")));
    let variables = variables.filter(|(name, _)| !DIFFERENT.contains(name));
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A running gunicorn with one worker.
struct Gunicorn {
    process: Child,
    listener: TcpListener,
}

impl Gunicorn {
    fn start(python: &Path, app: &str) -> Gunicorn {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut command = Command::new(python);
        command.args(["-m", "gunicorn", "--bind", "fd://3", "--log-level", "error", app]);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/wsgi/apps")).stdin(Stdio::null());
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let parent_fd = OwnedFd::from(listener.try_clone().expect("a handle"));
        command.fd_mappings(vec![FdMapping { parent_fd, child_fd: 3 }]).expect("one number");
        let process = command.spawn().expect("gunicorn starts");
        Gunicorn { process, listener }
    }

    /// What is sent waits in the backlog until a worker is there.
    fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut client = TcpStream::connect(self.listener.local_addr().expect("an address")).expect("it listens");
        client.write_all(request).expect("gunicorn reads");
        client.shutdown(Shutdown::Write).expect("a socket");
        let mut response = Vec::new();
        // A reset may follow the response to a refused request.
        let _ = client.read_to_end(&mut response);
        response
    }
}

impl Drop for Gunicorn {
    fn drop(&mut self) {
        let terminated = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.process),
            rustix::process::Signal::TERM,
        );
        assert!(terminated.is_ok() && self.process.wait().is_ok());
    }
}
