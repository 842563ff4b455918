//! What new clients get of a worker that others keep busy.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::interactive::{read_until, send, start};

const BUSY_CLIENTS: usize = 16;
const NEW_CLIENTS: usize = 8;

/// Sends a request on a kept connection, and returns the number of the response: how many the worker has sent before.
fn next_number(client: &mut TcpStream) -> usize {
    client.write_all(b"GET /number HTTP/1.1\r\nHost: a\r\n\r\n").expect("the worker reads");
    read_number(client)
}

fn read_number(client: &mut TcpStream) -> usize {
    let head = read_until(client, "\r\n\r\n");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
    let mut content = vec![0; length.parse().expect("a number")];
    std::io::Read::read_exact(client, &mut content).expect("the content");
    String::from_utf8_lossy(&content).parse().expect("a number")
}

#[test]
fn new_clients_do_not_wait_for_kept_connections() {
    let Some(worker) = start("streams:app") else { return };
    let has_ended = AtomicBool::new(false);
    let waited = thread::scope(|scope| {
        let busy: Vec<_> = (0..BUSY_CLIENTS).map(|_| worker.connect()).collect();
        for mut client in busy {
            next_number(&mut client);
            let has_ended = &has_ended;
            scope.spawn(move || {
                while !has_ended.load(Ordering::Relaxed) {
                    next_number(&mut client);
                }
            });
        }
        let mut own = worker.connect();
        let begin = next_number(&mut own);
        let new: Vec<_> = (0..NEW_CLIENTS).map(|_| send(&worker, "GET /number HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        let last = new.into_iter().map(|mut client| read_number(&mut client)).max();
        has_ended.store(true, Ordering::Relaxed);
        last.expect("a client") - begin
    });
    // One accept in each turn would make the last of them wait for eight turns, with a response for each busy client.
    assert!(waited < BUSY_CLIENTS * 4, "{waited} responses were sent before the last new client had its own");
}
