//! `lab serve` with Python: configuration files and WSGI applications.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::exit::Exit;
use rustix::process::Signal;
use tempfile::TempDir;

use super::server::{Server, get, kill};
use crate::support::{Tool, assert_exit, text, wait_until};
use crate::wsgi::environment;

/// An environment, and arguments.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

/// A folder with an application in it.
pub(crate) struct Folder {
    folder: TempDir,
    pub(super) venv: PathBuf,
}

const APP: &str = r#"
import os, time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        time.sleep(60)
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Own", "yes")])
    return [f"{os.getpid()} {os.environ.get('COLOUR')} {os.getcwd()}".encode()]
"#;

impl Folder {
    /// `None` without Python; the test is then reported as skipped.
    pub(crate) fn new() -> Option<Folder> {
        let python = environment::python()?;
        let venv = python.ancestors().nth(2).unwrap().to_owned();
        let folder = Folder { folder: tempfile::tempdir().unwrap(), venv };
        folder.write("shop.py", APP);
        Some(folder)
    }

    /// `None` without a Python that gevent runs on as well.
    pub(super) fn with_gevent() -> Option<Folder> {
        if Tool::Gevent.is_available() { Folder::new() } else { None }
    }

    /// With a Python that has lab_wsgi and no other package.
    pub(super) fn without_packages(self) -> Folder {
        let base = fs::canonicalize(self.venv.join("bin/python")).unwrap();
        let libraries = fs::read_dir(self.venv.join("lib")).unwrap().next().unwrap().unwrap().path();
        let venv = self.path().join("bare");
        let packages = venv.join("lib").join(libraries.file_name().unwrap()).join("site-packages");
        fs::create_dir_all(&packages).unwrap();
        fs::create_dir_all(venv.join("bin")).unwrap();
        let link = |original: &Path, link: &Path| std::os::unix::fs::symlink(original, link).unwrap();
        link(&libraries.join("site-packages/lab_wsgi"), &packages.join("lab_wsgi"));
        link(&base, &venv.join("bin/python"));
        fs::write(venv.join("pyvenv.cfg"), format!("home = {}\n", base.parent().unwrap().display())).unwrap();
        Folder { venv, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    pub(super) fn in_here(&self, mut command: Command) -> Command {
        for variable in ["GUNICORN_CMD_ARGS", "PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "VIRTUAL_ENV"] {
            command.env_remove(variable);
        }
        command.current_dir(self.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    pub(crate) fn lab(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.arg("serve").arg("--venv").arg(&self.venv);
        self.in_here(command)
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.lab().args(arguments).output().unwrap()
    }

    /// A server of the application on a free port.
    pub(super) fn serve(&self, arguments: &[&str], workers: usize) -> Server {
        let mut command = self.lab();
        command.args(["--bind", "127.0.0.1:0"]).args(arguments);
        Server::of(&mut command, workers, "shop:app")
    }
}

fn body(server: &Server, path: &str) -> String {
    let response = get(TcpStream::connect(&server.address).unwrap(), path).unwrap();
    response.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn print_config_matches_gunicorn() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "full.py",
        r#"
import multiprocessing, os
bind = ["127.0.0.1:1", "[::1]:2", "unix:/tmp/x"]
workers = multiprocessing.cpu_count() * 2 + 1
timeout = "0x10"
raw_env = ["A=b", "C=d'e"]
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
forwarded_allow_ips = "10.0.0.0/8, *"
reload_extra_files = ("shop.py", "*.toml")
statsd_host = "localhost:1"
user = "nobody"
group = 65534
umask = 0o22
accesslog = " - "
helper = 3
def post_fork(server, worker):
    pass
on_exit = lambda server: None
"#,
    );
    folder.write("gunicorn.conf.py", "workers = 7\nkeepalive = True\n");
    let cases: [Case; 6] = [
        (&[], &[]),
        (&[], &["-c", "full.py"]),
        (&[], &["-c", "file:full.py", "-w", "1", "-m", "0177"]),
        (&[("GUNICORN_CMD_ARGS", "--workers 5 -b a:1 -b 'b:2' --name \"a b\"")], &["-b", "c:3"]),
        (&[("PORT", "80"), ("WEB_CONCURRENCY", "3"), ("FORWARDED_ALLOW_IPS", "10.0.0.1")], &["-c", "python:shop"]),
        (&[], &["-D", "-R", "--initgroups", "-k", "gthread", "--threads=2", "-e", "X=1", "-e", "Y="]),
    ];
    for (environment, arguments) in cases {
        let printed = |mut command: Command| {
            let environment = environment.iter().copied();
            let output =
                command.envs(environment).args(arguments).args(["--print-config", "shop:app"]).output().unwrap();
            (String::from_utf8(output.stdout.clone()).unwrap(), text(&output))
        };
        let mut gunicorn = Command::new(folder.venv.join("bin/python"));
        gunicorn.args(["-m", "gunicorn"]);
        let (expected, output_text) = printed(folder.in_here(gunicorn));
        assert!(expected.contains("wsgi_app"), "{output_text}");
        let (own, output_text) = printed(folder.lab());
        let (own, additional) = own.split_once("\n# lab's own\n").expect("two blocks");
        assert!(additional.contains("limit_request_body"), "{additional}");
        compare(&expected, own, &format!("{environment:?} {arguments:?}: {output_text}"));
    }
}

/// Compares line by line, for a readable failure.
fn compare(expected: &str, own: &str, what: &str) {
    for (expected, own) in expected.lines().zip(own.lines()) {
        // ssl's own enumerations print differently from one version of Python to the next.
        if !["ssl_version", "cert_reqs"].iter().any(|name| expected.starts_with(name)) {
            assert_eq!(own, expected, "{what}");
        }
    }
    assert_eq!(own.lines().count(), expected.lines().count(), "{what}");
}

#[test]
fn configuration_mistakes_are_located() {
    let Some(folder) = Folder::new() else { return };
    let cases = [
        ("workers = 1\nbind = [\n", &["gunicorn.conf.py\", line 2", "SyntaxError"][..]),
        (
            "def half(n):\n    return n / 0\nworkers = half(1)\n",
            &["line 3, in <module>", "line 2, in half", "ZeroDivisionError"],
        ),
        ("\nworkers = -1\n", &["gunicorn.conf.py:2: workers = -1: must be a number, 0 or more"]),
        (
            "dirty_workers = 2\nspew = 1 > 0\nthreads = 'x'",
            &["dirty_workers = 2 is not supported", "hint: ", "py:2: spew = True is not", "py:3: threads = x: must be"],
        ),
        ("reload_engine = 'inotify'\n", &["reload_engine = inotify is not supported", "hint: use poll"]),
        ("reload_engine = 'magic'\n", &["reload_engine", "auto", "poll"]),
        ("worker_class = 'eventlet'\n", &["py:1: worker_class = eventlet is not supported", "gevent"]),
    ];
    for (text_of_file, parts) in cases {
        folder.write("gunicorn.conf.py", text_of_file);
        let output = folder.run(&["--check-config", "shop:app"]);
        let output_text = text(&output);
        assert_exit(&output, Exit::Usage);
        for part in parts {
            assert!(output_text.contains(part), "{part:?}: {output_text}");
        }
        assert!(!output_text.contains("importlib"), "{output_text}");
    }
}

/// gunicorn looks at them when it starts to listen.
#[test]
fn missing_files_matter_at_the_start() {
    let Some(folder) = Folder::new() else { return };
    for (setting, part) in [
        ("certfile = 'c.pem'\n", "/c.pem: No such file or directory"),
        ("tmp_upload_dir = 'nowhere'\n", "gunicorn.conf.py:1: tmp_upload_dir = nowhere: must be a folder that exists"),
    ] {
        folder.write("gunicorn.conf.py", setting);
        assert_exit(&folder.run(&["--check-config", "shop:app"]), Exit::Ok);
        let started = folder.run(&["--bind", "127.0.0.1:0", "shop:app"]);
        assert_exit(&started, Exit::Usage);
        assert!(text(&started).contains(part), "{}", text(&started));
    }
}

#[test]
fn hooks_and_misspelt_settings_warn() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "c.py",
        "import os\nworker = 3\nhelper = 1\ndef ssl_context(config, factory):\n    pass\nprint('read')\n",
    );
    let output = folder.run(&["-c", "c.py", "--check-config", "shop:app"]);
    let output_text = text(&output);
    assert_exit(&output, Exit::Ok);
    assert!(output_text.contains("c.py: \"worker\" is not a setting; did you mean \"workers\"?"), "{output_text}");
    assert!(output_text.contains("hooks are not called") && output_text.contains(": ssl_context\n"), "{output_text}");
    assert!(!output_text.contains("helper"), "{output_text}");
}

#[test]
fn missing_application_is_named() {
    let Some(folder) = Folder::new() else { return };
    folder.write("broken.py", "import nothing_of_the_kind\n");
    for (app, check_code, code, part) in [
        ("shop:other", 1, 4, "has no attribute 'other'"),
        ("nowhere:app", 1, 4, "nowhere"),
        ("broken:app", 1, 3, "nothing_of_the_kind"),
    ] {
        let checked = folder.run(&["--check-config", app]);
        assert_eq!(checked.status.code(), Some(check_code), "{}", text(&checked));
        assert!(text(&checked).contains(part), "{}", text(&checked));
        for (preload, started) in [(&[][..], 1), (&["--preload"], 0)] {
            let served = folder.run(&[&["--bind", "127.0.0.1:0"], preload, &[app]].concat());
            assert_eq!(served.status.code(), Some(code), "{}", text(&served));
            assert!(text(&served).contains(part), "{}", text(&served));
            assert!(text(&served).contains("failed to "), "{}", text(&served));
            assert_eq!(text(&served).matches("started worker").count(), started, "{}", text(&served));
        }
    }
    let none = folder.run(&[]);
    assert!(text(&none).contains("no application is named"), "{}", text(&none));
}

#[test]
fn missing_gateway_is_explained() {
    let Some(folder) = Folder::new() else { return };
    fs::create_dir_all(folder.path().join("bare/bin")).unwrap();
    let python = fs::canonicalize(folder.venv.join("bin/python")).unwrap();
    std::os::unix::fs::symlink(python, folder.path().join("bare/bin/python")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["serve", "--venv", "bare", "shop:app"]);
    let output = folder.in_here(command).output().unwrap();
    assert_exit(&output, Exit::Usage);
    assert!(text(&output).contains("has no module lab_wsgi"), "{}", text(&output));
    assert!(text(&output).contains("-m pip install ./crates/lab-python"), "{}", text(&output));
}

#[test]
fn reload_applies_the_new_configuration() {
    let Some(folder) = Folder::new() else { return };
    folder.write("gunicorn.conf.py", "import os\nraw_env = ['COLOUR=red']\nos.environ['SHADE'] = 'dark'\n");
    let server = folder.serve(&["--name", "shop"], 1);
    let before = body(&server, "/");
    assert!(before.ends_with(&format!(" red {}", folder.path().display())), "{before}");
    let pid = before.split(' ').next().unwrap();
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(String::from_utf8_lossy(&line).trim_end_matches('\0').ends_with("\0lab: worker [shop]"));
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    assert!(String::from_utf8_lossy(&environment).contains("\0SHADE=dark\0"));

    folder.write("gunicorn.conf.py", "raw_env = ['COLOUR=blue']\nworkers = 2\n");
    server.signal(Signal::HUP);
    server.wait_for_worker();
    server.wait_for("exited with code 0");
    assert!(body(&server, "/").contains(" blue "));

    // A bad configuration or application changes nothing.
    folder.write("gunicorn.conf.py", "workers = 'many'\n");
    server.signal(Signal::HUP);
    server.wait_for("keeping the old configuration");
    folder.write("gunicorn.conf.py", "");
    folder.write("shop.py", "raise RuntimeError('no')\n");
    server.signal(Signal::HUP);
    server.wait_for("undoing the reload");
    let served = body(&server, "/");
    assert!(served.contains(" blue "));
    folder.write("shop.py", APP);
    kill(served.split(' ').next().unwrap().parse().unwrap());
    let replacement = server.wait_for_worker();
    wait_until("a response of the replacement", || {
        let served = body(&server, "/");
        assert!(served.contains(" blue "));
        served.starts_with(&format!("{replacement} "))
    });
}

#[test]
fn killed_worker_names_its_request() {
    let Some(folder) = Folder::new() else { return };
    let server = folder.serve(&["--timeout", "1"], 1);
    let hanging = TcpStream::connect(&server.address).unwrap();
    let request = std::thread::spawn(move || get(hanging, "/hang?why"));
    let line = server.wait_for("WORKER TIMEOUT");
    assert!(line.contains("in GET /hang?why HTTP/1.1"), "{line}");
    server.wait_for_worker();
    assert!(!request.join().unwrap().is_ok_and(|response| response.contains("200 OK")));
    assert!(body(&server, "/").contains("None"));
}

#[test]
fn python_requests_are_counted_in_statsd() {
    let Some(folder) = Folder::new() else { return };
    let statsd = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let host = statsd.local_addr().unwrap().to_string();
    let tags = "where:north,app:shop";
    let server = folder.serve(&["--statsd-host", &host, "--statsd-prefix", "shop", "--dogstatsd-tags", tags], 1);
    body(&server, "/");
    let expected = ["request.status.200:1|c|@1.0", "request.duration:", "requests:1|c|@1.0", "workers:1|g"]
        .map(|name| format!("shop.gunicorn.{name}"));
    let mut missing: Vec<&String> = expected.iter().collect();
    while !missing.is_empty() {
        let mut datagram = [0; 256];
        let length = statsd.recv(&mut datagram).unwrap();
        let metric = String::from_utf8_lossy(&datagram[..length]).into_owned();
        assert_eq!(metric.split_once("|#").map(|(_, tags)| tags), Some(tags), "{metric}");
        missing.retain(|name| !metric.starts_with(*name));
    }
}

#[test]
fn changed_code_is_reloaded() {
    let Some(folder) = Folder::new() else { return };
    let server = folder.serve(&["--reload", "--reload-engine", "poll", "--reload-extra-file", "*.toml"], 1);
    assert!(body(&server, "/").contains("None"));
    let touch = |name: &str, text: &str| {
        folder.write(name, text);
        let file = fs::File::options().append(true).open(folder.path().join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
    };
    touch("shop.py", "raise RuntimeError('half written')\n");
    server.wait_for("waiting for a file to change");
    touch("shop.toml", "");
    server.wait_for("shop.toml was modified");
    server.wait_for("waiting for a file to change");
    folder.write("shop.py", &APP.replace("COLOUR", "SHADE"));
    let file = fs::File::options().append(true).open(folder.path().join("shop.py")).unwrap();
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(60)).unwrap();
    server.wait_for("is ready");
    assert!(body(&server, "/").contains("None"));
}

#[test]
fn pipelining_client_takes_turns() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "shop.py",
        "import time\n\ndef app(environ, start_response):\n\
         \x20   time.sleep(0.02)\n\
         \x20   start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '2')])\n\
         \x20   return [b'ok']\n",
    );
    let server = folder.serve(&[], 1);
    let mut busy = TcpStream::connect(&server.address).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    busy.write_all(request.repeat(100).as_bytes()).unwrap();
    busy.read_exact(&mut [0; 1]).unwrap();
    assert_eq!(body(&server, "/"), "ok");
    // Two seconds of requests were ahead of the other client's.
    busy.set_nonblocking(true).unwrap();
    let mut responses = Vec::new();
    let _ = busy.read_to_end(&mut responses);
    let served = String::from_utf8_lossy(&responses).matches("200 OK").count();
    assert!(served < 50, "the other client waited for {served} responses");
}

/// What was loaded is exempt from garbage collection, but garbage of the loading is not kept.
#[test]
fn loaded_objects_are_frozen() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "shop.py",
        r#"
import gc, weakref

class Node:
    pass

kept, cycle = Node(), Node()
cycle.itself = cycle
cycle_alive = weakref.ref(cycle)
del cycle

def is_collected(wanted):
    return any(found is wanted for found in gc.get_objects())

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str([is_collected(kept), cycle_alive(), is_collected(environ)]).encode()]
"#,
    );
    let server = folder.serve(&[], 1);
    assert_eq!(body(&server, "/"), "[False, None, True]");
}

#[test]
fn python_logs_match_gunicorn() {
    let Some(folder) = Folder::new() else { return };
    let format = r#"%(h)s %(u)s "%(r)s" %(s)s %(B)s %(U)s %(q)s %(a)s %({x-a}i)s %({X-Own}o)s %({wsgi.url_scheme}e)s"#;
    let arguments =
        ["--access-logfile", "access", "--error-logfile", "errors", "--capture-output", "--access-logformat", format];
    let mut command = folder.lab();
    command.args(["--bind", "unix:socket"]).args(arguments).arg("talker:app");
    folder.write(
        "talker.py",
        "import sys\nfrom shop import app\nprint('printed', flush=True)\nprint('complained', file=sys.stderr)\n",
    );
    let mut master = command.spawn().unwrap();
    wait_until("a worker", || folder.read("errors").contains("is ready"));
    let client = std::os::unix::net::UnixStream::connect(folder.path().join("socket")).unwrap();
    let length = get(client, "/a%20b?c=d").unwrap().split_once("\r\n\r\n").unwrap().1.len();
    let expected = format!(" - \"GET /a%20b?c=d HTTP/1.1\" 200 {length} /a b c=d test - yes http\n");
    wait_until("a line", || folder.read("access").ends_with('\n'));
    assert_eq!(folder.read("access"), expected);
    super::server::send_signal(master.id(), Signal::TERM);
    assert_eq!(master.wait().unwrap().code(), Some(0));
    let errors = folder.read("errors");
    assert!(errors.contains("printed\n") && errors.contains("complained\n"), "{errors}");
}
