//! Deployments with real servers: the tutorial's of 2011, and a worker that a slow client occupies.

use std::path::Path;

use lab::exit::Exit;

use crate::support::{Project, replaced, requires};

/// A project with a scenario of the repository and the fixtures it names, without the paragraphs that are left out.
fn project(scenario: &str, is_left_out: impl Fn(&str) -> bool) -> Project {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{scenario}.toml"));
    let text = std::fs::read_to_string(file).unwrap();
    let text: Vec<&str> = text
        .split(
            "

",
        )
        .filter(|paragraph| !is_left_out(paragraph))
        .collect();
    Project::new(str::to_owned)
        .with_link("fixtures/blog-2011")
        .with_link("fixtures/apps")
        .with_scenario(
            scenario,
            &text.join(
                "

",
            ),
        )
        .with_shared_cache()
}

#[test]
fn tutorial_of_2011_is_checked_and_corrected() {
    requires!(Python, Nginx);
    let needs_gateway =
        |paragraph: &str| paragraph.contains("name   = \"lab-serve\"") || paragraph.contains("name   = \"lab-both\"");
    let project = project("blog-2011", needs_gateway);
    let file = project.path("scenarios/blog-2011.toml");
    let scenario = std::fs::read_to_string(&file).unwrap().replace("\"lab-serve\", \"lab-both\", ", "");
    std::fs::write(&file, scenario.replace(", \"lab-serve\", \"lab-both\"]", "]")).unwrap();
    let printed = project.provision_and_check("blog-2011");
    for row in [
        "documented  6 of 6 checks passed  proxy nginx",
        "corrected  10 of 10 checks passed  proxy nginx",
        "lab-proxy  10 of 10 checks passed  proxy lab",
        "rust  9 of 9 checks passed  proxy lab",
    ] {
        assert!(printed.contains(row), "{row}: {printed}");
    }
    let run = project.path("reports/blog-2011/latest/checks");
    let configuration = std::fs::read_to_string(run.join("corrected/nginx.conf")).unwrap();
    assert!(configuration.contains("fixtures/blog-2011/corrected/site;"), "documents stay where they are");
    let workers = std::fs::read_to_string(run.join("corrected/server.log")).unwrap();
    assert_eq!(workers.matches("Booting worker").count(), 2, "as gunicorn.conf.py says: {workers}");
    assert!(!project.path("gunicorn.pid").exists(), "its pid file is the run's");
}

#[test]
fn cached_pages_and_files_spare_the_application() {
    requires!(Nginx);
    let project = project("static", |_| false).with_link("fixtures/static");
    let printed = project.expect(Exit::Ok, &["check", "scenarios/static.toml"]);
    for row in ["nginx  19 of 19 checks passed", "lab  19 of 19 checks passed"] {
        assert!(printed.contains(row), "{row}: {printed}");
    }
}

#[test]
fn buffering_proxy_shields_sync_workers() {
    requires!(Python, Nginx);
    let project = project("proxies", |_| false);
    project.expect(Exit::Ok, &["provision", "scenarios/proxies.toml"]);
    let only = ["--only", "gunicorn", "--only", "nginx-gunicorn", "--only", "lab-gunicorn"];
    let printed = project.expect(Exit::Ok, &[&["check", "scenarios/proxies.toml"], &only[..]].concat());
    for row in ["  gunicorn  3 of 3", "nginx-gunicorn  3 of 3", "lab-gunicorn  3 of 3"] {
        assert!(printed.contains(row), "{row}: {printed}");
    }
}

/// A server that speaks only uwsgi, without threads, keep-alive or input.
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
fn uwsgi_server_runs_behind_a_uwsgi_proxy() {
    requires!(Python, Nginx);
    let project = Project::new(str::to_owned)
        .with_server_kind("own", UWSGI_KIND, UWSGI_LAUNCHER)
        .with_file("apps/own_app.py", UWSGI_APP)
        .with_scenario("own", UWSGI_SCENARIO)
        .with_shared_cache();
    let printed = project.provision_and_check("own");
    for row in [
        "nginx-uwsgi-own  1 of 1 checks passed",
        "  own  unavailable: `own` speaks uwsgi, which clients do not",
        "nginx-own  unavailable: `own` speaks uwsgi, and `nginx` in front of it http",
    ] {
        assert!(printed.contains(row), "{row}: {printed}");
    }
}

#[test]
fn proxies_scenario_passes() {
    requires!(Python, Nginx, Haproxy, Apache, Caddy);
    let project = project("proxies", |_| false);
    let printed = project.provision_and_check("proxies");
    let passed =
        printed.lines().filter(|line| line.contains("7 of 7 checks passed") || line.contains("3 of 3 checks passed"));
    assert_eq!(passed.count(), 12, "{printed}");
}

/// Those of the catalogue that need no compiler.
const WHEELS: [&str; 17] = [
    "cheroot",
    "cherrypy",
    "eventlet",
    "fastwsgi",
    "gevent",
    "granian",
    "gunicorn",
    "gunicorn/gevent",
    "gunicorn/gthread",
    "hypercorn",
    "paste",
    "rocket3",
    "tornado",
    "twisted",
    "uvicorn",
    "waitress",
    "werkzeug",
];

#[test]
fn servers_without_a_compiler_pass_pingpong() {
    requires!(Python);
    let project = project("wsgi-pingpong", |paragraph| paragraph.contains("uwsgi/socket"));
    let file = project.path("scenarios/wsgi-pingpong.toml");
    let scenario = std::fs::read_to_string(&file).unwrap();
    let scenario = replaced(&scenario, "[\"all\"]", &format!("{WHEELS:?}"));
    let scenario = replaced(&scenario, "reference = \"bjoern\"", "reference = \"waitress\"");
    let scenario =
        replaced(&scenario, "\"bjoern\", \"granian\", \"lab\", \"uwsgi\", \"waitress\"", "\"granian\", \"waitress\"");
    std::fs::write(&file, scenario).unwrap();
    let printed = project.provision_and_check("wsgi-pingpong");
    let passed = printed.lines().filter(|line| line.contains(" of ") && line.contains(" checks passed"));
    assert_eq!(passed.count(), WHEELS.len(), "{printed}");
}

/// As Debian lays out nginx's folder.
const DEBIAN: [(&str, &str); 6] = [
    (
        "nginx.conf",
        "user www-data;\nworker_processes auto;\npid /run/nginx.pid;\nerror_log /var/log/nginx/error.log;\n\
         include modules-enabled/*.conf;\n\nevents { worker_connections 768; }\n\nhttp {\n    include mime.types;\n\
         \x20   default_type application/octet-stream;\n    access_log /var/log/nginx/access.log;\n\n\
         \x20   include conf.d/*.conf;\n    include sites-enabled/*;\n}\n",
    ),
    ("mime.types", "types {\n    text/html   html;\n    text/x-own  own;\n}\n"),
    (
        "proxy_params",
        "proxy_set_header Host $http_host;\nproxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n",
    ),
    ("conf.d/app.conf", "upstream app { server 127.0.0.1:8000; }\n"),
    (
        "sites-enabled/default",
        "server {\n    listen 80 default_server;\n    root site;\n    location / { include proxy_params; proxy_pass \
         http://app; }\n    location /static/ { }\n}\n",
    ),
    ("site/static/a.own", "of its own\n"),
];

const INCLUDING: &str = r#"
schema = 1
name   = "including"

[app]
native = "hello"

[[stack]]
name      = "nginx"
proxy     = { kind = "nginx", config = "nginx/nginx.conf" }
server    = { kind = "lab" }
reference = true

[[stack]]
name   = "twin"
proxy  = { kind = "lab", config = "nginx/nginx.conf" }
server = { kind = "lab" }

[[check]]
name    = "what is included forwards"
request = { path = "/headers", headers = [["X-Forwarded-For", "203.0.113.9"]] }
expect.upstream.headers = { X-Forwarded-For = "203.0.113.9, {client}", Host = "{host}:{port}" }

[[check]]
name    = "what is included knows types"
request = { path = "/static/a.own" }
expect.headers = { Content-Type = "text/x-own" }
expect.body    = "of its own\n"
"#;

#[test]
fn included_configuration_files_are_read() {
    requires!(Nginx);
    let project = Project::new(str::to_owned).with_scenario("including", INCLUDING);
    for (name, content) in DEBIAN {
        project.write(&format!("nginx/{name}"), content);
    }
    let printed = project.expect(Exit::Ok, &["check", "scenarios/including.toml"]);
    assert_eq!(printed.matches("2 of 2 checks passed").count(), 2, "{printed}");
    let record = std::fs::read(project.path("reports/including/latest/record.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let parts = record["provenance"]["configurations"].as_object().unwrap();
    for file in ["nginx.conf", "mime.types", "conf.d/app.conf", "sites-enabled/default", "proxy_params"] {
        assert!(parts.contains_key(&format!("nginx/{file}")), "{parts:?}");
    }

    project.write("nginx/sites-enabled/default", "server {\n listen 80;\n proxy_passs http://app;\n}\n");
    let wrong = project.expect(Exit::BadScenario, &["check", "scenarios/including.toml", "--only", "twin"]);
    assert!(wrong.contains("nginx/sites-enabled/default:3: "), "{wrong}");
    project.write("nginx/sites-enabled/default", "server { listen 80; include gone; }\n");
    let gone = project.expect(Exit::BadScenario, &["check", "scenarios/including.toml"]);
    assert!(gone.contains("nginx/sites-enabled/default:1: "), "{gone}");
}

#[test]
fn nginx_modules_are_found_below_its_prefix() {
    requires!(Nginx, NginxEcho);
    let configuration =
        "include modules.conf;\nevents { }\nhttp { server { listen 80; location / { echo_duplicate 1 loaded; } } }\n";
    let scenario = "schema = 1\nname = \"modules\"\n[app]\nnative = \"hello\"\n[[stack]]\nname = \"nginx\"\n\
         proxy = { kind = \"nginx\", config = \"nginx/nginx.conf\" }\nserver = { kind = \"lab\" }\n\
         [[check]]\nname = \"it is loaded\"\nrequest = { path = \"/\" }\nexpect.body = \"loaded\"\n";
    let project = Project::new(str::to_owned)
        .with_file("nginx/modules.conf", "load_module modules/ngx_http_echo_module.so;\n")
        .with_file("nginx/nginx.conf", configuration)
        .with_scenario("modules", scenario);
    project.expect(Exit::Ok, &["check", "scenarios/modules.toml"]);
}
