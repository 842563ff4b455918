//! Checks as people expect them: sequences with cookies and values, forms, uploads, redirects, JSON, compressed bodies.

use lab::exit::Exit;

use super::python_server::{KIND, LAUNCHER};
use crate::support::{Project, requires};

/// A shop with a login, uploads and JSON.
const APP: &str = r#"
import email, json, secrets, time
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

sessions = {}

def respond(start_response, status, body, *headers):
    kind = "application/json" if body[:1] in ("{", "[") else "text/html"
    body = body.encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *headers])
    return [body]

def app(environ, start_response):
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("session")
    session = sessions.get(cookie.value) if cookie else None
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if path == "/login" and method == "GET":
        name, token = secrets.token_hex(16), secrets.token_hex(16)
        sessions[name] = {"token": token}
        page = f'<form method="post"><input name="csrf_token" value="{token}"></form>'
        return respond(start_response, "200 OK", page, ("Set-Cookie", f"session={name}; Path=/; HttpOnly"))
    if path == "/login":
        form = parse_qs(body.decode())
        if session is None or form["csrf_token"] != [session["token"]]:
            return respond(start_response, "403 Forbidden", "who are you?")
        session["user"] = form["user"][0]
        return respond(start_response, "303 See Other", "", ("Location", "/account?welcome=1"))
    if path == "/account":
        if session is None or "user" not in session:
            return respond(start_response, "302 Found", "", ("Location", "/login"))
        account = {"user": session["user"], "items": [{"id": 7, "name": "pen"}, {"id": 8, "name": "ink"}], "note": None}
        return respond(start_response, "200 OK", json.dumps({**account, "pad": "x" * 2000}))
    if path.startswith("/items/"):
        return respond(start_response, "200 OK", json.dumps({"id": int(path[7:]), "price": 1.5}))
    if path == "/upload":
        head = f"Content-Type: {environ['CONTENT_TYPE']}\r\n\r\n".encode()
        parts = email.message_from_bytes(head + body).get_payload()
        described = [[part.get_param("name", header="content-disposition"), part.get_filename(), part.get_content_type(),
                      len(part.get_payload(decode=True))] for part in parts]
        return respond(start_response, "201 Created", json.dumps(described))
    if path == "/echo":
        return respond(start_response, "200 OK", body.decode(), ("X-Type", environ.get("CONTENT_TYPE", "")),
                       ("X-Own", environ.get("HTTP_X_OWN", "")))
    if path == "/loop":
        return respond(start_response, "302 Found", "", ("Location", "/loop"))
    if path == "/slow":
        time.sleep(0.2)
        return respond(start_response, "200 OK", "at last")
    if path == "/broken-gzip":
        return respond(start_response, "200 OK", "plain", ("Content-Encoding", "gzip"))
    return respond(start_response, "404 Not Found", "nothing here")
"#;

const NGINX: &str = "
events { }
http {
    gzip on;
    gzip_types application/json;
    gzip_min_length 1000;
    gzip_http_version 1.1;
    server {
        listen 80;
        location / { proxy_pass http://127.0.0.1:8000; proxy_set_header Host $http_host; }
    }
}
";

const HEAD: &str = r#"
schema = 1
name   = "shop"
kinds  = "kinds"

[app]
wsgi = "shop:app"
path = "."

[[stack]]
name   = "site"
proxy  = { kind = "nginx", config = "nginx.conf" }
server = { kind = "own" }
"#;

fn project(checks: &str) -> Project {
    let project = Project::empty()
        .with_file("lab.toml", &format!("{HEAD}{checks}"))
        .with_file("nginx.conf", NGINX)
        .with_file("shop.py", APP)
        .with_file("photo.png", "not really a photo")
        .with_file("kinds/servers/own.toml", KIND)
        .with_file("kinds/servers/own.py", LAUNCHER);
    project.expect(Exit::Ok, &["provision", "own", "--kinds", "kinds"]);
    project
}

#[test]
fn sequence_keeps_cookies_and_values() {
    requires!(Nginx, Python);
    let printed = project(
        r#"
[[check]]
name = "the account needs a login"
request = { path = "/account", max_redirects = 2 }
expect  = { status = 200, redirects = 1, body = { contains = "csrf_token" } }

[[check]]
name = "a customer"

[[check.step]]
name    = "opens the form"
request = { path = "/login" }
expect  = { status = 200, headers = { Set-Cookie = { matches = "HttpOnly" } } }
extract = { token = { matches = 'name="csrf_token" value="([^"]+)"' } }

[[check.step]]
name    = "logs in"
request = { method = "POST", path = "/login", form = { user = "ann", csrf_token = "{token}" }, max_redirects = 1 }
extract = { item = { json = "$.items[0].id" } }

[check.step.expect]
status    = 200
redirects = 1
headers   = { Content-Type = { contains = "json" } }
body      = { not = { contains = "{token}" } }

[check.step.expect.json]
"/user"          = "ann"
"/items"         = { count = 2 }
"$.items[*].id"  = [7, 8]
"/items/1/name"  = { not = "pen" }
"/note"          = { null = true }
"/password"      = { absent = true }

[[check.step]]
name    = "looks at an item"
request = { path = "/items/{item}", headers = { Accept = "application/json" } }
expect  = { json = { "/id" = 7, "/price" = { at_most = 2 } }, duration = "5s" }
"#,
    )
    .expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("4 of 4 checks passed"), "{printed}");
}

#[test]
fn bodies_are_sent_and_decoded() {
    requires!(Nginx, Python);
    project(
        r#"
[[check]]
name    = "an upload"
request = { method = "POST", path = "/upload", multipart = { title = "a pen", photo = { file = "photo.png", media_type = "image/png" } } }
expect  = { status = 201, json = { "/0/0" = "title", "/0/3" = 5, "/1" = ["photo", "photo.png", "image/png", 18] } }

[[check]]
name    = "a file"
request = { method = "PUT", path = "/echo", body = { file = "photo.png" }, headers = { Content-Type = "image/png", X-Own = "1" } }
expect  = { body = "not really a photo", headers = { X-Type = "image/png", X-Own = "1", Server = { not = { contains = "wsgiref" } } } }

[[check]]
name = "compressed JSON"

[[check.step]]
name    = "opens the form"
request = { path = "/login" }
expect  = { status = 200 }
extract = { token = { matches = 'value="([^"]+)"' } }

[[check.step]]
name    = "logs in"
request = { method = "POST", path = "/login", form = { user = "ann", csrf_token = "{token}" } }
expect  = { status = 303, headers = { Location = "/account?welcome=1" } }

[[check.step]]
name    = "reads the account"
request = { path = "/account", headers = { Accept-Encoding = "gzip" } }
expect  = { headers = { Content-Encoding = "gzip" }, json = { "/user" = "ann" } }
"#,
    )
    .expect(Exit::Ok, &["check", "lab.toml"]);
}

#[test]
fn unmet_expectations_name_field_and_value() {
    requires!(Nginx, Python);
    let printed = project(
        r#"
[[check]]
name    = "redirects end"
request = { path = "/loop", max_redirects = 3 }
expect.status = 200

[[check]]
name    = "it is quick"
request = { path = "/slow" }
expect.duration = "50ms"

[[check]]
name    = "the item"
request = { path = "/items/7" }
expect.json = { "/id" = 8, "/name" = { present = true }, "$.price" = { not = 1.5 } }

[[check]]
name    = "a page is no JSON"
request = { path = "/login" }
expect.json = { "/id" = 8 }

[[check]]
name    = "a coding that is none"
request = { path = "/broken-gzip" }
expect.body = "plain"

[[check]]
name = "a visitor"

[[check.step]]
name    = "finds no token"
request = { path = "/items/7" }
expect  = { status = 200 }
extract = { token = { json = "/token" } }

[[check.step]]
name    = "never gets here"
request = { path = "/items/{token}" }
expect  = { status = 200 }
"#,
    )
    .expect(Exit::Failed, &["check", "lab.toml"]);
    for part in [
        "more than 3 redirects: the last one leads to /loop",
        "at most 50 ms",
        "json /id",
        "json /name",
        "no such value",
        "not 1.5",
        "a JSON document",
        "the body is not gzip",
        "extract.token",
        "not sent, because an earlier step failed: a visitor: finds no token",
    ] {
        assert!(printed.contains(part), "{part:?} is not in\n{printed}");
    }
}

/// A server that agrees to WebSockets.
const SOCKET_LAUNCHER: &str = r#"
import base64, hashlib, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() != "websocket":
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.write(b"a frame")

host, port = sys.argv[1:3]
ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
"#;

#[test]
fn websocket_handshake_passes_the_proxy() {
    requires!(Nginx, Python);
    let project = project(
        r#"
[[check]]
name    = "a socket"
request = { path = "/socket", websocket = true }
expect.headers.Upgrade = "websocket"

[[check]]
name    = "upgrades are not passed on"
request = { path = "/plain", websocket = true }
expect.duration = "5s"
"#,
    );
    project.write("kinds/servers/own.py", SOCKET_LAUNCHER);
    project.expect(Exit::Ok, &["provision", "own", "--kinds", "kinds"]);
    let upgrades =
        "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
    let location = format!("location /socket {{ {upgrades} proxy_pass http://127.0.0.1:8000; }}\n location / {{");
    project.write("nginx.conf", &NGINX.replace("location / {", &location));
    let printed = project.expect(Exit::Failed, &["check", "lab.toml"]);
    assert!(printed.contains("1 of 2 checks failed"), "{printed}");
    assert!(printed.contains("Sec-WebSocket-Accept") && printed.contains("101"), "{printed}");
}
