//! `lab run --serve`, `--open` and `--watch`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStderr, Stdio};
use std::time::Duration;

use lab::exit::Exit;
use serde_json::{Value, json};

use super::page::serious_faults;
use super::page_layout::assert_fits;
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
    let mut update = String::new();
    request(&address, "/update", &address).read_to_string(&mut update).unwrap();
    assert!(update.contains("id=\"provenance\""), "the report is the last update");
    let mut report = String::new();
    request(&address, "/", &address).read_to_string(&mut report).unwrap();
    assert!(report.contains("id=\"provenance\""), "the report replaces the page");
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

/// A ramp beside the load of the default scenario.
const RAMP: &str = r#"
[[load]]
name     = "ramp"
driver   = "open"
path     = "/pong"
rate     = { from = 100, to = 300, step = 100, hold = "300ms" }
connections = 4
"#;

/// Long enough for a browser to see several rounds.
fn with_ramp(scenario: &str) -> String {
    replaced(&short(scenario), "count  = 1 ", "count  = 4 ") + RAMP
}

/// The sections of the report that have a chart.
const CHARTS: [&str; 5] = ["speed", "latency", "ramp", "memory", "components"];

#[test]
fn live_page_becomes_the_report() {
    requires!(Browser);
    let browser = Browser::start();
    browser.resize(390);
    let project = Project::new(with_ramp);
    let (mut run, address, _lines) = served(&project);
    browser.go_to(&format!("http://{address}/"));
    // In one call, because the report may replace the page at any time.
    let is_live_with =
        |shown: &str| browser.run(&format!("return document.querySelector('#progress') !== null && ({shown})"));
    let wait_live = |what: &str, shown: &str| wait_until(what, || is_live_with(shown).as_bool() == Some(true));
    wait_live("the checks are shown", "document.querySelector('.matrix td.passed') !== null");
    wait_live("a round is shown", "document.querySelector('#latest-rounds td') !== null");
    wait_live(
        "the time left is shown",
        "/^round \\d+ of 16, about \\d+ (s|min) left$/.test(document.getElementById('state').textContent)",
    );
    let latest = is_live_with("document.getElementById('latest-rounds').innerText");
    for shown in ["req/s", "p99", "µs"] {
        assert!(latest.as_str().unwrap().contains(shown), "{latest}");
    }
    for section in CHARTS {
        let chart = format!("document.querySelector('#{section}')?.closest('section').querySelector('svg') != null");
        wait_live(&format!("{section} has a chart"), &chart);
    }
    let sections = is_live_with(
        "['proxy', 'validity', 'calibration', 'provenance'].map(id => document.getElementById(id).closest('section').innerText)",
    );
    for (section, expected) in
        ["Beside direct, over", "guarded against", "This machine is not calibrated", "SHA-256 of the scenario"]
            .into_iter()
            .enumerate()
    {
        assert!(sections[section].as_str().unwrap().contains(expected), "{sections}");
    }
    assert_fits(&browser, 390);
    assert_eq!(serious_faults(&browser), json!([]));
    updates_keep_what_a_reader_has_set(&browser);
    // Another dozen rounds, on a busy machine.
    wait_until_within(Duration::from_secs(120), "the report is shown", || {
        browser.run("return document.querySelector('#verdict ~ .runs .answer') !== null").as_bool() == Some(true)
    });
    assert_eq!(browser.console(), Vec::<String>::new());
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

/// An opened table, its order, the stacks that are switched off, and the focus.
fn updates_keep_what_a_reader_has_set(browser: &Browser) {
    let set = "
         window.figure = document.querySelector('#speed ~ .runs figure').id;
         const table = document.querySelector(`#${window.figure} details`);
         table.open = true;
         table.querySelectorAll('thead th button')[1].click();
         document.querySelector('#switches input[value=proxied]').click();
         table.querySelectorAll('thead th button')[1].focus();
         document.getElementById('report').isOld = true;";
    browser.run(set);
    let kept = "
         const table = document.querySelector(`#${window.figure} details`);
         const [head] = table.querySelectorAll('th[aria-sort]');
         return document.getElementById('report').isOld ? null : [
             document.querySelector('#progress') !== null, table.open, head?.textContent, head?.getAttribute('aria-sort'),
             document.querySelector('#shown-count').textContent, document.activeElement === head?.querySelector('button'),
             document.querySelector('#stacks ~ .runs [data-stack=proxied]').hidden,
         ]";
    let kept = wait_until("a further round is shown", || Some(browser.run(kept)).filter(|kept| !kept.is_null()));
    assert_eq!(kept, json!([true, true, "stack", "ascending", "1 of 2", true, true]));
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
    wait_until_within(Duration::from_secs(1), "the change is noticed", || {
        printed().contains("default.toml has changed")
    });
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

/// The checks run again for the files that the stacks of a scenario are made from.
#[test]
fn changed_configuration_and_application_are_checked() {
    requires!(Python);
    const SITE: &str = r#"
schema = 1
name   = "site"

[app]
wsgi = "site_app:app"
path = "app"

[[stack]]
name   = "site"
proxy  = { kind = "lab", config = "nginx.conf" }
server = { kind = "wsgiref" }

[[check]]
name    = "it responds"
request = { path = "/" }
expect  = { status = 200, body = "hello" }
"#;
    const APP: &str = "def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '5')])
    return [b'hello']
";
    const NGINX: &str = "events {}
http { server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } } }
";
    let project = Project::empty().with_shared_cache();
    for (file, text) in [("lab.toml", SITE), ("app/site_app.py", APP), ("nginx.conf", NGINX)] {
        project.write(file, text);
    }
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let log = fs::File::create(project.path("watch.log")).unwrap();
    let mut watch = project.lab(&["run", "lab.toml", "--watch"]);
    let mut watch = watch.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let printed = || fs::read_to_string(project.path("watch.log")).unwrap();
    let wait_for = |text: &str| wait_until(text, || printed().contains(text).then(|| printed().len()));
    wait_for("Ctrl-C ends it");
    for (file, changed, outcome) in [
        ("app/site_app.py", replaced(APP, "b'hello'", "b'hullo'"), "+ observed  \"hullo\""),
        ("nginx.conf", replaced(NGINX, "location /", "location /only"), "+ observed  404"),
    ] {
        project.write(file, &changed);
        let notice = format!("{file} has changed");
        wait_until_within(Duration::from_secs(1), &notice, || printed().contains(&notice));
        wait_for(outcome);
        let rounds = printed().matches("has changed").count() + 1;
        wait_until("the checks have ended", || printed().matches("Ctrl-C ends it").count() == rounds);
    }
    let id = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(0), "{}", printed());
}

#[test]
fn logs_of_all_components_are_followed() {
    let project = Project::new(short);
    let log = fs::File::create(project.path("up.log")).unwrap();
    let mut up = project.lab(&["up", SCENARIO]);
    up.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
    let mut up = up.stdout(log).stderr(Stdio::null()).spawn().unwrap();
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
        printed().lines().any(|line| {
            line.starts_with("\u{1b}[36mproxied\u{1b}[0m ") && line.contains("access") && line.contains("GET /pong")
        })
    });
    let id = rustix::process::Pid::from_child(&up);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(0));
}
