//! What the twins cannot run: said with the stack's name, all at once, and only where that stack is asked for.

use lab::exit::Exit;

use crate::support::{Project, requires};

const SCENARIO: &str = r#"
schema = 1
name   = "refused"

[app]
native = "hello"

[[stack]]
name   = "original"
proxy  = { kind = "nginx", config = "nginx.conf" }
server = { kind = "lab" }

[[stack]]
name   = "twin"
proxy  = { kind = "lab", config = "nginx.conf" }
server = { kind = "lab" }

[[check]]
name    = "a response passes through"
request = { path = "/pong" }
expect.status = "2xx"
"#;

const NGINX: &str = "\
events { }
http {
    access_log off;
    ssl_ocsp off;
    ssl_ocsp_cache off;
    include more;
    server {
        listen 80;
        location / { proxy_pass http://127.0.0.1:8000; }
        ssl_ocsp_responder http://127.0.0.1/;
    }
}
";

#[test]
fn refusals_of_the_twin_are_listed_at_once() {
    requires!(Nginx);
    let project = Project::empty()
        .with_file("lab.toml", SCENARIO)
        .with_file("nginx.conf", NGINX)
        .with_file("more", "uwsgi_ssl_verify off;\n");
    let printed = project.expect(Exit::BadScenario, &["check", "lab.toml"]);
    for part in [
        "lab: stack `twin`: lab proxy, the twin of nginx, cannot run nginx.conf:",
        "\n  nginx.conf:4: nginx directive \"ssl_ocsp\" is not supported",
        "\n  nginx.conf:5: nginx directive \"ssl_ocsp_cache\"",
        "\n  more:1: nginx directive \"uwsgi_ssl_verify\"",
        "\n  nginx.conf:10: nginx directive \"ssl_ocsp_responder\"",
    ] {
        assert!(printed.contains(part), "{part:?} is not in\n{printed}");
    }
    let printed = project.expect(Exit::Ok, &["check", "lab.toml", "--only", "original"]);
    assert!(printed.contains("original  1 of 1 checks passed"), "{printed}");
}

#[test]
fn hooks_that_are_not_called_are_named() {
    requires!(Python);
    let scenario = "schema = 1\nname = \"hooked\"\n\n[app]\nnative = \"hello\"\n\n[[stack]]\nname = \"alone\"\n\
                    server = { kind = \"lab\", config = \"gunicorn.conf.py\" }\n\n[[check]]\nname = \"it responds\"\n\
                    request = { path = \"/pong\" }\nexpect.status = 200\n";
    let project = Project::empty()
        .with_file("lab.toml", scenario)
        .with_file("gunicorn.conf.py", "def post_fork(server, worker):\n    pass\n");
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("warning: stack `alone`: hooks are not called for a native application"), "{printed}");
}
