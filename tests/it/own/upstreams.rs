//! Nothing is green that would fail outside: a proxy that passes requests where no server binds.

use std::fs;

use lab::exit::Exit;

use crate::support::{Project, requires};

const SCENARIO: &str = r#"
schema = 1
name   = "meeting"

[app]
native = "hello"

[[stack]]
name   = "site"
proxy  = { kind = "lab", config = "nginx.conf" }
server = { kind = "lab", config = "gunicorn.conf.py" }

[[check]]
name    = "a response passes through"
request = { path = "/pong" }
expect.status = 200
"#;

fn project(upstream: &str, bind: &str) -> Project {
    let nginx = format!(
        "events {{ }}\nhttp {{\n  upstream app {{\n    server {upstream};\n  }}\n\
         server {{ listen 80; location / {{ proxy_pass http://app; }} }} }}\n"
    );
    Project::new(str::to_owned)
        .with_file("lab.toml", SCENARIO)
        .with_file("nginx.conf", &nginx)
        .with_file("gunicorn.conf.py", &format!("workers = 1\nbind = {bind:?}\n"))
}

#[test]
fn proxy_that_misses_its_server_is_an_error() {
    requires!(Python);
    for (upstream, bind, shown) in [
        (
            "127.0.0.1:8000",
            "127.0.0.1:8001",
            "requests go to 127.0.0.1:8000, and gunicorn.conf.py:2 binds 127.0.0.1:8001",
        ),
        ("127.0.0.1:8000", "unix:/run/app.sock", "and gunicorn.conf.py:2 binds unix:/run/app.sock"),
        ("unix:/run/app.sock", "unix:/run/other.sock", "requests go to unix:/run/app.sock"),
        ("10.0.0.2:8000", "127.0.0.1:8000", "requests go to 10.0.0.2:8000"),
    ] {
        let project = project(upstream, bind);
        let printed = project.expect(Exit::BadScenario, &["check", "lab.toml"]);
        assert!(printed.contains(shown) && printed.contains("nginx.conf:4"), "{printed}");
        assert!(printed.contains("stack `site`") && printed.contains("`relocate = \"any\"`"), "{printed}");
        let linted = project.expect(Exit::Failed, &["lint", "nginx.conf", "gunicorn.conf.py"]);
        assert!(linted.contains("upstream-elsewhere") && linted.contains(shown), "lint says the same: {linted}");
        let text = fs::read_to_string(project.path("lab.toml")).unwrap();
        project.write("lab.toml", &text.replace("name   = \"meeting\"", "name   = \"meeting\"\nrelocate = \"any\""));
        project.expect(Exit::Ok, &["check", "lab.toml"]);
    }
}

#[test]
fn proxy_that_meets_its_server_is_none() {
    requires!(Python);
    for (upstream, bind) in [("localhost:8000", "0.0.0.0:8000"), ("unix:/run/app.sock", "unix:/run/app.sock")] {
        let project = project(upstream, bind);
        project.expect(Exit::Ok, &["check", "lab.toml"]);
        let linted = crate::support::text(&project.run(&["lint", "nginx.conf", "gunicorn.conf.py"]));
        assert!(!linted.contains("upstream-elsewhere"), "{linted}");
    }
}

#[test]
fn expired_certificate_is_an_error() {
    requires!(Python);
    let project = project("127.0.0.1:8000", "127.0.0.1:8000");
    let expired = include_str!("../lint/expired.pem");
    let nginx = fs::read_to_string(project.path("nginx.conf")).unwrap();
    let nginx = nginx.replace("listen 80;", "listen 80;\n ssl_certificate expired.pem; ssl_certificate_key gone.key;");
    project.write("nginx.conf", &nginx);
    project.write("expired.pem", expired);
    let printed = project.expect(Exit::BadScenario, &["check", "lab.toml"]);
    assert!(printed.contains("certificate-expired") && printed.contains("has expired on Jan  1"), "{printed}");
    let linted = project.expect(Exit::Failed, &["lint", "nginx.conf"]);
    assert!(linted.contains("certificate-expired"), "{linted}");
}

#[test]
fn server_that_no_check_names_is_an_error() {
    requires!(Python);
    let project = project("127.0.0.1:8000", "127.0.0.1:8000");
    let nginx = fs::read_to_string(project.path("nginx.conf")).unwrap();
    let nginx = nginx.replace(
        " } }\n",
        " }\n  server {\n    listen 80;\n    server_name admin.example.org;\n    return 204;\n  }\n}\n",
    );
    project.write("nginx.conf", &nginx);
    let printed = project.expect(Exit::BadScenario, &["check", "lab.toml"]);
    assert!(printed.contains("no check requests admin.example.org"), "{printed}");
    assert!(printed.contains("nginx.conf:8") || printed.contains("nginx.conf:9"), "{printed}");
    let check = "\n[[check]]\nname = \"the admin responds\"\n\
                 request = { path = \"/\", headers = { Host = \"admin.example.org\" } }\nexpect.status = 204\n";
    project.write("lab.toml", &format!("{SCENARIO}{check}"));
    project.expect(Exit::Ok, &["check", "lab.toml"]);
}
