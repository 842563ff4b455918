//! Copies of a worker that an application forks: they hold nothing of the worker, and end when they leave the application.

use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use super::python::Folder;
use super::server::{Server, get};
use crate::support::{requires, wait_until};

const APP: &str = r#"
import os, signal, sys, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    text = str(os.getpid())
    if path != "/":
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            if path == "/exits":
                sys.exit(7)
            if path == "/sleeps":
                open("sleeper", "w").close()
                time.sleep(60)
            if path == "/is-terminated":
                os.write(writer, b"x")
                signal.pause()
        elif path == "/sleeps":
            text = str(child)
        else:
            if path == "/is-terminated":
                os.read(reader, 1)
                os.kill(child, signal.SIGTERM)
            text = str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]
"#;

fn serve(folder: &Folder, arguments: &[&str]) -> Server {
    folder.write("forks.py", APP);
    let mut command = folder.lab();
    command.args(["--bind", "127.0.0.1:0"]).args(arguments);
    Server::of(&mut command, 1, "forks:app")
}

fn body(server: &Server, path: &str) -> String {
    let response = get(TcpStream::connect(&server.address).unwrap(), path).unwrap();
    response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {response:?}")).1.to_owned()
}

#[test]
fn copy_ends_when_it_leaves_the_application() {
    for arguments in [&[][..], &["--threads", "2"], &["-k", "gevent"]] {
        let is_gevent = arguments.contains(&"gevent");
        let Some(folder) = (if is_gevent { Folder::with_gevent() } else { Folder::new() }) else { return };
        let server = serve(&folder, arguments);
        let worker = body(&server, "/");
        for (path, code) in [("/exits", "7"), ("/returns", "0"), ("/is-terminated", "-15")] {
            for _ in 0..3 {
                assert_eq!(body(&server, path), code, "{path} {arguments:?}");
            }
            for _ in 0..20 {
                assert_eq!(body(&server, "/"), worker, "the worker serves on");
            }
        }
    }
}

#[test]
fn copy_does_not_hold_the_port() {
    let Some(folder) = Folder::new() else { return };
    let mut server = serve(&folder, &[]);
    let sleeper: u32 = body(&server, "/sleeps").parse().unwrap();
    wait_until("a copy that sleeps", || folder.path().join("sleeper").exists());
    server.signal(Signal::TERM);
    assert_eq!(server.master.wait().unwrap().code(), Some(0));
    let bound = TcpListener::bind(&server.address);
    super::server::kill(sleeper);
    bound.unwrap();
}

/// The copy has the scoreboard's page, and used to feed the heartbeat of a worker that waited for it.
#[test]
fn worker_that_waits_for_a_copy_is_aborted() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "waits.py",
        "import os, time\n\
         def app(environ, start_response):\n\
         \x20   if environ['PATH_INFO'] == '/waits':\n\
         \x20       child = os.fork()\n\
         \x20       if child == 0:\n\
         \x20           time.sleep(20)\n\
         \x20           return []\n\
         \x20       os.waitpid(child, 0)\n\
         \x20   start_response('200 OK', [('Content-Length', '2')])\n\
         \x20   return [b'ok']\n",
    );
    let mut command = folder.lab();
    command.args(["--bind", "127.0.0.1:0", "--timeout", "1"]);
    let server = Server::of(&mut command, 1, "waits:app");
    let client = TcpStream::connect(&server.address).unwrap();
    let waiting = std::thread::spawn(move || get(client, "/waits"));
    server.wait_for("WORKER TIMEOUT");
    server.wait_for_worker();
    assert!(body(&server, "/") == "ok");
    assert!(!waiting.join().unwrap().is_ok_and(|response| response.contains("200 OK")));
}

/// A fork copies all greenlets. The copy runs only its own; the others belong to requests of the worker.
#[test]
fn copy_leaves_other_requests_to_the_worker() {
    let Some(folder) = Folder::with_gevent() else { return };
    folder.write(
        "copies.py",
        "import os, time\n\
         def app(environ, start_response):\n\
         \x20   text = 'waited'\n\
         \x20   if environ['PATH_INFO'] == '/waits':\n\
         \x20       open('waits', 'w').close()\n\
         \x20       while not os.path.exists('go'):\n\
         \x20           time.sleep(0.001)\n\
         \x20   else:\n\
         \x20       child = os.fork()\n\
         \x20       if child == 0:\n\
         \x20           open('go', 'w').close()\n\
         \x20           time.sleep(0.5)\n\
         \x20           os._exit(7)\n\
         \x20       text = str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n\
         \x20   start_response('200 OK', [('Content-Length', str(len(text)))])\n\
         \x20   return [text.encode()]\n",
    );
    let mut command = folder.lab();
    command.args(["--bind", "127.0.0.1:0", "-k", "gevent"]);
    let server = Server::of(&mut command, 1, "copies:app");
    let client = TcpStream::connect(&server.address).unwrap();
    let waiting = std::thread::spawn(move || get(client, "/waits").unwrap());
    wait_until("a request that waits", || folder.path().join("waits").exists());
    assert_eq!(body(&server, "/forks"), "7");
    let waited = waiting.join().unwrap();
    assert!(waited.ends_with("\r\n\r\nwaited"), "{waited}");
    assert_eq!(body(&server, "/forks"), "7");
}

/// In a container `lab serve` is process 1, and every process whose parent has ended becomes its child.
#[test]
fn process_1_reaps_orphans() {
    requires!(Namespaces);
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "orphans.py",
        "import os\n\
         def state(pid):\n\
         \x20   try: return open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0]\n\
         \x20   except OSError: return ''\n\
         def app(environ, start_response):\n\
         \x20   if environ['PATH_INFO'] == '/orphan':\n\
         \x20       child = os.fork()\n\
         \x20       if child == 0:\n\
         \x20           os.fork()\n\
         \x20           os._exit(0)\n\
         \x20       os.waitpid(child, 0)\n\
         \x20   zombies = [pid for pid in os.listdir('/proc') if pid.isdigit() and state(pid) == 'Z']\n\
         \x20   text = f'{os.getppid()} {len(zombies)}'.encode()\n\
         \x20   start_response('200 OK', [('Content-Length', str(len(text)))])\n\
         \x20   return [text]\n",
    );
    let lab = folder.lab();
    let mut command = std::process::Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(lab.get_program()).args(lab.get_args());
    command.args(["--bind", "127.0.0.1:0"]);
    let mut command = folder.in_here(command);
    let server = Server::of(&mut command, 1, "orphans:app");
    for _ in 0..3 {
        body(&server, "/orphan");
    }
    wait_until("no zombies", || body(&server, "/") == "1 0");
}
