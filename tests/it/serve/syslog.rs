//! `syslog`: messages of the arbiter and of workers, and the access log, over UDP and unix sockets.

use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::python::Folder;
use super::server::{Server, get};

const APP: &str = r#"
import logging
gunicorn = logging.getLogger("gunicorn.error")
log = logging.getLogger("shop")
log.handlers = gunicorn.handlers

def app(environ, start_response):
    log.error("from the application")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"#;

const FORMAT: [&str; 2] = ["--access-logformat", "%(m)s %(U)s %(s)s"];

/// Reads messages until one has begun like each of these; `#` stands for a process id.
fn expect(mut receive: impl FnMut(&mut [u8]) -> usize, expected: &[&str]) {
    let mut missing: Vec<&str> = expected.to_vec();
    while !missing.is_empty() {
        let mut message = [0; 2048];
        let length = receive(&mut message);
        let message = String::from_utf8_lossy(&message[..length]).into_owned();
        let (program, rest) = message.split_once(": [").expect("a program and a process id");
        let (_, text) = rest.split_once("] ").expect("the end of a process id");
        let message = format!("{program}: [#] {text}");
        missing.retain(|part| !message.starts_with(part));
    }
}

#[test]
fn python_server_reports_to_syslog() {
    let Some(folder) = Folder::new() else { return };
    folder.write("logs.py", APP);
    let syslog = UdpSocket::bind("127.0.0.1:0").unwrap();
    syslog.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let address = format!("udp://{}", syslog.local_addr().unwrap());
    let mut command = folder.lab();
    command.args(["--bind", "127.0.0.1:0", "--log-syslog", "--log-syslog-to", &address]).args(FORMAT);
    command.args(["--log-syslog-facility", "local1", "logs:app"]);
    let server = Server::spawn(&mut command);
    assert!(get(TcpStream::connect(&server.address).unwrap(), "/one").unwrap().ends_with("ok"));
    let expected = [
        "<142>gunicorn.logs.app.error: [#] Listening at: http://127.0.0.1:",
        "<142>gunicorn.logs.app.error: [#] worker ",
        "<139>gunicorn.logs.app.error: [#] from the application\0",
        "<142>gunicorn.logs.app.access: [#] GET /one 200\0",
    ];
    expect(|message| syslog.recv(message).unwrap(), &expected);
}

#[test]
fn native_server_reports_to_syslog() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let syslog = UnixDatagram::bind(&path).unwrap();
    syslog.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let address = format!("unix://{}#dgram", path.display());
    let arguments = ["--log-syslog", "--log-syslog-to", &address, "--log-syslog-prefix", "shop"];
    for is_redirected in [true, false] {
        let more: &[&str] = if is_redirected { &[] } else { &["--disable-redirect-access-to-syslog"] };
        let arguments = [&arguments[..], &FORMAT, more, &["--access-logfile", "/dev/null"]].concat();
        let server = Server::with(&arguments, 1);
        server.get_pong();
        let mut expected = vec!["<14>gunicorn.shop.error: [#] Listening at: ", "<14>gunicorn.shop.error: [#] worker "];
        if is_redirected {
            expected.push("<14>gunicorn.shop.access: [#] GET /pong 200\0");
        }
        expect(|message| syslog.recv(message).unwrap(), &expected);
        drop(server);
        syslog.set_nonblocking(true).unwrap();
        let mut message = [0; 2048];
        while let Ok(length) = syslog.recv(&mut message) {
            let message = String::from_utf8_lossy(&message[..length]);
            assert!(!message.contains(".access:"), "{message}");
        }
        syslog.set_nonblocking(false).unwrap();
    }
}
