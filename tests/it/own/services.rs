//! Services of an application: started before it with an empty state, ready when they say so, stopped after it.

use std::fs;

use lab::exit::Exit;

use super::python_server::{KIND, LAUNCHER};
use crate::support::{Project, Tool, replaced, requires};

/// A service that counts its starts in its state, and writes what it is asked to keep.
const SERVICE: &str = r#"
import http.server, os, sys, time

host, port = sys.argv[1:]
open("starts", "a").write("x")
time.sleep(0.2)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = open("starts").read() + open("prepared").read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"#;

const APP: &str = r#"
import os
import urllib.request

TEXT = urllib.request.urlopen(os.environ["STORE_URL"]).read() + open(os.environ["THEN_FILE"], "rb").read()


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(TEXT)))])
    return [TEXT]
"#;

pub(crate) const SCENARIO: &str = r#"
schema = 1
name   = "served"
kinds  = "kinds"

[app]
wsgi     = "shop:app"
path     = "."
env_file = ".env"

[app.services.store]
command = "exec python3 '{root}/store.py' {host} {port}"
prepare = "echo prepared > prepared"
ready   = { http = "/" }
then    = "echo then > then"
env     = { STORE_URL = "http://{host}:{port}/", THEN_FILE = "{folder}/then" }

[[stack]]
name   = "mine"
server = { kind = "own" }

[[check]]
name    = "the application finds its service"
request = { path = "/" }
expect.status = 200
expect.body   = "xprepared\nthen\n"
"#;

pub(crate) fn project(scenario: &str) -> Project {
    Project::new(str::to_owned)
        .with_server_kind("own", KIND, LAUNCHER)
        .with_file("shop.py", APP)
        .with_file("store.py", SERVICE)
        .with_file(".env", "STORE_URL=http://elsewhere.invalid/\n")
        .with_file("lab.toml", scenario)
        .with_shared_cache()
}

#[test]
fn each_start_has_a_service_with_empty_state() {
    requires!(Python);
    let project = project(SCENARIO);
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    // Each stack is checked twice.
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("mine  1 of 1 checks passed"), "{printed}");
    let explained = project.expect(Exit::Ok, &["explain", "lab.toml"]);
    assert!(explained.contains("with the service store (a command)"), "{explained}");
    let visit = project.path("reports/served/latest/checks/mine");
    assert!(visit.join("service-store.log").is_file());
    assert!(!visit.join("service-store").exists(), "its state is removed");
}

#[test]
fn failure_of_a_service_shows_its_log() {
    requires!(Python);
    let failing = replaced(SCENARIO, "exec python3 '{root}/store.py' {host} {port}", "echo no room; exit 3");
    let unready =
        replaced(SCENARIO, "ready   = { http = \"/\" }", "ready   = { command = \"false\" }\ndeadline = \"1s\"");
    let unprepared = replaced(SCENARIO, "echo prepared > prepared", "echo no space; exit 4");
    for (scenario, shown) in [
        (failing, ["the service `store` ended with exit status: 3 before it was ready", "| no room"]),
        (unready, ["was not ready within 1 s: its `ready` command ended with exit status: 1", "service-store.log"]),
        (unprepared, ["`prepare` of the service `store` ended with exit status: 4", "| no space"]),
    ] {
        let project = project(&scenario);
        project.expect(Exit::Ok, &["provision", "lab.toml"]);
        let printed = project.expect(Exit::CouldNotRun, &["check", "lab.toml"]);
        assert!(shown.iter().all(|part| printed.contains(part)), "{shown:?} is not in\n{printed}");
    }
}

/// A kind of service that lab knows, and an application that speaks to it without a driver.
pub(crate) struct KindOfService {
    pub(crate) tool: Tool,
    name: &'static str,
    /// Python that sets `TEXT`.
    conversation: &'static str,
    /// The response of the application, as a text of TOML.
    expected: &'static str,
}

pub(crate) const KINDS: [KindOfService; 4] = [
    KindOfService {
        tool: Tool::MariaDb,
        name: "mariadb",
        // A login without a password to the database; then the packet of the response says OK.
        conversation: r#"
connection = connect(os.environ["MYSQL_HOST"], os.environ["MYSQL_PORT"])
connection.recv(4096)
user, database = os.environ["MYSQL_USER"].encode(), os.environ["MYSQL_DATABASE"].encode()
capabilities = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
body = struct.pack("<IIB23x", capabilities, 1 << 24, 33) + user + b"\0\0" + database + b"\0mysql_native_password\0"
connection.sendall(struct.pack("<I", len(body))[:3] + b"\x01" + body)
TEXT = os.environ["DATABASE_URL"].split(":")[0].encode() + (b" OK" if connection.recv(4096)[4:5] == b"\0" else b" refused")
"#,
        expected: "mysql OK",
    },
    KindOfService {
        tool: Tool::Memcached,
        name: "memcached",
        // What an earlier start has added would be there.
        conversation: r#"
address = urlsplit(os.environ["MEMCACHED_URL"])
connection = connect(address.hostname, address.port)
connection.sendall(b"add greeting 0 0 5\r\nhello\r\n")
TEXT = connection.recv(100)
"#,
        expected: "STORED\\r\\n",
    },
    KindOfService {
        tool: Tool::Postgresql,
        name: "postgresql",
        conversation: r#"
connection = connect(os.environ["PGHOST"], os.environ["PGPORT"])
names = ["user", os.environ["PGUSER"], "database", os.environ["PGDATABASE"], ""]
body = struct.pack("!i", 196608) + b"".join(name.encode() + b"\0" for name in names)
connection.sendall(struct.pack("!i", len(body) + 4) + body)
TEXT = os.environ["DATABASE_URL"].split(":")[0].encode() + b" " + connection.recv(1)
"#,
        expected: "postgresql R",
    },
    KindOfService {
        tool: Tool::Redis,
        name: "redis",
        // It would count on from an earlier start.
        conversation: r#"
address = urlsplit(os.environ["REDIS_URL"])
connection = connect(address.hostname, address.port)
connection.sendall(b"INCR starts\r\n")
TEXT = connection.recv(100)
"#,
        expected: ":1\\r\\n",
    },
];

impl KindOfService {
    pub(crate) fn scenario(&self) -> String {
        let begin = SCENARIO.find("[app.services.store]").unwrap();
        let end = SCENARIO.find("[[stack]]").unwrap();
        let service = format!("[app.services.store]\nkind = \"{}\"\n\n", self.name);
        replaced(&SCENARIO.replace(&SCENARIO[begin..end], &service), "xprepared\\nthen\\n", self.expected)
    }

    pub(crate) fn app(&self) -> String {
        format!(
            "import os\nimport socket\nimport struct\nfrom urllib.parse import urlsplit\n\n\n\
             def connect(host, port):\n    return socket.create_connection((host, int(port)))\n\n{}\n\n\
             def app(environ, start_response):\n    \
             start_response(\"200 OK\", [(\"Content-Type\", \"text/plain\"), (\"Content-Length\", str(len(TEXT)))])\n    \
             return [TEXT]\n",
            self.conversation
        )
    }
}

#[test]
fn known_services_run_where_they_are_installed() {
    requires!(Python);
    for kind in KINDS.iter().filter(|kind| kind.tool.is_available_for_part()) {
        let project = project(&kind.scenario());
        project.write("shop.py", &kind.app());
        project.expect(Exit::Ok, &["provision", "lab.toml"]);
        let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
        assert!(printed.contains("mine  1 of 1 checks passed"), "{}: {printed}", kind.name);
        assert!(!fs::exists(project.path("reports/served/latest/checks/mine/service-store")).unwrap());
    }
}
