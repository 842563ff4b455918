//! gevent workers of `lab serve`: what they need, and how they come and go.

use std::net::TcpStream;

use lab::exit::Exit;
use rustix::process::Signal;

use super::python::Folder;
use super::retirement::{assert_sigterm_answers_open_connections, storm, wait_for_responses};
use super::server::{Server, get};
use super::traffic::TRAFFICS;
use crate::support::{assert_exit, text};

const APP: &str = "
import time
from gevent import monkey

def app(environ, start_response):
    path, seconds = environ['PATH_INFO'], float(environ['QUERY_STRING'] or 0)
    if path == '/sleeps':
        time.sleep(seconds)
    if path == '/blocks':
        monkey.get_original('time', 'sleep')(seconds)
    start_response('200 OK', [('Content-Length', '2')])
    return [b'ok']
";

fn serve(folder: &Folder, arguments: &[&str]) -> Server {
    folder.write("waits.py", APP);
    let mut command = folder.lab();
    command.args(["--bind", "127.0.0.1:0", "-k", "gevent"]).args(arguments);
    Server::of(&mut command, 1, "waits:app")
}

fn request(server: &Server, path: &'static str) -> std::thread::JoinHandle<std::io::Result<String>> {
    let client = TcpStream::connect(&server.address).unwrap();
    std::thread::spawn(move || get(client, path))
}

#[test]
fn missing_gevent_is_explained() {
    let Some(folder) = Folder::with_gevent() else { return };
    std::fs::create_dir(folder.path().join("modules")).unwrap();
    for (module, found) in [
        (
            "raise ImportError('not here')",
            "cannot import gevent, and worker_class = gevent needs gevent 24.10.1 or later",
        ),
        ("__version__ = '23.9.1'", "has gevent 23.9.1, and worker_class = gevent needs gevent 24.10.1 or later"),
    ] {
        folder.write("modules/gevent.py", module);
        for arguments in [&["--check-config"][..], &["--bind", "127.0.0.1:0"]] {
            let mut command = folder.lab();
            let output = command.args(["-k", "gevent", "--pythonpath", "modules", "shop:app"]).args(arguments).output();
            let output = output.unwrap();
            assert_exit(&output, Exit::Usage);
            let output_text = text(&output);
            assert!(output_text.contains(found), "{output_text}");
            assert!(output_text.contains("bin/python -m pip install 'gevent>=24.10.1'"), "{output_text}");
        }
        // No other worker needs it.
        assert_exit(&folder.run(&["--pythonpath", "modules", "--check-config", "shop:app"]), Exit::Ok);
    }
}

#[test]
fn application_is_loaded_behind_the_patch() {
    let Some(folder) = Folder::with_gevent() else { return };
    folder.write(
        "patched.py",
        "from gevent import monkey\n\
         assert monkey.is_module_patched('socket') and monkey.is_module_patched('threading')\n\
         from shop import app\n",
    );
    for class in ["gevent", "gevent_wsgi", "gevent_pywsgi", "gunicorn.workers.ggevent.GeventWorker"] {
        assert_exit(&folder.run(&["-k", class, "--check-config", "patched:app"]), Exit::Ok);
    }
    let mut command = folder.lab();
    let server = Server::of(command.args(["--bind", "127.0.0.1:0", "-k", "gevent"]), 1, "patched:app");
    assert!(request(&server, "/").join().unwrap().unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
}

/// The fork server loads the application unpatched, as gunicorn's arbiter does.
#[test]
fn preloaded_application_runs_in_greenlets() {
    let Some(folder) = Folder::with_gevent() else { return };
    let server = serve(&folder, &["--preload"]);
    let slow = request(&server, "/sleeps?1");
    assert!(request(&server, "/").join().unwrap().unwrap().ends_with("ok"));
    assert!(!slow.is_finished());
    assert!(slow.join().unwrap().unwrap().ends_with("ok"));
}

/// A common recipe, for an application that must be loaded patched.
#[test]
fn patched_fork_server_forks_workers() {
    let Some(folder) = Folder::with_gevent() else { return };
    folder.write("gunicorn.conf.py", "from gevent import monkey\nmonkey.patch_all()\npreload_app = True\n");
    let server = serve(&folder, &[]);
    assert!(request(&server, "/sleeps?0.1").join().unwrap().unwrap().ends_with("ok"));
    server.signal(Signal::HUP);
    server.wait_for_worker();
    server.wait_for("exited with code 0");
    assert!(request(&server, "/sleeps?0.1").join().unwrap().unwrap().ends_with("ok"));
}

#[test]
fn gevent_workers_retire_without_loss() {
    for traffic in TRAFFICS {
        let Some(folder) = Folder::with_gevent() else { return };
        let server = folder.serve(&["-k", "gevent", "--max-requests", "100"], 2);
        storm(&server.address, traffic, |responses| wait_for_responses(responses, 500));
    }
}

#[test]
fn reloads_of_gevent_workers_lose_none() {
    for traffic in TRAFFICS {
        let Some(folder) = Folder::with_gevent() else { return };
        let server = folder.serve(&["-k", "gevent"], 2);
        storm(&server.address, traffic, |_| {
            for _ in 0..2 {
                server.signal(Signal::HUP);
                server.wait_for_worker();
                server.wait_for_worker();
            }
        });
    }
}

#[test]
fn sigterm_answers_open_connections_of_gevent() {
    let Some(folder) = Folder::with_gevent() else { return };
    assert_sigterm_answers_open_connections(folder.serve(&["-k", "gevent"], 1));
}

/// The timeout is for a hub that is blocked. A request may take longer.
#[test]
fn timeout_is_that_of_the_hub() {
    let Some(folder) = Folder::with_gevent() else { return };
    let server = serve(&folder, &["--timeout", "1"]);
    assert!(request(&server, "/sleeps?2.5").join().unwrap().unwrap().ends_with("ok"));
    let blocking = request(&server, "/blocks?60");
    let line = server.wait_for("WORKER TIMEOUT");
    assert!(line.contains("in GET /blocks?60 HTTP/1.1"), "{line}");
    server.wait_for("is aborted here:");
    server.wait_for("waits.py");
    server.wait_for_worker();
    assert!(request(&server, "/").join().unwrap().unwrap().ends_with("ok"));
    assert!(!blocking.join().unwrap().is_ok_and(|response| response.contains("200 OK")));
}
