//! The access log: the same requests to gunicorn and to lab, and their log lines.

use std::fmt::Write as _;

use super::proxy_header::raw_response;
use super::python::Folder;
use super::server::Server;
use crate::support::wait_until;

const APP: &str = r#"
def app(environ, start_response):
    if environ["PATH_INFO"] == "/none":
        start_response("304 Not Modified", [("ETag", '"e"')])
        return []
    headers = [("X-Own", "one"), ("X-Own", 'two "quoted"'), ("Content-Type", "text/plain; a=b")]
    start_response("201 Made", headers)
    return [b"one, ", b"two"] if environ["PATH_INFO"] == "/sized" else iter([b"one, ", b"", b"three"])
"#;

/// The atoms that are the same for the same request, and one that does not exist.
const ATOMS: [&str; 25] = [
    "h",
    "l",
    "u",
    "r",
    "s",
    "m",
    "U",
    "q",
    "H",
    "b",
    "B",
    "f",
    "a",
    "{Host}i",
    "{x-own}i",
    "{X-A}i",
    "{X-Own}o",
    "{content-type}o",
    "{etag}o",
    "{absent}o",
    "{request_method}e",
    "{HTTP_X_A}e",
    "{wsgi.url_scheme}e",
    "{wsgi.version}e",
    "z",
];

/// The atoms that vary.
const VARYING: [&str; 6] = ["t", "T", "D", "M", "L", "p"];

/// The text with `#` for each number.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for char in text.chars() {
        match char {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            _ => shape.push(char),
        }
    }
    shape
}

#[test]
fn access_log_atoms_match_gunicorn() {
    let Some(folder) = Folder::new() else { return };
    folder.write("made.py", APP);
    let mut format = String::new();
    for atom in ATOMS {
        write!(format, "{atom}=%({atom})s|").unwrap();
    }
    let varying: Vec<String> = VARYING.iter().map(|atom| format!("%({atom})s")).collect();
    write!(format, "100%%;{}", varying.join(";")).unwrap();
    let requests = [
        "GET /sized?a=%20b&c=\"d\" HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nConnection: close\r\n\r\n",
        "GET /a%20b/%2F HTTP/1.0\r\nReferer: http://r/\"x\"\r\nUser-Agent: me \"too\"\r\n\r\n",
        "HEAD /sized HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Basic dXNlcjpw\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: basic OnA=\r\n\r\n",
        "POST /sized HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\nX-Own: x\r\n\r\nHello",
        "GET /x HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-A: 2\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n",
        "GET http://b/abs?q HTTP/1.1\r\nHost: b\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n",
    ];
    let lines = |server: Server, log: &str| -> Vec<String> {
        for request in requests {
            let _ = raw_response(&server, request.as_bytes());
        }
        wait_until("all lines", || {
            let lines: Vec<String> = folder.read(log).lines().map(str::to_owned).collect();
            (lines.len() == requests.len()).then_some(lines)
        })
    };
    let logged = |log: &'static str| {
        ["--access-logfile", log, "--access-logformat", &format, "--bind", "127.0.0.1:0"].map(str::to_owned)
    };
    let mut gunicorn = std::process::Command::new(folder.venv.join("bin/python"));
    gunicorn.args(["-m", "gunicorn", "--no-control-socket"]).args(logged("gunicorns")).arg("made:app");
    let theirs = lines(Server::spawn(&mut folder.in_here(gunicorn)), "gunicorns");
    let mut lab = folder.lab();
    lab.args(logged("labs"));
    let own = lines(Server::of(&mut lab, 1, "made:app"), "labs");
    for ((own, theirs), request) in own.iter().zip(&theirs).zip(requests) {
        let (own, own_varying) = own.split_once("100%;").expect("a percent sign");
        let (theirs, their_varying) = theirs.split_once("100%;").expect("a percent sign");
        assert_eq!(own.replace('|', "\n"), theirs.replace('|', "\n"), "{request}");
        assert_eq!(shape(own_varying), shape(their_varying), "{own_varying} {their_varying}");
    }
}
