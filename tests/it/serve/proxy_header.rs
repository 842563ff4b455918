//! The PROXY protocol: the same bytes to gunicorn and to lab, and the address that the application sees.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::python::Folder;
use super::server::Server;

const APP: &str = r#"
NAMES = "REMOTE_ADDR", "PROXY_PROTOCOL", "PROXY_ADDR", "PROXY_PORT", "wsgi.url_scheme"

def app(environ, start_response):
    content = " ".join(str(environ.get(name)) for name in NAMES)
    if "PROXY_PROTOCOL" in environ:
        content += " " + environ["REMOTE_PORT"]
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content.encode()]
"#;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n";

/// The status of the response, and its content if it succeeded.
pub(super) fn raw_response(server: &Server, bytes: &[u8]) -> String {
    let mut client = TcpStream::connect(&server.address).expect("the server listens");
    client.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    client.write_all(bytes).expect("the server reads");
    // gunicorn waits for more than it needs to
    client.shutdown(Shutdown::Write).expect("a socket");
    let mut response = Vec::new();
    // a server that refuses unread bytes may reset the connection
    let _ = client.read_to_end(&mut response);
    let response = String::from_utf8_lossy(&response).into_owned();
    let status = response.split(' ').nth(1).unwrap_or("none").to_owned();
    let content = response.split_once("\r\n\r\n").map_or("", |(_, content)| content);
    if status == "200" { content.to_owned() } else { status }
}

fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family], &length, addresses, REQUEST.as_bytes()].concat()
}

fn cases() -> Vec<Vec<u8>> {
    let lines = [
        "",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
        "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 65536\r\n",
        "PROXY TCP4 192.0.2.1 ::1 56324 443\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 56324 443\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 x 443\r\n",
    ];
    let mut cases: Vec<Vec<u8>> = lines.iter().map(|line| format!("{line}{REQUEST}").into_bytes()).collect();
    let four = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 0xbb];
    let six: Vec<u8> = (0..36).collect();
    cases.extend([
        version_2(0x21, 0x11, &four),
        version_2(0x21, 0x11, &[&four[..], b"\x04\0\x01x"].concat()),
        version_2(0x21, 0x21, &six),
        version_2(0x21, 0x11, &four[..8]),
        version_2(0x31, 0x11, &four),
        version_2(0x2f, 0x11, &four),
        version_2(0x21, 0x12, &four),
        version_2(0x21, 0x31, &[0; 216]),
    ]);
    cases
}

/// gunicorn and lab, with the same application.
pub(super) fn servers(folder: &Folder, arguments: &[&str]) -> (Server, Server) {
    let mut gunicorn = Command::new(folder.venv.join("bin/python"));
    gunicorn.args(["-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:0"]).args(arguments).arg("who:app");
    let gunicorn = Server::spawn(&mut folder.in_here(gunicorn));
    let mut lab = folder.lab();
    lab.args(["--bind", "127.0.0.1:0"]).args(arguments);
    (gunicorn, Server::of(&mut lab, 1, "who:app"))
}

#[test]
fn proxy_header_matches_gunicorn() {
    let Some(folder) = Folder::new() else { return };
    folder.write("who.py", APP);
    let configurations: [&[&str]; 5] = [
        &["--proxy-protocol", "--workers", "1"],
        &["--proxy-protocol", "v1"],
        &["--proxy-protocol", "v2", "--proxy-allow-from", "10.0.0.0/8,127.0.0.1"],
        &["--proxy-protocol", "auto", "--proxy-allow-from", "10.0.0.1"],
        &["--proxy-protocol", "off"],
    ];
    for arguments in configurations {
        let (gunicorn, lab) = servers(&folder, arguments);
        for bytes in cases() {
            // gunicorn sends no response to a malformed header of version 2
            let expected = raw_response(&gunicorn, &bytes).replace("500", "400");
            let found = raw_response(&lab, &bytes);
            assert_eq!(found, expected, "{arguments:?}: {}", bytes.escape_ascii());
        }
    }
}

/// gunicorn applies the header to the first request only, reports the addresses of LOCAL connections as `None`, and refuses
/// UNKNOWN.
#[test]
fn proxy_header_covers_the_whole_connection() {
    let Some(folder) = Folder::new() else { return };
    folder.write("who.py", APP);
    let (_, server) = servers(&folder, &["--proxy-protocol", "auto"]);
    let first = REQUEST.replace("Connection: close\r\n", "");
    let two = format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n{first}{REQUEST}");
    let response = raw_response(&server, two.as_bytes());
    assert_eq!(response.matches("192.0.2.1 TCP4 192.0.2.2 2 https 1").count(), 2, "{response}");
    assert_eq!(raw_response(&server, &version_2(0x20, 0, b"")), "127.0.0.1 None None None https");
    assert_eq!(
        raw_response(&server, format!("PROXY UNKNOWN\r\n{REQUEST}").as_bytes()),
        "127.0.0.1 None None None https"
    );
    // A second header is refused.
    let again = format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nPROXY UNKNOWN\r\n{REQUEST}");
    assert_eq!(raw_response(&server, again.as_bytes()), "400");
}

#[test]
fn native_app_and_access_log_see_the_client() {
    let Some(folder) = Folder::new() else { return };
    let mut command = folder.lab();
    command.args(["--bind", "127.0.0.1:0", "--proxy-protocol", "--access-logfile", "access"]);
    command.args(["--access-logformat", "%(h)s"]);
    let server = Server::of(&mut command, 1, "native:hello");
    let request = REQUEST.replace("GET /", "GET /environ");
    let seen = raw_response(&server, format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n{request}").as_bytes());
    assert!(seen.contains("192.0.2.1"), "{seen}");
    crate::support::wait_until("a record", || folder.read("access") == "192.0.2.1\n");
}
