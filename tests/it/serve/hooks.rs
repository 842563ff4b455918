//! gunicorn's server hooks, and what applications expect of gunicorn's loggers.

use std::net::TcpStream;

use rustix::process::Signal;

use super::python::Folder;
use super::server::{Server, get};
use crate::support::wait_until;

const HOOKS: &str = r#"
import os
workers = 1

def note(*words):
    with open("events", "a") as events:
        print(*words, file=events)

def post_fork(server, worker):
    note("post_fork", server.pid == worker.ppid, worker.pid == os.getpid(), worker.age, worker.cfg.workers)
    server.log.info("forked %s", worker.pid)

def post_worker_init(worker):
    note("post_worker_init", worker.booted)

def pre_request(worker, req):
    note("pre_request", req.method, req.path, req.query, dict(req.headers)["HOST"])
    if req.path == "/refused":
        raise RuntimeError("refused by the hook")

def post_request(worker, req, environ, resp):
    note("post_request", req.path, environ["PATH_INFO"], resp.status, dict(resp.headers).get("X-Own"))

def worker_abort(worker):
    note("worker_abort")

def worker_int(worker):
    note("worker_int")

def worker_exit(server, worker):
    note("worker_exit", worker.alive)
"#;

fn request(server: &Server, path: &str) -> String {
    get(TcpStream::connect(&server.address).unwrap(), path).unwrap()
}

#[test]
fn worker_hooks_are_called() {
    let Some(folder) = Folder::new() else { return };
    assert_worker_hooks_are_called(&folder, &[]);
}

#[test]
fn gevent_worker_calls_its_hooks() {
    let Some(folder) = Folder::with_gevent() else { return };
    assert_worker_hooks_are_called(&folder, &["-k", "gevent"]);
}

fn assert_worker_hooks_are_called(folder: &Folder, arguments: &[&str]) {
    folder.write("gunicorn.conf.py", HOOKS);
    let mut server = folder.serve(arguments, 1);
    assert!(request(&server, "/a?b=c").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(request(&server, "/refused").starts_with("HTTP/1.1 500 "));
    server.signal(Signal::TERM);
    server.wait_for("] [INFO] stopping");
    assert_eq!(server.master.wait().unwrap().code(), Some(0));
    let expected = "post_fork True True 1 1\npost_worker_init True\npre_request GET /a b=c a\n\
                    post_request /a /a 200 OK yes\npre_request GET /refused  a\nworker_exit False\n";
    assert_eq!(folder.read("events"), expected);
}

#[test]
fn aborted_worker_calls_its_hook() {
    let Some(folder) = Folder::new() else { return };
    folder.write("gunicorn.conf.py", HOOKS);
    let server = folder.serve(&["--timeout", "1"], 1);
    let hanging = TcpStream::connect(&server.address).unwrap();
    let hanging = std::thread::spawn(move || get(hanging, "/hang"));
    server.wait_for("WORKER TIMEOUT");
    wait_until("the hook", || folder.read("events").contains("worker_abort\n"));
    let _ = hanging.join().unwrap();
}

/// A hook of a gevent worker may block.
#[test]
fn interrupted_gevent_worker_calls_its_hook() {
    let Some(folder) = Folder::with_gevent() else { return };
    let hook = "import time\ndef worker_int(worker):\n    time.sleep(0.01)\n    open('interrupted', 'w').close()\n";
    folder.write("gunicorn.conf.py", hook);
    let server = folder.serve(&["-k", "gevent"], 1);
    super::server::send_signal(server.workers[0], Signal::QUIT);
    server.wait_for("exited with code 0");
    assert!(folder.path().join("interrupted").exists());
}

#[test]
fn other_hooks_are_named() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "gunicorn.conf.py",
        "def ssl_context(config, factory): pass\ndef post_fork(server, worker): pass\nssl_version = 5\n",
    );
    let checked = folder.run(&["--check-config", "shop:app"]);
    let text = crate::support::text(&checked);
    assert!(checked.status.success(), "{text}");
    assert!(text.contains("hooks are not called: ssl_context\n"), "{text}");
    assert!(text.contains("ssl_version has no effect: "), "{text}");
}

/// A common recipe: the application's logger takes over handlers and level of gunicorn's.
#[test]
fn gunicorn_loggers_reach_the_error_log() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "logs.py",
        "import logging\n\
         gunicorn = logging.getLogger('gunicorn.error')\n\
         log = logging.getLogger('shop')\n\
         log.handlers = gunicorn.handlers\n\
         log.setLevel(gunicorn.level)\n\
         def app(environ, start_response):\n\
         \x20   log.debug('a detail')\n\
         \x20   log.info('a request')\n\
         \x20   log.warning('a warning')\n\
         \x20   start_response('200 OK', [('Content-Length', '2')])\n\
         \x20   return [b'ok']\n",
    );
    let cases = [("debug", [true, true, true]), ("info", [false, true, true]), ("warning", [false, false, true])];
    for (level, expected) in cases {
        let mut command = folder.lab();
        let file = format!("errors-{level}");
        command.args(["--bind", "127.0.0.1:0", "--log-level", level, "--error-logfile", &file, "logs:app"]);
        command.args(["--bind", "unix:socket"]);
        let mut master = command.spawn().unwrap();
        let socket = folder.path().join("socket");
        let client = wait_until("a server", || std::os::unix::net::UnixStream::connect(&socket).ok());
        assert!(get(client, "/").unwrap().ends_with("ok"));
        wait_until("the last line", || folder.read(&file).contains("] [WARNING] a warning\n"));
        let text = folder.read(&file);
        let found = ["] [DEBUG] a detail\n", "] [INFO] a request\n", "] [WARNING] a warning\n"];
        assert_eq!(found.map(|line| text.contains(line)), expected, "{level}: {text}");
        super::server::send_signal(master.id(), Signal::TERM);
        assert!(master.wait().unwrap().success());
    }
}
