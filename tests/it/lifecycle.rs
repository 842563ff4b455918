//! Nothing outlives lab, however it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use lab::catalog::kind::Protocol;
use lab::exit::Exit;
use lab::stack::guarded::{Guarded, ListeningSocket, Output, Program};
use lab::stack::{Role, ready};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Project, assert_exit, replaced, requires, text, wait_until};

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Starts `lab run` with a long load and waits until its driver is at work.
fn lab_under_load(project: &Project) -> Child {
    fs::create_dir(project.path("tmp")).unwrap();
    let lab = project
        .lab(&["run", "scenarios/default.toml", "--only", "proxied"])
        .env("TMPDIR", project.path("tmp"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_driver(project);
    lab
}

fn wait_for_driver(project: &Project) {
    let is_driver = |line: &str| line.ends_with("lab drive ") && !line.contains(" guard ");
    wait_until("the driver runs", || project.marked().into_iter().find(|(_, line)| is_driver(line)));
}

/// The only process of the project whose command line is `wanted`.
fn pid_of(project: &Project, wanted: impl Fn(&str) -> bool) -> u32 {
    let found: Vec<u32> = project.marked().into_iter().filter(|(_, line)| wanted(line)).map(|(pid, _)| pid).collect();
    assert_eq!(found.len(), 1, "{:#?}", project.marked());
    found[0]
}

fn project() -> Project {
    Project::new(|scenario| replaced(scenario, "duration = \"2s\"", "duration = \"60s\""))
}

fn nothing_is_left(project: &Project) {
    wait_until(&format!("all processes end; left are {:?}", project.marked()), || project.marked().is_empty());
    let left: Vec<_> = fs::read_dir(project.path("tmp")).unwrap().collect();
    assert!(left.is_empty(), "left in the temporary folder: {left:?}");
    assert_eq!(sockets_below(&project.path("reports")), Vec::<String>::new());
}

fn sockets_below(folder: &std::path::Path) -> Vec<String> {
    use std::os::unix::fs::FileTypeExt as _;
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(sockets_below(&entry.path()));
        } else if kind.is_socket() {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
fn killed_lab_leaves_no_process() {
    // SIGABRT is how a panic ends that cannot unwind.
    for ending in [Signal::KILL, Signal::ABORT] {
        let project = project();
        let mut lab = lab_under_load(&project);
        let before = project.marked();
        // lab, three guards, the proxy, the server and its two workers, the driver.
        assert!(before.len() >= 9, "{before:#?}");
        signal(lab.id(), ending);
        assert_eq!(lab.wait().unwrap().signal(), Some(ending.as_raw()));
        nothing_is_left(&project);
    }
}

#[test]
fn ctrl_c_stops_everything_before_lab_ends() {
    let project = project();
    let mut lab = lab_under_load(&project);
    signal(lab.id(), Signal::INT);
    assert_eq!(lab.wait().unwrap().code(), Some(130));
    assert_eq!(project.marked(), []);
    nothing_is_left(&project);
}

#[test]
fn killed_guard_takes_its_component_along() {
    let project = project();
    let mut lab = lab_under_load(&project);
    signal(pid_of(&project, |line| line.contains("lab guard ") && line.contains(" serve ")), Signal::KILL);
    wait_until("the server and its workers end", || {
        let servers = project.marked().into_iter().filter(|(_, line)| line.contains("lab serve"));
        servers.count() == 0
    });
    signal(lab.id(), Signal::INT);
    lab.wait().unwrap();
    nothing_is_left(&project);
}

/// Such a round used to be valid, with the dead server's CPU time as zero.
#[test]
fn server_death_under_load_fails_the_round() {
    let project = project();
    let lab = project
        .lab(&["run", "scenarios/default.toml", "--only", "proxied", "--rounds", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_driver(&project);
    signal(pid_of(&project, |line| line.starts_with("lab: master ")), Signal::KILL);
    // The round is repeated, and must not be measured either.
    let second = |line: &str| line.contains("-again") && line.contains(" guard ") && line.contains("lab drive");
    wait_until("the round is made again", || project.marked().into_iter().find(|(_, line)| second(line)));
    signal(lab.id(), Signal::INT);
    let output = lab.wait_with_output().unwrap();
    let printed = text(&output);
    assert!(printed.contains("proxied could not run: the server has ended with exit status: 137"), "{printed}");
    assert_eq!(project.marked(), []);
}

#[test]
fn up_ends_with_its_component() {
    let project = Project::new(str::to_owned);
    let mut lab = project.lab(&["up", "scenarios/default.toml", "--only", "direct"]);
    let lab = lab.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let is_master = |line: &str| line.starts_with("lab: master ");
    wait_until("the server and its workers run", || {
        project.marked().iter().filter(|(_, line)| line.contains("serve-worker")).count() == 2
    });
    signal(pid_of(&project, is_master), Signal::KILL);
    let output = lab.wait_with_output().unwrap();
    assert_exit(&output, Exit::CouldNotRun);
    assert_eq!(project.marked(), []);
}

#[test]
fn wrong_configuration_is_reported_before_the_start() {
    let project = Project::new(str::to_owned);
    let conf = project.path("fixtures/nginx/corrected.conf");
    let right = fs::read_to_string(&conf).unwrap();
    let cases = [
        (replaced(&right, "worker_processes 1;", "nosuch_directive on;"), "unknown directive \"nosuch_directive\""),
        (replaced(&right, "http://app_server", "http://app_servr"), "app_servr"),
        (replaced(&right, "listen 80;", "listen unix:/run/x.sock;"), "cannot relocate `listen unix:/run/x.sock`"),
        (right.replace('{', ""), "unexpected"),
    ];
    for (text_of_file, expected) in cases {
        fs::write(&conf, text_of_file).unwrap();
        for subcommand in ["run", "check", "up", "explain"] {
            let output = project.run(&[subcommand, "scenarios/default.toml"]);
            let printed = text(&output);
            assert_exit(&output, Exit::BadScenario);
            assert!(
                printed.contains(expected) && printed.contains("lab: stack `proxied`: fixtures/nginx/corrected.conf:"),
                "{printed}"
            );
        }
    }
    assert!(!project.path("reports").exists());
}

#[test]
fn failed_start_shows_the_end_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let program = |script: &str| Program {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        environment: Vec::new(),
        folder: None,
        cores: Vec::new(),
        grace: Duration::from_millis(100),
        sockets: Vec::new(),
        input: None,
        output: Output::File(folder.path().join("server.log")),
    };
    let socket = ListeningSocket::loopback().unwrap();
    let question = ready::Probe {
        role: Role::Server,
        address: socket.address(),
        protocol: Protocol::Http,
        path: "/",
        binds_itself: false,
        originals: &[],
    };
    let wait = |script: &str, deadline: Duration| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut process = Guarded::start(Path::new(env!("CARGO_BIN_EXE_lab")), program(script)).unwrap();
            let error = ready::wait(&question, &mut process, deadline).await.unwrap_err();
            process.stop().await.unwrap();
            error.to_string().replace(&folder.path().display().to_string(), "FOLDER")
        })
    };
    assert_eq!(
        wait("echo no such module; exit 7", Duration::from_secs(30)),
        "the server ended with exit status: 7 before it was ready\n  log: FOLDER/server.log\n  | no such module"
    );
    let silent = wait("echo thinking; exec cat /dev/zero >/dev/null", Duration::from_millis(700));
    assert_eq!(
        silent,
        "the server was not ready within 0.7 s: it accepts connections but does not respond\n  \
         log: FOLDER/server.log\n  | thinking"
    );
}

#[test]
fn up_serves_until_ctrl_c() {
    let project = Project::new(str::to_owned);
    let mut lab =
        project.lab(&["up", "scenarios/default.toml"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(lab.stdout.take().unwrap()).lines();
    let mut answered = Vec::new();
    while answered.len() < 2 {
        let line = lines.next().unwrap().unwrap();
        if let Some((stack, address)) = line.split_once("  http://") {
            let mut connection = TcpStream::connect(address).unwrap();
            write!(connection, "GET /pong HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
            let mut response = String::new();
            connection.read_to_string(&mut response).unwrap();
            assert!(response.ends_with("\r\n\r\nPong!"), "{response}");
            answered.push(stack.to_owned());
        }
    }
    assert_eq!(answered, ["proxied", "direct"]);
    signal(lab.id(), Signal::INT);
    assert_eq!(lab.wait().unwrap().code(), Some(0));
    assert_eq!(project.marked(), []);
}

const DAEMON_KIND: &str = r#"
schema = 1
role   = "server"
title  = "a server that starts a daemon"

[install]
pip = []

[version]
command = ["{python}", "-c", "print('daemon 1.0')"]
matches = 'daemon ([0-9.]+)'

[start]
command  = ["{python}", "{launcher}", "{host}", "{port}"]
launcher = "daemon.py"
wsgi     = ["{module}", "{callable}"]

[cannot]
workers    = "it has one"
keep_alive = "it closes"
"#;

/// The daemon has a session and a parent of its own, as daemon(3) makes it.
const DAEMON_LAUNCHER: &str = r#"
import importlib, os, signal, sys
from wsgiref.simple_server import make_server

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "4711"])
    os._exit(0)
os.wait()
host, port, module, name = sys.argv[1:]
make_server(host, int(port), getattr(importlib.import_module(module), name)).serve_forever()
"#;

const DAEMON_SCENARIO: &str = r#"
schema = 1
name   = "own"
kinds  = "kinds"

[app]
wsgi = "pong:app"

[[stack]]
name   = "mine"
server = { kind = "daemon" }

[[check]]
name    = "it answers"
request = { path = "/" }
expect.status = 200
"#;

/// They used to outlive lab, when only the guard was their subreaper.
#[test]
fn killed_guard_leaves_no_daemon() {
    requires!(Python);
    let project = Project::new(str::to_owned)
        .with_server_kind("daemon", DAEMON_KIND, DAEMON_LAUNCHER)
        .with_scenario("own", DAEMON_SCENARIO)
        .with_shared_cache();
    project.expect(Exit::Ok, &["provision", "scenarios/own.toml"]);
    let mut lab = project.lab(&["up", "scenarios/own.toml"]);
    let mut lab = lab.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(lab.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let daemon = pid_of(&project, |line| line.starts_with("sleep 4711"));
    signal(pid_of(&project, |line| line.contains("lab guard ")), Signal::KILL);
    assert_eq!(lab.wait().unwrap().code(), Some(i32::from(Exit::CouldNotRun as u8)));
    assert!(!Path::new(&format!("/proc/{daemon}")).exists(), "the daemon outlives lab");
    assert_eq!(project.marked(), []);
}
