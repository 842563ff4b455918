//! Files that change while they are sent.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::running::{Program, Proxy};
use crate::support::wait_until;

/// Far more than the sockets of both sides hold.
const SIZE: usize = 64 << 20;

/// What a client received of a file.
#[derive(Debug, PartialEq, Eq)]
enum Received {
    Everything,
    /// The connection ended before.
    Part,
}

/// Requests a file, and changes it while the response is under way. Returns what the client received, and the error log.
fn request(sendfile: &str, change: impl FnOnce(&Path)) -> (Received, String) {
    let configuration = format!(
        "daemon off; worker_processes 1; pid pid; error_log error.log; events {{ }}\n\
         http {{ server {{ listen {{listen}}; root html; sendfile {sendfile}; }} }}"
    );
    let proxy = Proxy::start_as(Program::Lab, &configuration, |folder, _| {
        fs::create_dir(folder.join("html")).expect("a folder");
        File::create(folder.join("html/large")).expect("a file").set_len(SIZE as u64).expect("a size");
    });
    let mut stream = proxy.connect();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("a request");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", head.escape_ascii());
    change(&proxy.path().join("html/large"));
    let mut body = Vec::new();
    // the end may be a reset
    _ = stream.read_to_end(&mut body);
    assert!(body.len() <= SIZE, "{} bytes", body.len());
    let received = if body.len() == SIZE { Received::Everything } else { Received::Part };
    if received == Received::Part {
        wait_until("the error log", || (!proxy.read("error.log").is_empty()).then_some(()));
    }
    (received, proxy.read("error.log"))
}

#[test]
fn shortened_file_ends_its_connection() {
    for sendfile in ["on", "off"] {
        let (received, log) = request(sendfile, |file| {
            File::options().write(true).open(file).expect("a file").set_len(1000).expect("a size");
        });
        assert_eq!(received, Received::Part, "sendfile {sendfile}");
        assert!(log.contains("[alert]") && log.contains("a file became shorter while it was sent"), "{log}");
    }
}

#[test]
fn grown_and_removed_files_are_sent_as_announced() {
    for sendfile in ["on", "off"] {
        let (received, log) = request(sendfile, |file| {
            let mut file = File::options().append(true).open(file).expect("a file");
            file.write_all(&[1; 100_000]).expect("a longer file");
        });
        assert_eq!((received, log.as_str()), (Received::Everything, ""), "sendfile {sendfile}");
        let (received, log) = request(sendfile, |file| fs::remove_file(file).expect("a file"));
        assert_eq!((received, log.as_str()), (Received::Everything, ""), "sendfile {sendfile}");
    }
}
