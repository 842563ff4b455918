//! Checks of what a proxy's cache does with the responses of an application.

use lab::exit::Exit;

use super::python_server::{KIND, LAUNCHER};
use crate::support::{Project, requires};

/// Pages that may be cached, most of them for a second.
const APP: &str = r#"
counts = {}

def app(environ, start_response):
    path = environ["PATH_INFO"]
    counts[path] = counts.get(path, 0) + 1
    fields = [("Cache-Control", "max-age=600" if path == "/page" else "max-age=1"), ("ETag", '"1"')]
    if path == "/news" and environ.get("HTTP_IF_NONE_MATCH"):
        start_response("304 Not Modified", fields)
        return []
    if path == "/fails" and counts[path] > 1:
        start_response("500 Internal Server Error", [("Content-Length", "0")])
        return []
    body = f"{path} {counts[path]}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))] + (fields if path != "/account" else []))
    return [body]
"#;

const PROXY: &str = "
events { }
http {
    proxy_cache_path cache keys_zone=pages:1m use_temp_path=off;
    server {
        listen 80;
        proxy_cache pages;
        proxy_cache_revalidate on;
        location / { proxy_pass http://127.0.0.1:8000; proxy_cache_use_stale http_500; }
        location /updated {
            proxy_pass http://127.0.0.1:8000;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
        }
    }
}
";

fn project(checks: &str) -> Project {
    let head = r#"
schema = 1
name   = "cached"
kinds  = "kinds"

[app]
wsgi = "pages:app"
path = "."

[[stack]]
name   = "with-nginx"
proxy  = { kind = "nginx", config = "nginx.conf" }
server = { kind = "own" }

[[stack]]
name   = "with-lab"
proxy  = { kind = "lab", config = "nginx.conf" }
server = { kind = "own" }
"#;
    let project = Project::empty()
        .with_file("lab.toml", &format!("{head}{checks}"))
        .with_file("nginx.conf", PROXY)
        .with_file("pages.py", APP)
        .with_file("kinds/servers/own.toml", KIND)
        .with_file("kinds/servers/own.py", LAUNCHER);
    project.expect(Exit::Ok, &["provision", "own", "--kinds", "kinds"]);
    project
}

#[test]
fn requests_at_the_server_tell_cache_statuses() {
    requires!(Nginx, Python);
    let printed = project(
        r#"
[[check]]
name    = "a page is cached"
request = { path = "/page", times = 2 }
expect  = { cache = ["miss", "hit"], body = "/page 1" }

[[check]]
name    = "an account is not"
request = { path = "/account", times = 2 }
expect  = { cache = ["miss", "miss"], body = "/account 2" }

[[check]]
name    = "news are validated"
request = { path = "/news", times = 2, pause = "2100ms" }
expect  = { status = 200, cache = "revalidated", body = "/news 1" }

[[check]]
name    = "a failure is hidden"
request = { path = "/fails", times = 2, pause = "2100ms" }
expect  = { status = 200, cache = "stale", body = "/fails 1" }

[[check]]
name    = "a page is updated after the response"
request = { path = "/updated", times = 3, pause = "2100ms" }
expect  = { cache = ["miss", "stale", "stale"], body = "/updated 2" }
"#,
    )
    .expect(Exit::Ok, &["check", "lab.toml"]);
    for row in ["with-nginx  5 of 5 checks passed", "with-lab  5 of 5 checks passed"] {
        assert!(printed.contains(row), "{row}: {printed}");
    }
}

#[test]
fn unmet_cache_status_names_both() {
    requires!(Nginx, Python);
    let printed = project(
        r#"
[[check]]
name    = "the account is cached"
request = { path = "/account", times = 2 }
expect.cache = ["miss", "hit"]

[[check]]
name    = "the page is not"
request = { path = "/page", times = 2 }
expect.cache = "miss"
"#,
    )
    .expect(Exit::Failed, &["check", "lab.toml"]);
    for part in ["miss then hit", "miss then miss", "2 of 2 checks failed"] {
        assert!(printed.contains(part), "{part:?} is not in\n{printed}");
    }
}
