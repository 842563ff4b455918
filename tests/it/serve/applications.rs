//! WSGI applications in the workers of `lab serve`: failures, and the settings that bound them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::Signal;

use super::proxy_header::{raw_response, servers};
use super::python::Folder;
use super::server::Server;
use super::signals::{reload, under_load};
use crate::support::wait_until;

const CRASHES: &str = r#"
import ctypes, os

def app(environ, start_response):
    if environ["PATH_INFO"] == "/reads-nothing":
        ctypes.string_at(0)
    if environ["PATH_INFO"] == "/aborts":
        os.abort()
    content = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
"#;

/// A connection, and the worker that has it.
fn connect(server: &Server) -> (TcpStream, u32) {
    let mut client = TcpStream::connect(&server.address).expect("the server listens");
    let worker = worker(&mut client);
    (client, worker)
}

/// The worker of a connection.
fn worker(client: &mut TcpStream) -> u32 {
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("the worker reads");
    let mut response = Vec::new();
    let mut byte = [0];
    let text = loop {
        assert_eq!(client.read(&mut byte).expect("a response"), 1, "{}", response.escape_ascii());
        response.push(byte[0]);
        let text = String::from_utf8_lossy(&response).into_owned();
        let length = text.split("Content-Length: ").nth(1).and_then(|rest| rest.split_once("\r\n"));
        if let (Some((length, _)), Some((_, content))) = (length, text.split_once("\r\n\r\n"))
            && content.len() == length.parse::<usize>().expect("a number")
        {
            break content.to_owned();
        }
    };
    text.parse().expect("a process id")
}

#[test]
fn crashing_c_code_ends_one_worker_only() {
    let Some(folder) = Folder::new() else { return };
    folder.write("shop.py", CRASHES);
    // abort() leaves Python no time to print a traceback.
    for (path, signal, printed) in [("/reads-nothing", 11, Some("in app")), ("/aborts", 6, None)] {
        let server = folder.serve(&["--keep-alive", "60"], 2);
        let mut of_worker = BTreeMap::new();
        wait_until("a connection with each worker", || {
            let (client, worker) = connect(&server);
            of_worker.entry(worker).or_insert_with(Vec::new).push(client);
            of_worker.len() == 2
        });
        let (victim, mut its) = of_worker.pop_first().expect("two workers");
        let (survivor, mut others) = of_worker.pop_first().expect("two workers");
        write!(its[0], "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").expect("the worker reads");
        // Its connections end without a response.
        assert!(its[0].read(&mut [0]).map_or(true, |count| count == 0), "{path}");
        for client in &mut others {
            assert_eq!(worker(client), survivor, "{path}");
        }
        if let Some(printed) = printed {
            server.wait_for(printed);
        }
        server.wait_for(&format!("worker {victim} was ended by signal {signal}"));
        let replacement = server.wait_for_worker();
        wait_until("an answer of the new worker", || connect(&server).1 == replacement);
        assert_eq!(worker(&mut others[0]), survivor, "{path}");
    }
}

#[test]
fn reload_loses_no_request() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "shop.py",
        "def app(environ, start_response):\n    start_response('200 OK', [('Content-Length', '5')])\n    yield b'Pong'\n    yield b'!'\n",
    );
    for arguments in [&[][..], &["--threads", "4"]] {
        let server = folder.serve(arguments, 2);
        let mut workers = server.workers.iter().copied().collect();
        let responses = under_load(&server.address, || {
            for _ in 0..3 {
                workers = reload(&server, &workers);
            }
            server.signal(Signal::TTIN);
            workers.insert(server.wait_for_worker());
            server.signal(Signal::TTOU);
            server.wait_for("exited with code 0");
        });
        assert!(responses > 0, "{arguments:?}");
    }
}

const TRUST: &str = r#"
def app(environ, start_response):
    names = ("SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "wsgi.url_scheme")
    told = [f"{name}={environ[name]}" for name in sorted(environ) if name.startswith("HTTP_") or name in names]
    content = "\n".join(told).encode("latin-1")
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
"#;

#[test]
fn forwarded_allow_ips_matches_gunicorn() {
    let Some(folder) = Folder::new() else { return };
    folder.write("who.py", TRUST);
    folder.write(
        "trust.py",
        "secure_scheme_headers = {'X-SCHEME': 'secret', 'X-OTHER': 'on'}\nforwarded_allow_ips = '10.0.0.1,127.0.0.0/8'\n",
    );
    let configurations: [&[&str]; 8] = [
        &[],
        &["--header-map", "refuse"],
        &["--header-map", "dangerous"],
        &["--forwarded-allow-ips", "10.0.0.1"],
        &["--forwarded-allow-ips", "*", "--forwarder-headers", "REMOTE_USER"],
        &["--forwarder-headers", "REMOTE_USER,SCRIPT_NAME", "--header-map", "refuse"],
        &["--forwarder-headers", "*"],
        &["-c", "trust.py"],
    ];
    let fields = [
        "",
        "X_A: 1\r\nX-A: 2\r\n",
        "X-A: 1\r\nX_A: 2\r\nX-a: 3\r\n",
        "REMOTE_USER: ann\r\n",
        "SCRIPT_NAME: /a\r\n",
        "SCRIPT_NAME: /a\r\nREMOTE_USER: ann\r\n",
        "PATH_INFO: /other\r\n",
        "X-Forwarded-Proto: https\r\n",
        "X-Forwarded-Proto: http\r\nX-Forwarded-Ssl: on\r\n",
        "X-Forwarded-Protocol: ssl\r\n",
        "X-Scheme: secret\r\n",
        "X-Scheme: secret\r\nX-Other: off\r\n",
        "X_Forwarded_Proto: https\r\n",
    ];
    for arguments in configurations {
        let (gunicorn, lab) = servers(&folder, arguments);
        for field in fields {
            let request = format!("GET /a/b HTTP/1.1\r\nHost: a\r\n{field}Connection: close\r\n\r\n");
            let (theirs, own) = (raw_response(&gunicorn, request.as_bytes()), raw_response(&lab, request.as_bytes()));
            assert_eq!(own, theirs, "{arguments:?} {field:?}");
        }
    }
}

/// To the byte: each size around its limit, beside gunicorn.
#[test]
fn request_size_limits_match_gunicorn() {
    let Some(folder) = Folder::new() else { return };
    folder.write("who.py", TRUST);
    let limits = ["--limit-request-line", "60", "--limit-request-fields", "5", "--limit-request-field_size", "40"];
    let (gunicorn, lab) = servers(&folder, &limits);
    let mut statuses = BTreeMap::new();
    let mut compare = |path: &str, fields: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
        let (theirs, own) = (raw_response(&gunicorn, request.as_bytes()), raw_response(&lab, request.as_bytes()));
        assert_eq!(own, theirs, "{request:?}");
        let status = if own.contains('=') { "200" } else { &own };
        *statuses.entry(status.to_owned()).or_insert(0) += 1;
    };
    for length in 35..55 {
        compare(&format!("/{}", "p".repeat(length)), "");
    }
    for count in 0..6 {
        compare("/", &"X: 1\r\n".repeat(count));
    }
    for length in 30..45 {
        compare("/", &format!("X: {}\r\n", "v".repeat(length)));
    }
    for status in ["200", "414", "431"] {
        assert!(statuses.get(status).is_some_and(|&count| count > 1), "{statuses:?}");
    }
}
