//! Services of an application: started before it with an empty state, ready when they say so, stopped after it.

use std::fs;

use lab::exit::Exit;

use super::python_server::{KIND, LAUNCHER};
use crate::support::{Project, replaced, requires};

/// A service that counts its starts in its state, and writes what it is asked to keep.
const SERVICE: &str = r#"
import http.server, os, sys, time

host, port = sys.argv[1:]
open("starts", "a").write("x")
time.sleep(0.2)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = open("starts").read() + open("prepared").read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"#;

const APP: &str = r#"
import os
import urllib.request

TEXT = urllib.request.urlopen(os.environ["STORE_URL"]).read() + open(os.environ["THEN_FILE"], "rb").read()


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(TEXT)))])
    return [TEXT]
"#;

pub(crate) const SCENARIO: &str = r#"
schema = 1
name   = "served"
kinds  = "kinds"

[app]
wsgi     = "shop:app"
path     = "."
env_file = ".env"

[app.services.store]
command = "exec python3 '{root}/store.py' {host} {port}"
prepare = "echo prepared > prepared"
ready   = { http = "/" }
then    = "echo then > then"
env     = { STORE_URL = "http://{host}:{port}/", THEN_FILE = "{folder}/then" }

[[stack]]
name   = "mine"
server = { kind = "own" }

[[check]]
name    = "the application finds its service"
request = { path = "/" }
expect.status = 200
expect.body   = "xprepared\nthen\n"
"#;

pub(crate) fn project(scenario: &str) -> Project {
    Project::new(str::to_owned)
        .with_server_kind("own", KIND, LAUNCHER)
        .with_file("shop.py", APP)
        .with_file("store.py", SERVICE)
        .with_file(".env", "STORE_URL=http://elsewhere.invalid/\n")
        .with_file("lab.toml", scenario)
        .with_shared_cache()
}

#[test]
fn each_start_has_a_service_with_empty_state() {
    requires!(Python);
    let project = project(SCENARIO);
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    // Each stack is checked twice.
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("mine  1 of 1 checks passed"), "{printed}");
    let explained = project.expect(Exit::Ok, &["explain", "lab.toml"]);
    assert!(explained.contains("with the service store (a command)"), "{explained}");
    let visit = project.path("reports/served/latest/checks/mine");
    assert!(visit.join("service-store.log").is_file());
    assert!(!visit.join("service-store").exists(), "its state is removed");
}

#[test]
fn failure_of_a_service_shows_its_log() {
    requires!(Python);
    let failing = replaced(SCENARIO, "exec python3 '{root}/store.py' {host} {port}", "echo no room; exit 3");
    let unready =
        replaced(SCENARIO, "ready   = { http = \"/\" }", "ready   = { command = \"false\" }\ndeadline = \"1s\"");
    let unprepared = replaced(SCENARIO, "echo prepared > prepared", "echo no space; exit 4");
    for (scenario, shown) in [
        (failing, ["the service `store` ended with exit status: 3 before it was ready", "| no room"]),
        (unready, ["was not ready within 1 s: its `ready` command ended with exit status: 1", "service-store.log"]),
        (unprepared, ["`prepare` of the service `store` ended with exit status: 4", "| no space"]),
    ] {
        let project = project(&scenario);
        project.expect(Exit::Ok, &["provision", "lab.toml"]);
        let printed = project.expect(Exit::CouldNotRun, &["check", "lab.toml"]);
        assert!(shown.iter().all(|part| printed.contains(part)), "{shown:?} is not in\n{printed}");
    }
}

/// Speaks PostgreSQL's protocol as far as a login, so that no driver is needed.
const POSTGRESQL_APP: &str = r#"
import os
import socket
import struct

with socket.create_connection((os.environ["PGHOST"], int(os.environ["PGPORT"]))) as connection:
    names = ["user", os.environ["PGUSER"], "database", os.environ["PGDATABASE"], ""]
    body = struct.pack("!i", 196608) + b"".join(name.encode() + b"\0" for name in names)
    connection.sendall(struct.pack("!i", len(body) + 4) + body)
    KIND = connection.recv(1)

TEXT = os.environ["DATABASE_URL"].split(":")[0].encode() + b" " + KIND


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(TEXT)))])
    return [TEXT]
"#;

#[test]
fn postgresql_runs_where_it_is_installed() {
    requires!(Python);
    let begin = SCENARIO.find("[app.services.store]").unwrap();
    let end = SCENARIO.find("[[stack]]").unwrap();
    let scenario = SCENARIO.replace(&SCENARIO[begin..end], "[app.services.database]\nkind = \"postgresql\"\n\n");
    let project = project(&replaced(&scenario, "xprepared\\nthen\\n", "postgresql R"));
    project.write("shop.py", POSTGRESQL_APP);
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let output = project.run(&["check", "lab.toml"]);
    let printed = crate::support::text(&output);
    let is_missing = printed.contains("`initdb` is not installed: apt-get install postgresql");
    assert!(is_missing || printed.contains("mine  1 of 1 checks passed"), "{printed}");
    assert!(!fs::exists(project.path("reports/served/latest/checks/mine/service-database")).unwrap());
}
