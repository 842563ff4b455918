//! The application's own environment: its packages with their versions, its variables, its folder, its setup.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lab::exit::Exit;

use super::python_server;
use crate::support::{Project, python_on_path, replaced, requires};

/// A server that applications may bring: a distribution with one module.
const KIND: &str = r#"
schema = 1
role   = "server"
title  = "a server that applications bring"

[install]
pip = ["ownserver==9.9"]

[start]
command  = ["{python}", "{launcher}", "{host}", "{port}"]
launcher = "own.py"
wsgi     = ["{module}", "{callable}"]

[cannot]
workers    = "it is mine"
keep_alive = "it closes"
"#;

const LAUNCHER: &str = r#"
import importlib, sys
import ownserver

host, port, module, name = sys.argv[1:]
ownserver.serve(host, int(port), getattr(importlib.import_module(module), name))
"#;

const SERVER: &str = r#"
from wsgiref.simple_server import make_server

def serve(host, port, app):
    make_server(host, port, app).serve_forever()
"#;

const APP: &str = r#"
import os

import greeting

def create_app(word, *, mark="?"):
    prepared = open("state.txt").read().strip()
    words = [greeting.WORD, word + mark, os.environ["FROM_FILE"], os.environ["FROM_LATER"], os.environ["FROM_BOTH"],
             os.path.basename(os.getcwd()), prepared]

    def app(environ, start_response):
        said = " ".join(words).encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
        return [said]

    return app
"#;

const SCENARIO: &str = r#"
schema = 1
name   = "own"
kinds  = "kinds"

[app]
wsgi     = 'shop:create_app("world", mark="!")'
path     = "src"
venv     = ".venv"
env_file = [".env", "local.env"]
env      = { FROM_BOTH = "env" }
cwd      = "work"
setup    = "python -c 'import greeting; print(greeting.WORD, \"again\")' > state.txt"

[[stack]]
name   = "mine"
server = { kind = "own" }

[[check]]
name    = "everything arrives"
request = { path = "/" }
expect.status = 200
expect.body   = "hello world! file later env work hello again"
"#;

/// The folder of packages of an environment.
fn site_packages(project: &Project, venv: &str) -> PathBuf {
    let library = fs::read_dir(project.path(venv).join("lib")).unwrap().next().unwrap().unwrap();
    library.path().join("site-packages")
}

fn with_venv() -> Project {
    let project = Project::new(str::to_owned)
        .with_server_kind("own", KIND, LAUNCHER)
        .with_file("src/shop.py", APP)
        .with_file(".env", "# of production\nexport FROM_FILE='file'\nFROM_LATER=earlier\nFROM_BOTH=file\n")
        .with_file("local.env", "FROM_LATER=later\n")
        .with_file("work/keep", "")
        .with_file("lab.toml", SCENARIO)
        .with_shared_cache();
    let made = Command::new(python_on_path()).args(["-m", "venv", "--without-pip"]).arg(project.path(".venv")).status();
    assert!(made.unwrap().success());
    let packages = site_packages(&project, ".venv");
    fs::write(packages.join("greeting.py"), "WORD = 'hello'\n").unwrap();
    fs::write(packages.join("ownserver.py"), SERVER).unwrap();
    fs::create_dir(packages.join("ownserver-3.2.dist-info")).unwrap();
    project
}

#[test]
fn server_runs_from_the_applications_environment() {
    requires!(Python);
    let project = with_venv();
    let printed = project.expect(Exit::Ok, &["provision", "lab.toml"]);
    assert!(printed.contains("own  3.2  installed"), "nothing is made: {printed}");
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("mine  1 of 1 checks passed  server own 3.2"), "{printed}");
}

#[test]
fn failed_setup_shows_its_output() {
    requires!(Python);
    let project = with_venv();
    let scenario = replaced(SCENARIO, "print(greeting.WORD, \\\"again\\\")' > state.txt", "exit(3)' && echo never");
    project.write("lab.toml", &replaced(&scenario, "import greeting; exit", "print(\\\"no such table\\\"); exit"));
    let printed = project.expect(Exit::CouldNotRun, &["check", "lab.toml"]);
    assert!(printed.contains("the setup command ended with exit status: 3: python -c"), "{printed}");
    assert!(printed.contains("| no such table") && printed.contains("setup.log"), "{printed}");
}

#[test]
fn malformed_variables_are_refused_with_their_line() {
    requires!(Python);
    let project = with_venv().with_file(".env", "FROM_FILE=1\nno assignment\n");
    let printed = project.expect(Exit::BadScenario, &["check", "lab.toml"]);
    assert!(printed.contains(".env:2: `no assignment` has no `=`; accepted: `NAME=value`"), "{printed}");
}

/// Builds a wheel without the index.
const BACKEND: &str = r#"
import zipfile

def build_wheel(folder, *_, **__):
    name = "ownserver-9.9-py3-none-any.whl"
    files = {
        "ownserver.py": open("ownserver_source.py").read(),
        "greeting.py": "WORD = 'never seen'\n",
        "ownserver-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: ownserver\nVersion: 9.9\n",
        "ownserver-9.9.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: own\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in files) + "ownserver-9.9.dist-info/RECORD,,\n"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        for file, text in [*files.items(), ("ownserver-9.9.dist-info/RECORD", record)]:
            wheel.writestr(file, text)
    return name
"#;

#[test]
fn server_that_is_missing_sees_the_applications_packages() {
    requires!(Python);
    let project = with_venv();
    fs::remove_dir(site_packages(&project, ".venv").join("ownserver-3.2.dist-info")).unwrap();
    fs::remove_file(site_packages(&project, ".venv").join("ownserver.py")).unwrap();
    let kind = replaced(KIND, "pip = [\"ownserver==9.9\"]", "source = [\"package\"]");
    project.write("kinds/servers/own.toml", &format!("{kind}\n[version]\ndistribution = \"ownserver\"\n"));
    project.write(
        "kinds/servers/package/pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
    );
    project.write("kinds/servers/package/backend.py", BACKEND);
    project.write("kinds/servers/package/ownserver_source.py", SERVER);
    let missing = project.expect(Exit::CouldNotRun, &["check", "lab.toml"]);
    assert!(missing.contains("not provisioned: run `lab provision SCENARIO.toml`"), "{missing}");
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("mine  1 of 1 checks passed  server own 9.9"), "{printed}");
}

const PINNED: &str = r#"
schema = 1
name   = "pinned"

[app]
wsgi         = "shop:create_app()"
path         = "."
requirements = "requirements.txt"

[[stack]]
name   = "gunicorn"
server = { kind = "gunicorn" }

[[stack]]
name   = "waitress"
server = { kind = "waitress" }

[[stack]]
name   = "uvicorn"
server = { kind = "uvicorn" }

[[check]]
name    = "the application's Flask answers"
request = { path = "/" }
expect.status = 200
expect.body   = "Flask 3.0.2"
"#;

const FLASK_APP: &str = r#"
from importlib.metadata import version

from flask import Flask

def create_app():
    app = Flask(__name__)

    @app.get("/")
    def home():
        return f"Flask {version('flask')}"

    return app
"#;

#[test]
fn pins_of_the_application_win() {
    requires!(Python);
    let project = Project::new(str::to_owned)
        .with_file("shop.py", FLASK_APP)
        .with_file("requirements.txt", "-r requirements/base.txt\ngunicorn==22.0.0\n")
        .with_file("requirements/base.txt", "flask==3.0.2\n")
        .with_file("lab.toml", PINNED)
        .with_shared_cache();
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("gunicorn  1 of 1 checks passed  server gunicorn 22.0.0"), "{printed}");
    for other in ["waitress", "uvicorn"] {
        assert!(printed.contains(&format!("{other}  1 of 1 checks passed")), "{printed}");
    }
    let record = fs::read_to_string(project.path("reports/pinned/latest/record.json")).unwrap();
    assert!(record.contains("gunicorn 22.0.0"), "the record says which version ran");
}

/// Two applications, each on a stack of its own.
const TWO_APPS: &str = r#"
schema = 1
name   = "two"
kinds  = "kinds"

[app]
wsgi = "word:app"
path = "."
env  = { WORD = "shared" }

[[stack]]
name   = "mine"
server = { kind = "own" }

[[stack]]
name   = "other"
server = { kind = "own" }
app    = { wsgi = "word:app", path = ".", env = { WORD = "its own" } }

[[check]]
name    = "the shared app responds"
stacks  = ["mine"]
request = { path = "/" }
expect.body = "shared"

[[check]]
name    = "the other app responds"
stacks  = ["other"]
request = { path = "/" }
expect.body = "its own"
"#;

#[test]
fn stack_may_have_an_app_of_its_own() {
    requires!(Python);
    let app = "import os\n\ndef app(environ, start_response):\n    start_response(\"200 OK\", [])\n\
               \x20   return [os.environ[\"WORD\"].encode()]\n";
    let project = Project::new(str::to_owned)
        .with_server_kind("own", python_server::KIND, python_server::LAUNCHER)
        .with_file("word.py", app)
        .with_file("lab.toml", TWO_APPS)
        .with_shared_cache();
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    for stack in ["mine", "other"] {
        assert!(printed.contains(&format!("{stack}  1 of 1 checks passed")), "{printed}");
    }
    let explained = project.expect(Exit::Ok, &["explain", "lab.toml"]);
    assert!(explained.contains("its own app word:app"), "{explained}");
}

/// An application that shows where it lies.
const PLACED: &str = r#"
schema = 1
name   = "placed"
kinds  = "kinds"

[app]
wsgi = "place:app"
path = "."

[[stack]]
name   = "mine"
server = { kind = "own" }

[[check]]
name    = "the file is shown"
request = { path = "/" }
expect.body = { contains = "place.py" }
"#;

#[test]
fn facts_do_not_name_the_folder() {
    requires!(Python);
    let app = "def app(environ, start_response):\n    start_response(\"200 OK\", [])\n    return [__file__.encode()]\n";
    let project = || {
        Project::new(str::to_owned)
            .with_server_kind("own", python_server::KIND, python_server::LAUNCHER)
            .with_file("place.py", app)
            .with_file("lab.toml", PLACED)
            .with_shared_cache()
    };
    let (one, other) = (project(), project());
    one.expect(Exit::Ok, &["provision", "lab.toml"]);
    one.expect(Exit::Ok, &["run", "lab.toml", "--gate", "--accept-new"]);
    let snapshot = fs::read_to_string(one.path("reports/snapshots/placed.snap")).unwrap();
    assert!(snapshot.contains("body \"{root}/"), "{snapshot}");
    other.write("reports/snapshots/placed.snap", &snapshot);
    other.expect(Exit::Ok, &["run", "lab.toml", "--gate"]);
}
