//! A load that the deployment cannot serve: it ends early, and the report has the cause.

use lab::exit::Exit;

use crate::support::{Project, requires};

const SCENARIO: &str = r#"
schema = 1
name   = "limited"

[app]
native = "hello"

[[stack]]
name   = "original"
proxy  = { kind = "nginx", config = "nginx.conf" }
server = { kind = "lab" }

[[stack]]
name   = "direct"
server = { kind = "lab" }

[[load]]
name        = "pages"
driver      = "closed"
connections = 2
duration    = "1s"
path        = "/pong"

[rounds]
count  = 4
warmup = "0s"
"#;

const NGINX: &str = "
events { }
http {
    limit_req_zone $binary_remote_addr zone=one:1m rate=1r/s;
    server {
        listen 80;
        location / { limit_req zone=one; proxy_pass http://127.0.0.1:8000; }
    }
}
";

#[test]
fn limited_load_ends_with_the_cause() {
    requires!(Nginx);
    let project = Project::empty().with_file("lab.toml", SCENARIO).with_file("nginx.conf", NGINX);
    let printed = project.expect(Exit::Failed, &["run", "lab.toml"]);
    assert!(printed.contains("of the responses are errors") && printed.contains("status-5xx"), "{printed}");
    assert!(printed.contains("error.log says \"limiting requests, excess: "), "{printed}");
    assert!(printed.contains("the load ends here for this stack"), "{printed}");
    let rounds = std::fs::read_dir(project.path("reports/limited/latest/rounds")).unwrap();
    let names: Vec<String> = rounds.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.contains("original")).count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.contains("direct")).count(), 4, "{names:?}");
}
