//! What new clients get of a worker that others keep busy.

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use super::interactive::{read_until, send, start};
use crate::support::StopFlag;

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
    let is_over = StopFlag::default();
    let waited = thread::scope(|scope| {
        let _end = is_over.set_at_end();
        let busy: Vec<_> = (0..BUSY_CLIENTS).map(|_| worker.connect()).collect();
        for mut client in busy {
            next_number(&mut client);
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.is_set() {
                    next_number(&mut client);
                }
            });
        }
        let mut own = worker.connect();
        let begin = next_number(&mut own);
        let new: Vec<_> = (0..NEW_CLIENTS).map(|_| send(&worker, "GET /number HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        let last = new.into_iter().map(|mut client| read_number(&mut client)).max();
        last.expect("a client") - begin
    });
    // One accept in each turn would make the last of them wait for eight turns, with a response for each busy client.
    assert!(waited < BUSY_CLIENTS * 4, "{waited} responses were sent before the last new client had its own");
}
