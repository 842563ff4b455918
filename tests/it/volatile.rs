//! Facts of real applications: random cookies, identifiers, and bodies that are not text.

use std::fs;

use lab::exit::Exit;

use crate::support::{Project, replaced, requires};

/// A server that answers with new values each time.
const KIND: &str = r#"
schema = 1
role   = "server"
title  = "a server with sessions"

[install]
pip = []

[version]
command = ["{python}", "-c", "print('session 1.0')"]
matches = 'session ([0-9.]+)'

[start]
command  = ["{python}", "{launcher}", "{host}", "{port}"]
launcher = "session.py"
wsgi     = ["{module}", "{callable}"]

[cannot]
workers    = "it has one"
keep_alive = "it closes"
"#;

const LAUNCHER: &str = r#"
import importlib, sys
from wsgiref.simple_server import make_server

host, port, module, name = sys.argv[1:]
make_server(host, int(port), getattr(importlib.import_module(module), name)).serve_forever()
"#;

const APP: &str = r#"
import json, os, uuid

with open(os.path.join(os.path.dirname(__file__), "starts"), "a+") as file:
    file.write("x")
    starts = file.tell()

def application(environ, start_response):
    new = uuid.uuid4().hex
    headers = [("Set-Cookie", "session=" + new), ("X-Request-Id", new)]
    status, body = "200 OK", json.dumps({"session": {"id": new, "user": "me"}}).encode()
    if environ["PATH_INFO"] == "/page":
        body = ("<p>drawn by %s\nat noon</p>" % new).encode()
        headers += [("X-Where", "/drawn/" + new + "/end"), ("Content-Type", "text/html")]
    if environ["PATH_INFO"] == "/status":
        status, headers, body = ["200 OK", "201 Created"][starts % 2], [], b"x"
    if environ["PATH_INFO"] == "/image":
        headers, body = [], bytes(range(256))
    start_response(status, headers + [("Content-Length", str(len(body)))])
    return [body]
"#;

const SCENARIO: &str = r#"
schema = 1
name   = "own"
kinds  = "kinds"

[app]
wsgi = "session_app:application"
path = "apps"

[snapshot]
volatile = ["set-cookie", "X-Request-Id", "/session/id"]

[[stack]]
name   = "mine"
server = { kind = "session" }

[[check]]
name    = "a session"
request = { path = "/" }
expect.status = 200

[[check]]
name    = "an image"
request = { path = "/image" }
expect.status = 200
"#;

#[test]
fn volatile_facts_are_compared_for_presence() {
    requires!(Python);
    let project = Project::new(str::to_owned)
        .with_server_kind("session", KIND, LAUNCHER)
        .with_file("apps/session_app.py", APP)
        .with_scenario("own", SCENARIO)
        .with_shared_cache();
    project.expect(Exit::Ok, &["provision", "scenarios/own.toml"]);
    let gate = ["run", "scenarios/own.toml", "--gate"];
    project.expect(Exit::Ok, &[&gate[..], &["--accept-new"]].concat());
    project.expect(Exit::Ok, &gate);
    let facts = fs::read_to_string(project.path("reports/snapshots/own.snap")).unwrap();
    assert!(facts.contains("< Set-Cookie: {volatile}\n  < X-Request-Id: {volatile}\n"), "{facts}");
    assert!(facts.contains(r#"{\"session\":{\"id\":\"{volatile}\",\"user\":\"me\"}}"#), "{facts}");
    let digest = "40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880";
    assert!(facts.contains(&format!("body of 256 bytes, SHA-256 {digest}")), "{facts}");

    // Their absence is a difference, and so is every other value.
    let app = fs::read_to_string(project.path("apps/session_app.py")).unwrap();
    for (old, new) in [("(\"X-Request-Id\", new)", ""), ("\"me\"", "\"you\"")] {
        project.write("apps/session_app.py", &replaced(&app, old, new));
        project.expect(Exit::Failed, &gate);
    }
    project.write("apps/session_app.py", &app);
    project.write("scenarios/own.toml", &replaced(SCENARIO, "\"X-Request-Id\", ", ""));
    project.expect(Exit::Failed, &gate);
}

/// The scenario without any volatile fact, with checks of these paths.
fn plain(paths: &[&str]) -> String {
    let named = "[snapshot]\nvolatile = [\"set-cookie\", \"X-Request-Id\", \"/session/id\"]\n";
    let checks = paths.iter().map(|path| {
        format!("\n[[check]]\nname = \"{path}\"\nrequest = {{ path = \"{path}\" }}\nexpect.headers = {{ Content-Length = {{ present = true }} }}\n")
    });
    format!("{}{}", replaced(SCENARIO, named, ""), checks.collect::<String>())
}

fn session_project(scenario: &str) -> Project {
    let project = Project::new(str::to_owned)
        .with_server_kind("session", KIND, LAUNCHER)
        .with_file("apps/session_app.py", APP)
        .with_scenario("own", scenario)
        .with_shared_cache();
    project.expect(Exit::Ok, &["provision", "scenarios/own.toml"]);
    project
}

#[test]
fn varying_facts_come_with_their_line() {
    requires!(Python);
    let scenario = plain(&["/page"]);
    let project = session_project(&scenario);
    let checked = project.expect(Exit::Ok, &["check", "scenarios/own.toml"]);
    assert!(checked.contains("differs from visit to visit of one stack: "), "{checked}");
    assert!(checked.contains("body (in \"a session\")") && checked.contains("body (in \"/page\")"), "{checked}");
    assert!(!checked.contains("an image"), "{checked}");
    let line = checked.lines().map(str::trim).find(|line| line.starts_with("volatile = [")).unwrap();
    assert!(line.contains("\"/session/id\"") && line.contains("{ matches = "), "{line}");

    // Without the line the first run is no baseline.
    let gate = ["run", "scenarios/own.toml", "--gate"];
    let first = [&gate[..], &["--accept-new"]].concat();
    let refused = project.expect(Exit::Failed, &first);
    assert!(refused.contains(line), "{refused}");
    assert!(!project.path("reports/snapshots/own.snap").exists());
    // With it, exactly as it is printed, every run passes.
    project.write("scenarios/own.toml", &replaced(&scenario, "[[stack]]", &format!("[snapshot]\n{line}\n\n[[stack]]")));
    let accepted = project.expect(Exit::Ok, &first);
    assert!(!accepted.contains("from visit to visit"), "{accepted}");
    project.expect(Exit::Ok, &gate);
    // The rest is still compared.
    let app = fs::read_to_string(project.path("apps/session_app.py")).unwrap();
    project.write("apps/session_app.py", &replaced(&app, "at noon", "at night"));
    project.expect(Exit::Failed, &gate);
}

#[test]
fn unavoidable_variation_is_named() {
    requires!(Python);
    let project = session_project(&plain(&["/status"]));
    let checked = project.expect(Exit::Ok, &["check", "scenarios/own.toml"]);
    assert!(checked.contains("no `[snapshot] volatile` can leave out status (in \"/status\")"), "{checked}");
}

#[test]
fn filters_replace_parts_of_texts() {
    requires!(Python);
    let filters = "[snapshot]\nvolatile = [\"set-cookie\", \"/session/id\", { matches = '[0-9a-f]{32}', replacement = \"{id}\" }]\n";
    let scenario = replaced(&plain(&["/page"]), "[[stack]]", &format!("{filters}\n[[stack]]"));
    let project = session_project(&scenario);
    let gate = ["run", "scenarios/own.toml", "--gate"];
    project.expect(Exit::Ok, &[&gate[..], &["--accept-new"]].concat());
    project.expect(Exit::Ok, &gate);
    let facts = fs::read_to_string(project.path("reports/snapshots/own.snap")).unwrap();
    for fact in ["< X-Request-Id: {id}", "< X-Where: /drawn/{id}/end", r#"body "<p>drawn by {id}\nat noon</p>""#] {
        assert!(facts.contains(fact), "{fact}: {facts}");
    }
}
