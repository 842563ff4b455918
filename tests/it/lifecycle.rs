//! Nothing outlives lab, however it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Project, replaced, text, wait_for};

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
    wait_for("the driver runs", || {
        let is_driver = |line: &str| line.ends_with("lab drive ") && !line.contains(" guard ");
        project.marked().into_iter().find(|(_, line)| is_driver(line))
    });
    lab
}

fn project() -> Project {
    Project::new(|scenario| replaced(scenario, "duration = \"2s\"", "duration = \"60s\""))
}

fn nothing_is_left(project: &Project) {
    wait_for(&format!("all processes end; left are {:?}", project.marked()), || {
        project.marked().is_empty().then_some(())
    });
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
fn a_lab_killed_with_sigkill_under_load_leaves_nothing() {
    let project = project();
    let mut lab = lab_under_load(&project);
    let before = project.marked();
    // lab, three guards, the proxy, the server and its two workers, the driver.
    assert!(before.len() >= 9, "{before:#?}");
    lab.kill().unwrap();
    assert_eq!(lab.wait().unwrap().signal(), Some(9));
    nothing_is_left(&project);
}

#[test]
fn ctrl_c_under_load_stops_everything_before_lab_ends() {
    let project = project();
    let mut lab = lab_under_load(&project);
    signal(lab.id(), Signal::INT);
    assert_eq!(lab.wait().unwrap().code(), Some(130));
    assert_eq!(project.marked(), []);
    nothing_is_left(&project);
}

#[test]
fn a_guard_that_is_killed_takes_its_component_with_it() {
    let project = project();
    let mut lab = lab_under_load(&project);
    let guards: Vec<u32> = project
        .marked()
        .into_iter()
        .filter(|(_, line)| line.contains("lab guard ") && line.contains(" serve "))
        .map(|(pid, _)| pid)
        .collect();
    assert_eq!(guards.len(), 1);
    signal(guards[0], Signal::KILL);
    wait_for("the server and its workers end", || {
        let servers = project.marked().into_iter().filter(|(_, line)| line.contains("lab serve"));
        (servers.count() == 0).then_some(())
    });
    signal(lab.id(), Signal::INT);
    lab.wait().unwrap();
    nothing_is_left(&project);
}

#[test]
fn a_component_that_cannot_start_is_an_error_with_the_end_of_its_log() {
    let project = Project::new(str::to_owned);
    let conf = project.path("fixtures/nginx/corrected.conf");
    let broken = fs::read_to_string(&conf).unwrap() + "\nhttp_but_not_really on;\n";
    fs::write(&conf, broken).unwrap();
    let output = project.run(&["check", "scenarios/default.toml"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("the proxy ended with exit status: 1 before it was ready"), "{said}");
    assert!(said.contains("unknown directive \"http_but_not_really\""), "{said}");
    assert_eq!(project.marked(), []);
}

#[test]
fn up_prints_addresses_that_answer_until_ctrl_c() {
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
            let mut answer = String::new();
            connection.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with("\r\n\r\nPong!"), "{answer}");
            answered.push(stack.to_owned());
        }
    }
    assert_eq!(answered, ["proxied", "direct"]);
    signal(lab.id(), Signal::INT);
    assert_eq!(lab.wait().unwrap().code(), Some(0));
    assert_eq!(project.marked(), []);
}
