//! Deployments of other people's programs: the tutorial's of 2011, and a worker that a slow client occupies.

use std::path::Path;
use std::process::Output;

use crate::support::{Project, has, has_python, kinds_cache, text};

/// lab in the folder of the project, for what its own scenarios name.
fn lab(project: &Project, arguments: &[&str]) -> Output {
    let mut command = project.lab(arguments);
    command.env("LAB_CACHE", kinds_cache()).env_remove("LAB_KINDS").output().unwrap()
}

/// A project with the scenario of `name` and the fixtures it names, without the stacks that need the WSGI gateway, which
/// takes minutes to build.
fn project(scenario: &str, is_left_out: impl Fn(&str) -> bool) -> Project {
    let project = Project::new(str::to_owned);
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(source.join("fixtures/blog-2011"), project.path("fixtures/blog-2011")).unwrap();
    std::os::unix::fs::symlink(source.join("fixtures/apps"), project.path("fixtures/apps")).unwrap();
    let file = format!("scenarios/{scenario}.toml");
    let text = std::fs::read_to_string(source.join(&file)).unwrap();
    let paragraphs = text.split("\n\n").filter(|paragraph| !is_left_out(paragraph));
    let text: Vec<&str> = paragraphs.collect();
    std::fs::write(project.path(&file), text.join("\n\n")).unwrap();
    project
}

#[test]
fn the_tutorial_of_2011_is_seen_as_it_is_and_corrected() {
    if !has_python() || !has("nginx", "/usr/sbin/nginx") {
        return;
    }
    let needs_gateway =
        |paragraph: &str| paragraph.contains("name   = \"lab-serve\"") || paragraph.contains("name   = \"lab-both\"");
    let project = project("blog-2011", needs_gateway);
    let file = project.path("scenarios/blog-2011.toml");
    let scenario = std::fs::read_to_string(&file).unwrap().replace("\"lab-serve\", \"lab-both\", ", "");
    std::fs::write(&file, scenario.replace(", \"lab-serve\", \"lab-both\"]", "]")).unwrap();
    let provisioned = lab(&project, &["provision", "scenarios/blog-2011.toml"]);
    assert_eq!(provisioned.status.code(), Some(0), "{}", text(&provisioned));
    let checked = lab(&project, &["check", "scenarios/blog-2011.toml"]);
    let said = text(&checked);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    for row in [
        "documented  6 of 6 checks passed  proxy nginx",
        "corrected  10 of 10 checks passed  proxy nginx",
        "lab-proxy  10 of 10 checks passed  proxy lab",
        "rust  9 of 9 checks passed  proxy lab",
    ] {
        assert!(said.contains(row), "{row}: {said}");
    }
    let run = project.path("reports/blog-2011/latest/checks");
    let configuration = std::fs::read_to_string(run.join("corrected/nginx.conf")).unwrap();
    assert!(configuration.contains("fixtures/blog-2011/corrected/site;"), "documents stay where they are");
    let workers = std::fs::read_to_string(run.join("corrected/server.log")).unwrap();
    assert_eq!(workers.matches("Booting worker").count(), 2, "as gunicorn.conf.py says: {workers}");
    assert!(!project.path("gunicorn.pid").exists(), "its pid file is the run's");
}

#[test]
fn a_slow_client_occupies_a_sync_worker_and_none_behind_a_proxy_that_waits() {
    if !has_python() || !has("nginx", "/usr/sbin/nginx") {
        return;
    }
    let project = project("proxies", |_| false);
    let provisioned = lab(&project, &["provision", "scenarios/proxies.toml"]);
    assert_eq!(provisioned.status.code(), Some(0), "{}", text(&provisioned));
    let checked = lab(
        &project,
        &[
            "check",
            "scenarios/proxies.toml",
            "--only",
            "gunicorn",
            "--only",
            "nginx-gunicorn",
            "--only",
            "lab-gunicorn",
        ],
    );
    let said = text(&checked);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    for row in ["  gunicorn  3 of 3", "nginx-gunicorn  3 of 3", "lab-gunicorn  3 of 3"] {
        assert!(said.contains(row), "{row}: {said}");
    }
}

/// A server that speaks uwsgi and nothing else, without threads, keep-alive or input.
const UWSGI_KIND: &str = r#"
schema = 1
role   = "server"
title  = "a server for proxies only"

[install]
pip = []

[version]
command = ["{python}", "-c", "print('own 1.0')"]
matches = 'own ([0-9.]+)'

[start]
command  = ["{python}", "{launcher}", "{host}", "{port}"]
launcher = "own.py"
wsgi     = ["{module}", "{callable}"]
speaks   = "uwsgi"

[cannot]
workers = "it is one process"
"#;

const UWSGI_LAUNCHER: &str = r#"
import importlib, io, socketserver, struct, sys

host, port, module, name = sys.argv[1:]
app = getattr(importlib.import_module(module), name)

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        modifier, size, _ = struct.unpack("<BHB", self.rfile.read(4))
        assert modifier == 0
        block, texts = io.BytesIO(self.rfile.read(size)), []
        while length := block.read(2):
            texts.append(block.read(*struct.unpack("<H", length)).decode("latin-1"))
        environ = dict(zip(texts[::2], texts[1::2]))
        def start_response(status, headers):
            head = "".join(f"{name}: {value}\r\n" for name, value in headers)
            self.wfile.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1"))
        self.wfile.write(b"".join(app(environ, start_response)))

class Server(socketserver.TCPServer):
    allow_reuse_address = True

Server((host, int(port)), Handler).serve_forever()
"#;

const UWSGI_APP: &str = r#"
NAMES = ["REQUEST_URI", "PATH_INFO", "REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_SAID"]

def app(environ, start_response):
    said = "\n".join(environ[name] for name in NAMES if name in environ).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]
"#;

const UWSGI_SCENARIO: &str = r#"
schema = 1
name   = "own"
kinds  = "kinds"

[app]
wsgi = "own_app:app"
path = "apps"

[[matrix]]
server = ["own"]
proxy  = ["none", "nginx/uwsgi", "nginx"]

[[check]]
name    = "the request arrives, and nothing of it that the client made up"
request = { path = "/a%20b?c=d", headers = [["X-Forwarded-For", "203.0.113.9"], ["X-Forwarded-Proto", "https"], ["X-Said", "so"]] }
expect.status = 200
expect.body   = "/a%20b?c=d\n/a b\n{client}\n203.0.113.9, {client}\nhttp\nso"
"#;

#[test]
fn a_server_that_speaks_uwsgi_is_served_behind_a_proxy_that_does() {
    if !has_python() || !has("nginx", "/usr/sbin/nginx") {
        return;
    }
    let project = Project::new(str::to_owned);
    let files = [
        ("kinds/servers/own.toml", UWSGI_KIND),
        ("kinds/servers/own.py", UWSGI_LAUNCHER),
        ("apps/own_app.py", UWSGI_APP),
        ("scenarios/own.toml", UWSGI_SCENARIO),
    ];
    for (file, text) in files {
        std::fs::create_dir_all(project.path(file).parent().unwrap()).unwrap();
        std::fs::write(project.path(file), text).unwrap();
    }
    let provisioned = lab(&project, &["provision", "scenarios/own.toml"]);
    assert_eq!(provisioned.status.code(), Some(0), "{}", text(&provisioned));
    let checked = lab(&project, &["check", "scenarios/own.toml"]);
    let said = text(&checked);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    for row in [
        "nginx-uwsgi-own  1 of 1 checks passed",
        "  own  unavailable: `own` speaks uwsgi, which clients do not",
        "nginx-own  unavailable: `own` speaks uwsgi, and `nginx` in front of it http",
    ] {
        assert!(said.contains(row), "{row}: {said}");
    }
}
