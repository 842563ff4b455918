//! `lab run --serve`, `--open` and `--watch`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStderr, Stdio};
use std::time::Duration;

use lab::exit::Exit;
use serde_json::Value;

use super::page::assert_fits;
use crate::support::{Browser, Project, assert_exit, replaced, requires, short, text, wait_until, wait_until_within};

const SCENARIO: &str = "scenarios/default.toml";

/// A run that goes on, and the address of its page.
fn served(project: &Project) -> (Child, String, BufReader<ChildStderr>) {
    let mut run =
        project.lab(&["run", SCENARIO, "--serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("the run is shown at http://").unwrap_or_else(|| panic!("{line}"));
    let address = address.trim_end_matches('/').to_owned();
    (run, address, lines)
}

/// Sends a request and returns the stream of its response. The server answers once the run has its folder.
fn request(address: &str, path: &str, host: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    stream
}

#[test]
fn events_of_a_run_are_served() {
    let project = Project::new(short);
    let (mut run, address, _lines) = served(&project);
    let mut refused = String::new();
    request(&address, "/", "attacker.example").read_to_string(&mut refused).unwrap();
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");

    let mut events = Vec::new();
    for line in BufReader::new(request(&address, "/events", &address)).lines().map_while(Result::ok) {
        let Some((_, json)) = line.split_once("data: ") else { continue };
        let event: Value = serde_json::from_str(json).unwrap();
        events.push(event["event"].as_str().unwrap().to_owned());
        if event["event"] == "run-ended" {
            break;
        }
    }
    assert_eq!(events[0], "run-started");
    assert!(events.iter().filter(|event| *event == "round-ended").count() >= 2, "{events:?}");
    let mut report = String::new();
    request(&address, "/", &address).read_to_string(&mut report).unwrap();
    assert!(report.contains("id=\"provenance\""), "the report replaces the page");
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn live_page_becomes_the_report() {
    requires!(Browser);
    let browser = Browser::start();
    browser.resize(390);
    // Long enough for a browser to see a round.
    let project = Project::new(|scenario| replaced(&short(scenario), "count  = 1 ", "count  = 3 "));
    let (mut run, address, _lines) = served(&project);
    browser.go_to(&format!("http://{address}/"));
    // The report has a verdict.
    let is_shown = |selector: &str| {
        let script = format!("return document.querySelector('{selector}') !== null");
        browser.run(&script).as_bool() == Some(true)
    };
    wait_until("the checks are shown", || is_shown("#check-matrix td.passed, #verdict"));
    wait_until("a round is shown", || is_shown("#loads td, #verdict"));
    wait_until("its times are shown", || is_shown("#times svg, #verdict"));
    assert_fits(&browser, 390);
    wait_until("the report is shown", || {
        browser.run("return document.querySelector('#verdict') !== null").as_bool() == Some(true)
    });
    assert_eq!(browser.console(), Vec::<String>::new());
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn page_is_opened_by_the_desktop() {
    let project = Project::new(short);
    project.write("bin/xdg-open", "#!/bin/sh\nprintf '%s' \"$1\" >opened.new && mv opened.new opened\n");
    fs::set_permissions(project.path("bin/xdg-open"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").unwrap());
    let output = project.lab(&["run", SCENARIO, "--open"]).env("PATH", path).output().unwrap();
    assert_exit(&output, Exit::Ok);
    let opened = wait_until("the page is opened", || fs::read_to_string(project.path("opened")).ok());
    assert!(opened.ends_with("/report.html") && fs::metadata(&opened).is_ok(), "{opened}\n{}", text(&output));
}

#[test]
fn checks_run_again_after_a_change() {
    let project = Project::new(short);
    let log = fs::File::create(project.path("watch.log")).unwrap();
    let mut watch = project.lab(&["run", SCENARIO, "--watch", "--only", "direct"]);
    let mut watch = watch.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let printed = || fs::read_to_string(project.path("watch.log")).unwrap();
    let passed = || printed().matches("20 of 20 checks passed").count();
    wait_until("the checks have run", || passed() == 1 && printed().contains("Ctrl-C ends it"));
    let scenario = fs::read_to_string(project.path(SCENARIO)).unwrap();
    fs::write(project.path(SCENARIO), "not a scenario").unwrap();
    wait_until("the mistake is reported", || printed().matches("Ctrl-C ends it").count() == 2);
    fs::write(project.path(SCENARIO), scenario).unwrap();
    wait_until("the checks have run again", || passed() == 2 && printed().matches("Ctrl-C ends it").count() == 3);
    project.write("reports/notes.toml", "no part of it");
    let id = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let ended = wait_until_within(Duration::from_secs(10), "the watch ends", || watch.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0), "{}", printed());
    assert_eq!(passed(), 2, "{}", printed());
}

#[test]
fn logs_of_all_components_are_followed() {
    let project = Project::new(short);
    let log = fs::File::create(project.path("up.log")).unwrap();
    let mut up = project.lab(&["up", SCENARIO]).stdout(log).stderr(Stdio::null()).spawn().unwrap();
    let printed = || fs::read_to_string(project.path("up.log")).unwrap();
    let address = wait_until("the addresses are printed", || {
        let printed = printed();
        let line = printed.lines().find(|line| line.starts_with("proxied  http://"))?.to_owned();
        printed.contains("direct  http://").then(|| line.rsplit("//").next().unwrap().to_owned())
    });
    let mut response = String::new();
    request(&address, "/pong", &address).read_to_string(&mut response).unwrap();
    assert!(response.ends_with("Pong!"), "{response}");
    wait_until("the request is logged", || {
        printed()
            .lines()
            .any(|line| line.starts_with("proxied ") && line.contains("access") && line.contains("GET /pong"))
    });
    let id = rustix::process::Pid::from_child(&up);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(0));
}
