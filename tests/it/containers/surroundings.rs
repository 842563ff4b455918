//! What checks see of requests behind a proxy, and the services of an application, where stacks run in containers.

use lab::exit::Exit;

use super::docker;
use crate::own::{behind_proxy, services};
use crate::support::{Project, replaced, requires, text};

fn in_containers(scenario: &str) -> String {
    replaced(scenario, "schema = 1\n", "schema = 1\nbackend = \"container\"\n")
}

#[test]
fn requests_behind_a_proxy_are_recorded() {
    requires!(Docker, Python, Root);
    let project = behind_proxy::project(&in_containers(behind_proxy::SCENARIO));
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    for stack in ["proxied", "alone"] {
        assert!(printed.contains(&format!("{stack}  1 of 1 checks passed")), "{printed}");
    }
}

#[test]
fn forged_address_behind_a_proxy_is_noticed() {
    requires!(Docker, Python, Root);
    let project = behind_proxy::project(&in_containers(behind_proxy::SCENARIO));
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let text = std::fs::read_to_string(project.path("shop.py")).unwrap();
    project.write("shop.py", &replaced(&text, "split(\",\")[-1]", "split(\",\")[0]"));
    let printed = project.expect(Exit::Failed, &["check", "lab.toml"]);
    assert!(printed.contains("app.remote_addr"), "{printed}");
}

const APP: &str = r#"
import os
import urllib.request

TEXT = urllib.request.urlopen(os.environ["STORE_URL"]).read()


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(TEXT)))])
    return [TEXT]
"#;

#[test]
fn container_reaches_the_services_of_its_application() {
    requires!(Docker, Python, Root);
    let scenario = replaced(services::SCENARIO, "xprepared\\nthen\\n", "xprepared\\n");
    let project = services::project(&in_containers(&scenario));
    project.write("shop.py", APP);
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("mine  1 of 1 checks passed"), "{printed}");
}

#[test]
fn container_reaches_known_services() {
    requires!(Docker, Python, Root);
    for kind in services::KINDS.iter().filter(|kind| kind.tool.is_available_for_part()) {
        let project = services::project(&in_containers(&kind.scenario()));
        project.write("shop.py", &kind.app());
        project.expect(Exit::Ok, &["provision", "lab.toml"]);
        let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
        assert!(printed.contains("mine  1 of 1 checks passed"), "{printed}");
    }
}

/// A service that says how often it was started, and what its variable says.
const STORE: &str = r#"
import http.server, os

open("/starts", "a").write("x")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write((open("/starts").read() + os.environ["GREETING"]).encode())


http.server.HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"#;

const DOCKERFILE: &str = "\
FROM lab-test/flask
COPY store.py /store.py
CMD [\"python3\", \"/store.py\"]
";

const SCENARIO: &str = r#"
schema = 1
name   = "imaged"
kinds  = "kinds"

[app]
wsgi = "shop:app"
path = "."

[app.services.store]
image     = "lab-test/store"
port      = 8000
variables = { GREETING = "hello" }
ready     = { http = "/" }
env       = { STORE_URL = "http://{host}:{port}/" }

[[stack]]
name   = "process"
server = { kind = "own" }

[[stack]]
name    = "container"
backend = "container"
server  = { kind = "own" }

[[check]]
name    = "the application finds its service, freshly started"
request = { path = "/" }
expect  = { status = 200, body = "xhello" }
"#;

#[test]
fn service_runs_from_its_image() {
    requires!(Images, Python, Root);
    let image = Project::empty().with_file("store.py", STORE).with_file("Dockerfile", DOCKERFILE);
    let built = docker(&["build", "--tag", "lab-test/store", image.path(".").to_str().unwrap()]);
    assert!(built.status.success(), "{}", text(&built));
    let project = services::project(SCENARIO);
    project.write("shop.py", APP);
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    for stack in ["process", "container"] {
        assert!(printed.contains(&format!("{stack}  1 of 1 checks passed")), "{printed}");
    }
    let explained = project.expect(Exit::Ok, &["explain", "lab.toml"]);
    assert!(explained.contains("with the service store (lab-test/store:latest)"), "{explained}");
}
