//! WSGI applications in containers of lab's own image: what is in a virtual environment of this machine, which the
//! containers see.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::{has_engine, nothing_is_left_by};
use crate::support::{Project, has_python, kinds_cache, text};

/// Imports what is not Python: of the standard library what needs libraries of the machine, and what pip has installed.
/// Says whether its own environment can be written to.
const APP: &str = r#"
import ctypes, ssl, zlib
from markupsafe import _speedups

def app(environ, start_response):
    try:
        open(_speedups.__file__ + ".new", "w").close()
        said = b"written"
    except OSError as error:
        said = error.strerror.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]
"#;

const SCENARIO: &str = r#"
schema  = 1
name    = "default"
backend = "container"

[app]
wsgi         = "parts:app"
path         = "app"
requirements = "requirements.txt"

[[stack]]
name      = "lab"
proxy     = { kind = "lab", config = "fixtures/nginx/corrected.conf" }
server    = { kind = "lab", workers = 2 }
reference = true

[[stack]]
name   = "gunicorn"
server = { kind = "gunicorn/gthread", workers = 2 }

[[stack]]                                   # it imports a script that comes with the kind
name   = "uvicorn"
server = { kind = "uvicorn" }

[[check]]
name    = "everything is there, and nothing of it can be changed"
request = { path = "/" }
expect.status = 200
expect.body   = "Read-only file system"

[[load]]
name        = "closed"
driver      = "closed"
path        = "/"
connections = 4
duration    = "1s"

[rounds]
count  = 1
warmup = "0s"
"#;

#[test]
fn virtual_environment_runs_in_labs_image() {
    if !has_engine() || !has_python() {
        return;
    }
    let project = Project::new(str::to_owned);
    fs::create_dir(project.path("app")).unwrap();
    fs::write(project.path("app/parts.py"), APP).unwrap();
    fs::write(project.path("requirements.txt"), "markupsafe==3.0.3\n").unwrap();
    fs::write(project.path("scenarios/python.toml"), SCENARIO).unwrap();
    let lab = |arguments: &[&str]| {
        let mut lab = project.lab(arguments);
        // Compiled as the tests are, and beside what they compile.
        lab.env("MATURIN_PEP517_ARGS", "--profile dev");
        lab.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-wsgi"));
        lab.env("LAB_CACHE", kinds_cache()).env_remove("LAB_KINDS");
        lab
    };
    let explained = text(&lab(&["explain", "scenarios/python.toml"]).output().unwrap());
    assert_eq!(explained.matches("each component in a container").count(), 3, "{explained}");
    let provisioned = lab(&["provision", "scenarios/python.toml"]).output().unwrap();
    assert_eq!(provisioned.status.code(), Some(0), "{}", text(&provisioned));

    let mut run = lab(&["run", "scenarios/python.toml"]);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = run.id();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    nothing_is_left_by(pid);

    let record = super::record(&project);
    for round in record["rounds"].as_array().unwrap() {
        assert_eq!(round["outcome"], "measured", "{round:#}");
        assert!(round["ok"].as_u64() > Some(0), "{round:#}");
        for component in round["components"].as_array().unwrap() {
            assert!(component["cpu_us"].as_u64() > Some(0), "{component:#}");
        }
    }
    let version = |stack: usize, at: usize| record["stacks"][stack]["components"][at]["version"].as_str().unwrap();
    assert!(version(0, 1).starts_with("lab ") && version(0, 1).contains("container"), "{}", version(0, 1));
    assert!(version(1, 0).starts_with("gunicorn/gthread ") && version(1, 0).contains("container"), "{record:#}");
}
