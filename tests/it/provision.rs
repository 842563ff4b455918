//! Kinds on this machine: a server is added without Rust, environments are complete or absent, and unavailable kinds are
//! rows with their reason.

use std::fs;

use lab::exit::Exit;

use crate::support::{Project, requires, text};

/// An unknown server: Python's own, in a script.
const OWN_KIND: &str = r#"
schema = 1
role   = "server"
title  = "my own server"

[install]
pip = []

[version]
command = ["{python}", "-c", "print('own 7.1')"]
matches = 'own ([0-9.]+)'

[start]
command  = ["{python}", "{launcher}", "{host}", "{port}"]
launcher = "own.py"
wsgi     = ["{module}", "{callable}"]

[start.environment]
GREETING = "from {module} on {port}"

[cannot]
workers    = "it is mine"
keep_alive = "it closes"
"#;

const OWN_LAUNCHER: &str = r#"
import importlib, sys
from wsgiref.simple_server import make_server

host, port, module, name = sys.argv[1:]
make_server(host, int(port), getattr(importlib.import_module(module), name)).serve_forever()
"#;

const OWN_APP: &str = r#"
import os

def application(environ, start_response):
    said = (os.environ["GREETING"] + os.environ["MARK"]).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]
"#;

const SCENARIO: &str = r#"
schema = 1
name   = "own"
kinds  = "kinds"

[app]
wsgi        = "shop.main:application"
path        = "apps"
environment = { MARK = "!" }

[[stack]]
name   = "mine"
server = { kind = "own" }

[[matrix]]
name   = "other"
server = ["own", "fapws3"]

[[check]]
name    = "the variables of the kind and of the app arrive"
request = { path = "/" }
expect.status = 200
expect.body   = { matches = '^from shop\.main on [0-9]+!$' }

[[check]]
name    = "not asked of what cannot do it"
needs   = ["keep_alive"]
request = { path = "/", times = 3 }
expect.status = 200
"#;

fn own() -> Project {
    Project::new(str::to_owned)
        .with_server_kind("own", OWN_KIND, OWN_LAUNCHER)
        .with_file("apps/shop/__init__.py", "")
        .with_file("apps/shop/main.py", OWN_APP)
        .with_scenario("own", SCENARIO)
        .with_shared_cache()
}

#[test]
fn kind_is_added_without_rust() {
    requires!(Python);
    let project = own();
    let provisioned = project.expect(Exit::Ok, &["provision", "scenarios/own.toml"]);
    assert!(provisioned.contains("own  7.1"), "{provisioned}");
    assert!(provisioned.contains("fapws3  unavailable: fapws3 is Python 2"), "{provisioned}");

    let printed = project.expect(Exit::Ok, &["check", "scenarios/own.toml"]);
    assert!(printed.contains("mine  1 of 1 checks passed  server own 7.1"), "{printed}");
    assert!(printed.contains("other-own  1 of 1 checks passed"), "{printed}");
    assert!(printed.contains("other-fapws3  unavailable: fapws3 is Python 2"), "{printed}");

    let listed = project.expect(Exit::Ok, &["servers", "--kinds", "kinds"]);
    let row = listed.lines().find(|line| line.trim().starts_with("own ")).unwrap().to_owned();
    assert!(row.contains("7.1") && row.contains("provisioned"), "{row}");
    assert!(listed.lines().all(|line| line.chars().count() <= 80), "{listed}");
    assert_eq!(listed.matches("lab provision").count(), 1, "{listed}");
    assert_eq!(listed.matches("fapws3 is Python 2").count(), 1, "{listed}");
}

#[test]
fn unavailable_stack_could_not_run() {
    let project = own();
    let scenario = SCENARIO.replace("server = { kind = \"own\" }", "server = { kind = \"fapws3\" }");
    project.write("scenarios/own.toml", &scenario.replace("[\"own\", \"fapws3\"]", "[\"fapws3\"]"));
    let checked = project.expect(Exit::CouldNotRun, &["check", "scenarios/own.toml"]);
    assert!(checked.contains("mine  unavailable: fapws3"), "{checked}");
}

#[test]
fn failed_build_is_reported_and_retried() {
    requires!(Python);
    let project = Project::new(str::to_owned);
    let (cache, kinds) = (project.path("cache"), project.path("kinds"));
    let project = project.with_variable("LAB_CACHE", &cache).with_variable("LAB_KINDS", kinds);
    let kind = OWN_KIND.replace("pip = []", "source = [\"package\"]").replace("launcher = \"own.py\"", "");
    project.write("kinds/own.toml", &kind.replace("\"{launcher}\"", "\"-c\""));
    // Builds without the index: its backend lies beside it.
    let backend = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    project.write("kinds/package/pyproject.toml", backend);
    let broken = "def build_wheel(*_, **__):\n    raise RuntimeError('no such compiler')\n";
    project.write("kinds/package/backend.py", broken);

    let printed = project.expect(Exit::CouldNotRun, &["provision", "own"]);
    assert!(printed.contains("own  unavailable: could not build it from source: "), "{printed}");
    assert!(printed.contains("no such compiler") && printed.contains(".log"), "{printed}");
    let listed = text(&project.run(&["servers"]));
    let row = listed.lines().find(|line| line.trim().starts_with("own ")).unwrap();
    assert!(row.ends_with("unavailable"), "{row}");
    assert_eq!(listed.matches("could not build it").count(), 1, "{listed}");
    let venvs: Vec<_> = fs::read_dir(cache.join("venvs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(venvs.iter().all(|path| path.is_file()), "nothing half-made is left: {venvs:?}");

    let again = project.expect(Exit::CouldNotRun, &["provision", "own"]);
    assert!(again.contains("could not build it from source: "), "the build is tried again: {again}");
}

#[test]
fn incomplete_environment_is_rebuilt() {
    requires!(Python);
    let project = own();
    let (cache, kinds) = (project.path("cache"), project.path("kinds"));
    let project = project.with_variable("LAB_CACHE", &cache).with_variable("LAB_KINDS", kinds);
    let run = |arguments: &[&str]| text(&project.run(arguments));
    assert!(run(&["provision", "own"]).contains("provisioned in"));
    assert!(run(&["provision", "own"]).contains("own  7.1  installed"));
    let venv = fs::read_dir(cache.join("venvs")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
    fs::remove_file(venv.unwrap().join("lab-complete")).unwrap();
    let listed = run(&["servers"]);
    let row = listed.lines().find(|line| line.trim().starts_with("own ")).unwrap();
    assert!(row.contains("not provisioned"), "{row}");
    assert!(run(&["provision", "own"]).contains("provisioned in"));
}

/// Servers that bind their port themselves, with an app of lab's own.
#[test]
fn servers_from_the_index_serve_wsgi() {
    const PONG: &str = r#"
schema = 1
name   = "pong"

[app]
wsgi = "pong:app"

[[matrix]]
server = ["wsgiref", "waitress", "gunicorn", "gunicorn/gthread"]

[[check]]
name    = "Pong!"
request = { path = "/" }
expect.status  = 200
expect.headers = { Content-Type = "text/plain", Content-Length = "5" }
expect.body    = "Pong!"

[[check]]
name    = "a connection stays open"
needs   = ["keep_alive"]
request = { path = "/", times = 5 }
expect.status = 200
"#;
    requires!(Python);
    let project = Project::new(str::to_owned).with_scenario("pong", PONG).with_shared_cache();
    let printed = project.provision_and_check("pong");
    for row in [
        "wsgiref  1 of 1 checks passed",
        "waitress  2 of 2 checks passed",
        "gunicorn  1 of 1 checks passed  server gunicorn 27",
        "gunicorn-gthread  2 of 2 checks passed  server gunicorn/gthread 27",
    ] {
        assert!(printed.contains(row), "{row}: {printed}");
    }
}
