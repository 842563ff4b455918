//! WSGI applications in containers of lab's own image, from a virtual environment of this machine.

use std::path::Path;
use std::process::Stdio;

use lab::exit::Exit;

use super::nothing_is_left_by;
use crate::support::{Project, assert_exit, requires};

/// Imports native modules: some of the standard library, which need libraries of the machine, and some that pip installed.
/// Reports whether its environment is writable.
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
    requires!(Docker, Python);
    let project = Project::new(str::to_owned)
        .with_file("app/parts.py", APP)
        .with_file("requirements.txt", "markupsafe==3.0.3\n")
        .with_scenario("python", SCENARIO)
        .with_shared_cache()
        // Compile the gateway as the tests are compiled, and keep the result.
        .with_variable("MATURIN_PEP517_ARGS", "--profile dev")
        .with_variable("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-wsgi"));
    let explained = project.expect(Exit::Ok, &["explain", "scenarios/python.toml"]);
    assert_eq!(explained.matches("each component in a container").count(), 3, "{explained}");
    project.expect(Exit::Ok, &["provision", "scenarios/python.toml"]);

    let mut run = project.lab(&["run", "scenarios/python.toml"]);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = run.id();
    let output = run.wait_with_output().unwrap();
    assert_exit(&output, Exit::Ok);
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
