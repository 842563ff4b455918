//! What a listening socket that lab hands over must not change.

use lab::exit::Exit;

use crate::support::{Project, requires};

const SCENARIO: &str = r#"
schema = 1
name   = "sockets"

[app]
native = "hello"

[[stack]]
name   = "nginx"
proxy  = { kind = "nginx", config = "nginx.conf" }
server = { kind = "lab" }

[[stack]]
name   = "twin"
proxy  = { kind = "lab", config = "nginx.conf" }
server = { kind = "lab" }

[[check]]
name    = "a response passes through"
request = { path = "/pong" }
expect.status = 200
expect.body   = "Pong!"
"#;

fn check(nginx: &str) -> String {
    let project = Project::new(str::to_owned).with_file("lab.toml", SCENARIO).with_file("nginx.conf", nginx);
    project.expect(Exit::Ok, &["check", "lab.toml"])
}

fn assert_both_pass(printed: &str) {
    for stack in ["nginx", "twin"] {
        assert!(printed.contains(&format!("{stack}  1 of 1 checks passed")), "{printed}");
    }
}

#[test]
fn nginx_accepts_many_connections_at_once() {
    requires!(Nginx);
    let printed = check(
        "worker_processes 2;\nevents { multi_accept on; }\n\
         http { access_log off; server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } } }\n",
    );
    assert_both_pass(&printed);
}

#[test]
fn options_of_listen_apply_to_inherited_sockets() {
    requires!(Nginx);
    let printed = check(
        "worker_processes 2;\nevents { }\n\
         http { access_log off; server { listen 80 reuseport backlog=64; listen [::]:80 ipv6only=on;\n\
         location / { proxy_pass http://127.0.0.1:8000; } } server { listen *:80; server_name other; return 404; } }\n",
    );
    assert_both_pass(&printed);
}

#[test]
fn deferred_accept_applies_to_inherited_sockets() {
    requires!(Nginx);
    let only_nginx = SCENARIO.replacen(
        "name   = \"twin\"\nproxy  = { kind = \"lab\"",
        "name   = \"twin\"\nproxy  = { kind = \"nginx\"",
        1,
    );
    let nginx = "events { multi_accept on; }\n\
                 http { access_log off; server { listen 80 deferred; location / { proxy_pass http://127.0.0.1:8000; } } }\n";
    let project = Project::new(str::to_owned).with_file("lab.toml", &only_nginx).with_file("nginx.conf", nginx);
    assert_both_pass(&project.expect(Exit::Ok, &["check", "lab.toml"]));
}
