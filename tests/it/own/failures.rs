//! Why something failed: a 500 with its traceback, a server that does not start in one line.

use lab::exit::Exit;

use super::python_server::{KIND, LAUNCHER};
use crate::support::{Project, requires};

const APP: &str = r#"
def app(environ, start_response):
    if environ["PATH_INFO"] == "/broken":
        print("about to look up", flush=True)
        price({})
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]

def price(item):
    return item["price"]
"#;

const SCENARIO: &str = r#"
schema = 1
name   = "failing"
kinds  = "kinds"

[app]
wsgi = "shop:app"
path = "."

[[stack]]
name   = "site"
proxy  = { kind = "nginx", config = "nginx.conf" }
server = { kind = "own" }

[[check]]
name    = "it works"
request = { path = "/" }
expect.status = 200

[[check]]
name    = "it breaks"
request = { path = "/broken" }
expect.status = 200
"#;

const NGINX: &str = "events { }\nhttp { access_log access.log; server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } } }\n";

fn project(scenario: &str, nginx: &str) -> Project {
    let project = Project::empty()
        .with_server_kind("own", KIND, LAUNCHER)
        .with_file("shop.py", APP)
        .with_file("nginx.conf", nginx)
        .with_file("lab.toml", scenario)
        .with_shared_cache();
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    project
}

#[test]
fn server_error_shows_its_traceback() {
    requires!(Python, Nginx);
    let project = project(SCENARIO, NGINX);
    let files = ["--junit", "junit.xml", "--comment", "comment.md"];
    let printed = project.expect(Exit::Failed, &[&["check", "lab.toml", "--verbose"][..], &files].concat());
    for part in [
        "  response  500 Internal Server Error",
        "    | A server error occurred.",
        "logged since the request: ",
        "    | about to look up",
        "    | KeyError: 'price'",
        &format!("    |   File \"{}\", line 10, in price", project.path("shop.py").display()),
        "site: GET /: 200",
        "  = status: 200",
        "site: GET /broken: 500",
        "  ! status: 500",
    ] {
        assert!(printed.contains(part), "{part:?} is not in\n{printed}");
    }
    assert!(!printed.contains("access.log"), "requests are no reasons: {printed}");

    let read = |file: &str| std::fs::read_to_string(project.path(file)).unwrap();
    let (junit, comment) = (read("junit.xml"), read("comment.md"));
    let folded = comment.split("<details><summary>logged since the request: ").nth(1).unwrap_or_default();
    assert!(folded.split("</details>").next().unwrap().contains("\nKeyError: 'price'\n"), "{comment}");
    assert!(
        junit.contains("logged since the request: ") && junit.contains("\n  | KeyError: &apos;price&apos;"),
        "{junit}"
    );
}

#[test]
fn wrong_callable_is_one_line() {
    requires!(Python, Nginx);
    let project = project(&SCENARIO.replace("shop:app", "shop:appp"), NGINX);
    let printed = project.expect(Exit::CouldNotRun, &["check", "lab.toml"]);
    let line = "could not run site: the server ended with exit status: 1 before it was ready: \
                module 'shop' has no attribute 'appp'. Did you mean: 'app'?";
    assert!(printed.contains(line), "{printed}");
    assert!(!printed.contains("Traceback"), "{printed}");
}

#[test]
fn broken_configuration_has_its_own_name() {
    requires!(Python, Nginx);
    let project =
        project(SCENARIO, &NGINX.replace("access_log access.log;", "access_log access.log;\nno_such_directive on;"));
    let printed = project.expect(Exit::CouldNotRun, &["check", "lab.toml"]);
    let place = format!("in {}:3", project.path("nginx.conf").display());
    assert!(printed.contains("unknown directive \"no_such_directive\"") && printed.contains(&place), "{printed}");
    assert!(!printed.contains("reports/failing/") || printed.contains("log: "), "{printed}");
}
