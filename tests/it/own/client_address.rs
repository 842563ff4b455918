//! The client of checks has another address than the proxy, so that servers which trust the proxy do not trust the client.

use lab::exit::Exit;

use super::behind_proxy;
use crate::support::{Project, replaced, requires};

const NGINX: &str = "
events { }
http {
    server {
        listen 80;
        location = /status { stub_status; allow 127.0.0.1; deny all; }
        location / {
            proxy_pass http://127.0.0.1:8000;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }
    }
}
";

const SCENARIO: &str = r#"
schema = 1
name   = "addresses"

[app]
native = "hello"

[[stack]]
name   = "proxied"
proxy  = { kind = "nginx", config = "nginx.conf" }
server = { kind = "lab" }

[[check]]
name    = "the status page is not for everybody"
request = { path = "/status" }
expect.status = 403

[[check]]
name    = "the status page is for this machine"
request = { path = "/status", client = "127.0.0.1" }
expect.status = 200

[[check]]
name    = "the application sees the client"
request = { path = "/headers" }
expect.app.remote_addr = "127.0.0.2"

[[check]]
name    = "the application sees another client"
request = { path = "/headers", client = "127.9.9.9" }
expect.app.remote_addr = "127.9.9.9"
"#;

#[test]
fn client_has_its_own_address() {
    requires!(Nginx);
    let project = Project::empty().with_file("nginx.conf", NGINX).with_file("lab.toml", SCENARIO);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("4 of 4 checks passed"), "{printed}");
}

/// The middleware of an application that asks the server who its peer is.
#[test]
fn server_sees_the_client_without_a_proxy() {
    requires!(Python);
    let scenario = replaced(
        behind_proxy::SCENARIO,
        "expect.app = { remote_addr = \"{client}\", host",
        "expect.app = { remote_addr = \"127.0.0.2\", host",
    );
    let project = behind_proxy::project(&scenario);
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("alone  1 of 1 checks passed"), "{printed}");
}
