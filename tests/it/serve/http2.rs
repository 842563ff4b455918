//! `lab serve` over HTTP/2: with TLS and in the clear, for native and for Python applications.

use std::future::Future;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{Method, Request, StatusCode};
use lab_net::Stream;
use lab_net::tls::{HTTP_2, ServerTrust, client_config};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::python::Folder;
use super::server::{Server, get, send_signal};
use crate::proxy::http2::frames::{self, Frame, PREFACE};
use crate::support::{Tool, text};

const APP: &str = r#"
import tempfile, threading, time

arrived = threading.Barrier(3)

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/meet":
        arrived.wait(20)
    if path == "/fail":
        raise ValueError("no")
    if path == "/cut":
        start_response("200 OK", [("Content-Type", "text/plain")])
        def pieces():
            yield b"begun"
            raise ValueError("no")
        return pieces()
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
    if path == "/length":
        content = str(len(environ["wsgi.input"].read())).encode()
    else:
        names = ["wsgi.url_scheme", "SERVER_PROTOCOL", "HTTP_HOST", "HTTP_COOKIE", "REMOTE_ADDR"]
        content = " ".join(environ.get(name, "-") for name in names).encode()
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
"#;

/// A response without its fields.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    status: u16,
    body: Vec<u8>,
}

impl Content {
    fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// A client on a connection of its own.
struct Client {
    sender: SendRequest<Bytes>,
    scheme: &'static str,
}

impl Client {
    /// `is_tls` connects with TLS, where ALPN chooses HTTP/2.
    async fn connect(server: &Server, is_tls: bool, window: u32) -> Client {
        let stream = Stream::connect_tcp(server.address.parse().unwrap()).await.unwrap();
        let stream = match is_tls {
            false => stream,
            true => {
                let config = client_config(ServerTrust::AnyCertificate, &[HTTP_2]).unwrap();
                let stream = stream.connect_tls(config, "localhost".try_into().unwrap()).await.unwrap();
                assert_eq!(stream.session().unwrap().alpn_protocol().as_deref(), Some(HTTP_2));
                stream
            }
        };
        let (sender, connection) = Builder::new().initial_window_size(window).handshake(stream).await.unwrap();
        tokio::task::spawn_local(async { _ = connection.await });
        Client { sender, scheme: if is_tls { "https" } else { "http" } }
    }

    /// Sends a head. The body follows on the stream.
    async fn send(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        ends: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let request = Request::builder().method(method).uri(format!("{}://example.org{path}", self.scheme));
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut sender = self.sender.clone().ready().await.unwrap();
        sender.send_request(request.body(()).unwrap(), ends).unwrap()
    }

    async fn get(&self, path: &str) -> Result<Content, h2::Error> {
        let (response, _) = self.send(Method::GET, path, &[], true).await;
        receive(response).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)], body: Vec<u8>) -> Result<Content, h2::Error> {
        let (response, mut stream) = self.send(Method::POST, path, fields, false).await;
        stream.send_data(body.into(), true).unwrap();
        receive(response).await
    }
}

async fn receive(response: ResponseFuture) -> Result<Content, h2::Error> {
    let (parts, mut receiver) = response.await?.into_parts();
    for name in ["connection", "transfer-encoding"] {
        assert!(!parts.headers.contains_key(name), "{:?}", parts.headers);
    }
    let mut body = Vec::new();
    while let Some(piece) = receiver.data().await {
        let piece = piece?;
        receiver.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    Ok(Content { status: parts.status.as_u16(), body })
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

const WINDOW: u32 = 1 << 20;
const H2: [&str; 2] = ["--http-protocols", "h2,h1"];
const IN_THE_CLEAR: [&str; 4] = ["--http-protocols", "h2", "--http2-cleartext", "prior-knowledge"];

/// Makes `server.pem` and `server.key`. False without the tool; the test is then reported as skipped.
fn certify(folder: &Path) -> bool {
    if !Tool::Openssl.is_available() {
        return false;
    }
    super::tls::certify(folder, "server");
    true
}

/// A server of the application with TLS, where clients may choose HTTP/2.
fn over_tls(folder: &Folder, arguments: &[&str], app: &str) -> Server {
    folder.write("h2.py", APP);
    let mut command = folder.lab();
    command.args(["--bind", "127.0.0.1:0", "--certfile", "server.pem", "--keyfile", "server.key"]);
    Server::of(command.args(H2).args(arguments), 1, app)
}

/// A server of a native application, whose clients speak HTTP/2 from the first byte.
fn in_the_clear() -> Server {
    Server::with(&IN_THE_CLEAR, 1)
}

#[test]
fn native_app_is_served_over_http2() {
    let server = in_the_clear();
    run(async {
        let client = Client::connect(&server, false, WINDOW).await;
        let pongs = futures_util::future::join_all((0..50).map(|_| client.get("/pong"))).await;
        assert!(pongs.iter().all(|pong| pong.as_ref().is_ok_and(|pong| pong.text() == "200 Pong!")), "{pongs:?}");
        let body = vec![b'z'; 300_000];
        for fields in [&[("content-length", "300000")][..], &[]] {
            let echo = client.post("/echo", fields, body.clone()).await.unwrap();
            assert_eq!((echo.status, echo.body.len()), (200, body.len()), "{fields:?}");
        }
        assert_eq!(client.get("/no/such/page").await.unwrap().status, 404);
        let (response, _) = client.send(Method::HEAD, "/pong", &[], true).await;
        assert_eq!(receive(response).await.unwrap().text(), "200 ");
    });
}

#[test]
fn wsgi_is_served_over_http2() {
    let Some(folder) = Folder::new() else { return };
    if !certify(folder.path()) {
        return;
    }
    for arguments in [&["--threads", "1"][..], &["--threads", "3"]] {
        let server = over_tls(&folder, arguments, "h2:app");
        run(responds(&server));
    }
}

#[test]
fn gevent_is_served_over_http2() {
    let Some(folder) = Folder::with_gevent() else { return };
    if !certify(folder.path()) {
        return;
    }
    let server = over_tls(&folder, &["-k", "gevent"], "h2:app");
    run(responds(&server));
}

async fn responds(server: &Server) {
    let client = Client::connect(server, true, WINDOW).await;
    let cookies = [("cookie", "a=1"), ("cookie", "b=2")];
    let (response, _) = client.send(Method::GET, "/", &cookies, true).await;
    let text = receive(response).await.unwrap().text();
    assert_eq!(text, "200 https HTTP/2.0 example.org a=1; b=2 127.0.0.1");
    let numbers: String = (0..1000).map(|number| format!("{number},")).collect();
    assert_eq!(client.get("/stream").await.unwrap().text(), format!("200 {numbers}"));
    for (path, length) in [("/large", 3_000_000), ("/file", 999_993)] {
        assert_eq!(client.get(path).await.unwrap().body.len(), length, "{path}");
    }
    let body = vec![b'z'; 300_000];
    for fields in [&[("content-length", "300000")][..], &[], &[("expect", "100-continue")]] {
        let posted = client.post("/length", fields, body.clone()).await.unwrap();
        assert_eq!(posted.text(), "200 300000", "{fields:?}");
    }
    assert_eq!(client.get("/fail").await.unwrap().status, 500);
    let cut = client.get("/cut").await.unwrap_err();
    assert_eq!(cut.reason(), Some(Reason::INTERNAL_ERROR), "{cut}");
    let long = format!("/{}", "a".repeat(5000));
    assert_eq!(client.get(&long).await.unwrap().status, StatusCode::URI_TOO_LONG);
}

#[test]
fn threads_serve_streams_side_by_side() {
    let Some(folder) = Folder::new() else { return };
    if !certify(folder.path()) {
        return;
    }
    let server = over_tls(&folder, &["--threads", "3"], "h2:app");
    run(async {
        let client = Client::connect(&server, true, WINDOW).await;
        let met = futures_util::future::join_all((0..3).map(|_| client.get("/meet"))).await;
        assert!(met.iter().all(|response| response.as_ref().is_ok_and(|response| response.status == 200)), "{met:?}");
    });
}

#[test]
fn slow_stream_holds_up_no_other() {
    let Some(folder) = Folder::new() else { return };
    if !certify(folder.path()) {
        return;
    }
    let server = over_tls(&folder, &[], "h2:app");
    run(async {
        let client = Client::connect(&server, true, 1000).await;
        let (large, _) = client.send(Method::GET, "/large", &[], true).await;
        let mut large = large.await.unwrap().into_body();
        let first = large.data().await.unwrap().unwrap();
        assert_eq!(first.len(), 1000);
        for _ in 0..3 {
            assert_eq!(client.get("/").await.unwrap().status, 200);
        }
        large.flow_control().release_capacity(first.len()).unwrap();
        assert_eq!(large.data().await.unwrap().unwrap().len(), 1000);
    });
}

#[test]
fn http1_is_served_beside_http2() {
    let Some(folder) = Folder::new() else { return };
    if !certify(folder.path()) {
        return;
    }
    let server = over_tls(&folder, &[], "native:hello");
    run(async {
        let client = Client::connect(&server, true, WINDOW).await;
        assert_eq!(client.get("/pong").await.unwrap().text(), "200 Pong!");
        let stream = Stream::connect_tcp(server.address.parse().unwrap()).await.unwrap();
        let config = client_config(ServerTrust::AnyCertificate, &[]).unwrap();
        let mut stream = stream.connect_tls(config, "localhost".try_into().unwrap()).await.unwrap();
        stream.write_all(b"GET /pong HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    });
}

#[test]
fn untrusted_peer_speaks_http1_in_the_clear() {
    let untrusted = ["--forwarded-allow-ips", "192.0.2.1"];
    let server = Server::with(&[&IN_THE_CLEAR[..], &untrusted].concat(), 1);
    assert!(server.get_pong().ends_with("\r\n\r\nPong!"));
}

#[test]
fn trusted_peer_must_speak_http2_in_the_clear() {
    let server = in_the_clear();
    let response = get(TcpStream::connect(&server.address).unwrap(), "/pong").unwrap();
    assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{response}");
    assert!(response.contains("preface of HTTP/2"), "{response}");
}

#[test]
fn http2_without_tls_is_a_warning() {
    for (arguments, is_warning) in [(&["--http-protocols", "h2"][..], true), (&IN_THE_CLEAR, false)] {
        let mut lab = Server::command();
        let output = lab.args(arguments).args(["--check-config", "native:hello"]).output().unwrap();
        let printed = text(&output);
        assert!(output.status.success(), "{printed}");
        assert_eq!(printed.contains("no client speaks it"), is_warning, "{printed}");
    }
}

#[test]
fn request_under_way_outlives_a_graceful_end() {
    let mut server = in_the_clear();
    run(async {
        let client = Client::connect(&server, false, WINDOW).await;
        let (response, mut stream) = client.send(Method::POST, "/echo", &[("content-length", "5")], false).await;
        stream.send_data(Bytes::from_static(b"he"), false).unwrap();
        // the request has begun once the server has told how much more it takes
        assert_eq!(client.get("/pong").await.unwrap().status, 200);
        send_signal(server.master.id(), Signal::TERM);
        server.wait_for("stopping 1 workers");
        stream.send_data(Bytes::from_static(b"llo"), true).unwrap();
        assert_eq!(receive(response).await.unwrap().text(), "200 hello");
    });
    assert!(server.master.wait().unwrap().success());
}

#[test]
fn rapid_reset_ends_the_connection() {
    let server = in_the_clear();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let mut reading = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut goaway = None;
        while let Ok(frame) = Frame::read(&mut reading) {
            if frame.kind == frames::GOAWAY {
                goaway = Some(frame.error());
            }
        }
        goaway
    });
    stream.write_all(&[PREFACE, &Frame::new(frames::SETTINGS, 0, 0, []).bytes()].concat()).unwrap();
    let cancel = frames::error_code("CANCEL").to_be_bytes();
    for number in (1..2_000_000).step_by(2) {
        let reset = Frame::new(frames::RST_STREAM, 0, number, cancel);
        if stream.write_all(&[Frame::get(number).bytes(), reset.bytes()].concat()).is_err() {
            break;
        }
    }
    assert_eq!(reader.join().unwrap(), Some("ENHANCE_YOUR_CALM"));
    run(async { assert_eq!(Client::connect(&server, false, WINDOW).await.get("/pong").await.unwrap().status, 200) });
}
