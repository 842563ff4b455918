//! TLS on the server's own sockets, seen by Python's `ssl`: certificates made by `openssl` for the test.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use lab::exit::Exit;
use rustix::process::Signal;

use super::python::Folder;
use super::server::Server;
use crate::support::{Tool, assert_exit, text};

const APP: &str = r#"
import io, tempfile, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read()
    if path == "/sleep":
        time.sleep(30)
    if path == "/stream":
        start_response("200 OK", [])
        return (b"%d," % number for number in range(1000))
    if path == "/large":
        start_response("200 OK", [])
        return [b"x" * 3_000_000]
    if path == "/file":
        file = tempfile.TemporaryFile()
        file.write(b"y" * 1_000_000)
        file.seek(7)
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file)
    content = f"{environ['wsgi.url_scheme']} {environ['SERVER_PROTOCOL']} {len(body)}".encode()
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
"#;

/// What all clients have in common.
const CLIENT: &str = r#"
import http.client, socket, ssl, sys
port = int(sys.argv[1])

def context(ca="server.pem", **more):
    made = ssl.create_default_context(cafile=ca)
    for name, value in more.items():
        setattr(made, name, value)
    return made

def connect(made=None):
    raw = socket.create_connection(("127.0.0.1", port), 30)
    return (made or context()).wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)

def ask(request, made=None):
    with connect(made) as client:
        client.sendall(request)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer.partition(b"\r\n\r\n")[2]

def get(path, made=None):
    return ask(b"GET " + path.encode() + b" HTTP/1.0\r\nHost: a\r\n\r\n", made)
"#;

/// Makes `NAME.pem` and `NAME.key`, good for localhost, signed by themselves.
pub(super) fn certify(folder: &Path, name: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    openssl.args(["-addext", "subjectAltName=DNS:localhost", "-keyout", &format!("{name}.key")]);
    let made = openssl.args(["-out", &format!("{name}.pem")]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
}

/// Makes `NAME.pem` and `NAME.key`, signed by another certificate.
fn certify_by(folder: &Path, name: &str, issuer: &str) {
    std::fs::write(folder.join("extensions"), "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost\n").unwrap();
    let commands = [
        format!("req -new -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"),
        format!(
            "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -days 2 \
             -extfile extensions -out {name}.pem"
        ),
    ];
    for command in commands {
        let made = Command::new("openssl").args(command.split(' ')).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
    }
}

/// A folder with an application and a certificate. `None` without the tools; the test is then reported as skipped.
fn folder() -> Option<Folder> {
    if !Tool::Openssl.is_available() {
        return None;
    }
    let folder = Folder::new()?;
    folder.write("safe.py", APP);
    certify(folder.path(), "server");
    Some(folder)
}

fn serve(folder: &Folder, arguments: &[&str], app: &str) -> Server {
    let mut command = folder.lab();
    command.args(["--bind", "127.0.0.1:0", "--certfile", "server.pem", "--keyfile", "server.key"]).args(arguments);
    Server::of(&mut command, 1, app)
}

/// Runs a client, whose assertions must hold.
fn client(folder: &Folder, server: &Server, script: &str) -> String {
    let mut python = Command::new(folder.venv.join("bin/python"));
    python.args(["-c", &format!("{CLIENT}\n{script}"), server.address.rsplit(':').next().unwrap()]);
    let output = folder.in_here(python).output().unwrap();
    assert!(output.status.success(), "{script}: {}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn native_app_is_served_over_tls() {
    let Some(folder) = folder() else { return };
    let server = serve(&folder, &[], "native:hello");
    client(
        &folder,
        &server,
        r#"
connection = http.client.HTTPSConnection("localhost", port, context=context())
for _ in range(3):
    connection.request("GET", "/pong")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read(), answer.status
body = b"z" * 300_000
connection.request("POST", "/echo", body)
assert connection.getresponse().read() == body
assert b"\"wsgi.url_scheme\":\"https\"" in get("/environ")
"#,
    );
}

#[test]
fn wsgi_is_served_over_tls_with_threads() {
    let Some(folder) = folder() else { return };
    for threads in ["1", "3"] {
        let server = serve(&folder, &["--threads", threads], "safe:app");
        client(
            &folder,
            &server,
            r#"
assert get("/") == b"https HTTP/1.0 0", get("/")
assert get("/stream") == b"".join(b"%d," % number for number in range(1000))
assert get("/large") == b"x" * 3_000_000
assert get("/file") == b"y" * 999_993
connection = http.client.HTTPSConnection("localhost", port, context=context())
for size in (0, 10, 100_000, 2_000_000):
    connection.request("POST", "/", b"z" * size)
    assert connection.getresponse().read() == b"https HTTP/1.1 %d" % size
chunks = [b"a" * 70_000, b"b"]
connection.request("POST", "/", iter(chunks), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
assert connection.getresponse().read() == b"https HTTP/1.1 70001"
with connect() as asking:
    asking.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n")
    assert asking.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    asking.sendall(b"Hello")
    answer = b""
    while piece := asking.recv(1000):
        answer += piece
    assert answer.endswith(b"https HTTP/1.1 5"), answer
# a client that reads late
with connect() as late:
    late.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" )
    assert get("/") == b"https HTTP/1.0 0"
    length = 0
    while piece := late.recv(65536):
        length += len(piece)
    assert length > 3_000_000
"#,
        );
    }
}

#[test]
fn slow_handshakes_do_not_block_others() {
    let Some(folder) = folder() else { return };
    let server = serve(&folder, &[], "safe:app");
    let _silent = TcpStream::connect(&server.address).unwrap();
    let mut slow = TcpStream::connect(&server.address).unwrap();
    slow.write_all(b"\x16\x03\x01\x02").unwrap();
    let mut plain = TcpStream::connect(&server.address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.wait_for("the handshake failed: ");
    client(&folder, &server, "assert get('/') == b'https HTTP/1.0 0'");
    // They do not hold up its end either.
    server.signal(Signal::TERM);
    server.wait_until_all_are_gone();
}

#[test]
fn client_certificates_are_verified() {
    let Some(folder) = folder() else { return };
    for (authority, name) in [("authority", "client"), ("nobody", "stranger")] {
        certify(folder.path(), authority);
        certify_by(folder.path(), name, authority);
    }
    let script = r#"
def outcome(name):
    made = context()
    if name:
        made.load_cert_chain(name + ".pem", name + ".key")
    try:
        return get("/", made).decode()
    except (ssl.SSLError, OSError) as error:
        return "refused"
print(outcome(None), outcome("client"), outcome("stranger"), sep=",")
"#;
    let good = "https HTTP/1.0 0";
    for (required, expected) in [
        ("0", format!("{good},{good},{good}\n")),
        ("1", format!("{good},{good},refused\n")),
        ("2", format!("refused,{good},refused\n")),
    ] {
        let server = serve(&folder, &["--cert-reqs", required, "--ca-certs", "authority.pem"], "safe:app");
        assert_eq!(client(&folder, &server, script), expected, "{required}");
    }
}

#[test]
fn cipher_list_is_honoured() {
    let Some(folder) = folder() else { return };
    let server = serve(&folder, &["--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"], "safe:app");
    let script = r#"
def outcome(ciphers, version=ssl.TLSVersion.TLSv1_2):
    made = context(maximum_version=version)
    made.set_ciphers(ciphers)
    try:
        with connect(made) as client:
            return client.cipher()[0]
    except OSError:
        return "refused"
print(outcome("ECDHE-RSA-AES128-GCM-SHA256"), outcome("ECDHE-RSA-AES256-GCM-SHA384"))
print(outcome("DEFAULT", ssl.TLSVersion.TLSv1_3).startswith("TLS_"))
"#;
    assert_eq!(client(&folder, &server, script), "ECDHE-RSA-AES128-GCM-SHA256 refused\nTrue\n");
}

#[test]
fn reload_picks_up_a_renewed_certificate() {
    let Some(folder) = folder() else { return };
    let server = serve(&folder, &[], "safe:app");
    certify(folder.path(), "server");
    let script = "try:\n    get('/')\n    print('new')\nexcept ssl.SSLCertVerificationError:\n    print('old')\n";
    assert_eq!(client(&folder, &server, script), "old\n");
    server.signal(Signal::HUP);
    server.wait_for_worker();
    server.wait_for("exited with code 0");
    assert_eq!(client(&folder, &server, script), "new\n");
    // Inconsistent settings change nothing.
    certify(folder.path(), "other");
    std::fs::copy(folder.path().join("other.key"), folder.path().join("server.key")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("keeping the old configuration");
    assert_eq!(client(&folder, &server, script), "new\n");
}

#[test]
fn unusable_tls_files_are_named() {
    let Some(folder) = folder() else { return };
    for (arguments, part) in [
        (&["--certfile", "nothing.pem"][..], "nothing.pem: No such file"),
        (&["--certfile", "safe.py", "--keyfile", "server.key"], "safe.py: there is no certificate in it"),
        (&["--certfile", "server.pem"], "server.pem: there is no private key in it"),
        (
            &["--certfile", "server.pem", "--keyfile", "server.key", "--ciphers", "HIGH"],
            "there is no cipher suite \"HIGH\"",
        ),
    ] {
        let output = folder.run(&[arguments, &["safe:app"]].concat());
        assert_exit(&output, Exit::Usage);
        assert!(text(&output).contains(part), "{part}: {}", text(&output));
    }
}
