//! Checks see each request as it reaches the server, and as the application sees it, whatever the application is.

use std::fs;

use lab::exit::Exit;

use super::python_server::{KIND, LAUNCHER};
use crate::support::{Project, replaced, requires};

/// An application that says nothing of its requests, behind middleware that believes a proxy.
const APP: &str = r#"
def pages(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def behind_a_proxy(app):
    def fixed(environ, start_response):
        addresses = environ.get("HTTP_X_FORWARDED_FOR", environ["REMOTE_ADDR"])
        environ["REMOTE_ADDR"] = addresses.split(",")[-1].strip()
        environ["wsgi.url_scheme"] = environ.get("HTTP_X_FORWARDED_PROTO", "http")
        return app(environ, start_response)

    return fixed


def create_app():
    return behind_a_proxy(pages)
"#;

const NGINX: &str = r#"
events { }
http {
  server {
    listen 80;
    location /logo { return 200 "a logo"; }
    location / {
      proxy_pass http://unix:/run/shop.sock;
      proxy_set_header Host shop.example.org;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
    }
  }
}
"#;

pub(crate) const SCENARIO: &str = r#"
schema = 1
name   = "behind"
kinds  = "kinds"

[app]
wsgi = "shop:create_app()"
path = "."

[[stack]]
name   = "proxied"
proxy  = { kind = "lab", config = "nginx.conf" }
server = { kind = "own" }

[[stack]]
name   = "alone"
server = { kind = "own" }

[[check]]
name    = "the proxy says who the client is"
stacks  = ["proxied"]
request = { path = "/caf%C3%A9?size=1", headers = [["X-Forwarded-For", "203.0.113.9"]] }
expect.upstream.method  = "GET"
expect.upstream.target  = "/caf%C3%A9?size=1"
expect.upstream.headers = { X-Forwarded-For = "203.0.113.9, {client}", X-Forwarded-Proto = "https" }
expect.app = { remote_addr = "{client}", scheme = "https", host = "shop.example.org", root_path = "", path = "/café",
               query_string = "size=1", url_root = "https://shop.example.org/" }

[[check]]
name    = "a client is heard without a proxy"
stacks  = ["alone"]
request = { path = "/", headers = [["x-Case", "kept"]] }
expect.status = 200
expect.upstream.order   = ["Host", "x-Case"]
expect.upstream.headers = { Host = "{host}:{port}" }
expect.app = { remote_addr = "{client}", host = "{host}:{port}" }
"#;

pub(crate) fn project(scenario: &str) -> Project {
    Project::new(str::to_owned)
        .with_server_kind("own", KIND, LAUNCHER)
        .with_file("shop.py", APP)
        .with_file("nginx.conf", NGINX)
        .with_file("lab.toml", scenario)
        .with_shared_cache()
}

#[test]
fn any_application_shows_its_requests() {
    requires!(Python);
    let project = project(SCENARIO);
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    for stack in ["proxied", "alone"] {
        assert!(printed.contains(&format!("{stack}  1 of 1 checks passed")), "{printed}");
    }
}

#[test]
fn trust_in_a_forged_address_fails() {
    requires!(Python);
    let project = project(SCENARIO);
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    project.write("shop.py", &replaced(APP, "split(\",\")[-1]", "split(\",\")[0]"));
    let printed = project.expect(Exit::Failed, &["check", "lab.toml"]);
    assert!(printed.contains("app.remote_addr"), "{printed}");
    assert!(printed.contains("203.0.113.9"), "{printed}");
}

#[test]
fn request_that_stays_at_the_proxy_fails() {
    requires!(Python);
    let project = project(&replaced(SCENARIO, "/caf%C3%A9?size=1\", headers", "/logo\", headers"));
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Failed, &["check", "lab.toml"]);
    assert!(printed.contains("no request reached the server"), "{printed}");
    assert!(printed.contains("no request reached the application"), "{printed}");
}

#[test]
fn nothing_is_recorded_under_load() {
    requires!(Python);
    let load = "\n[[load]]\nname = \"page\"\ndriver = \"closed\"\nconnections = 1\nduration = \"1s\"\n\
                [rounds]\ncount = 1\nwarmup = \"0s\"\n";
    let project = project(&format!("{SCENARIO}{load}"));
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    project.expect(Exit::Ok, &["run", "lab.toml"]);
    let run = project.path("reports/behind/latest");
    let has_module = |visit: &str| -> Vec<bool> {
        let folders = fs::read_dir(run.join(visit)).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.is_dir()).map(|path| path.join("module/lab_observer.py").exists()).collect()
    };
    assert_eq!(has_module("rounds"), [false, false]);
    assert!(has_module("checks").contains(&true));
}
