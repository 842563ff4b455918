//! An upstream that does what it is told, and remembers exactly what it received.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::case::{Answer, End};
use super::running::read_some;

#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    answers: VecDeque<Answer>,
    /// By connection.
    received: Vec<Vec<u8>>,
    /// How many connections were ended as an answer wanted it.
    ended: usize,
}

impl Upstream {
    /// Answers with these, one after the other, whatever connection a request comes on; then with a short 200.
    pub(super) fn start(answers: Vec<Answer>) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Mutex::new(Shared { answers: answers.into(), ..Shared::default() }));
        let (accepting, inner) = (listener, Arc::clone(&shared));
        std::thread::spawn(move || {
            for stream in accepting.incoming().flatten() {
                let shared = Arc::clone(&inner);
                let connection = {
                    let mut shared = shared.lock().expect("no panic");
                    shared.received.push(Vec::new());
                    shared.received.len() - 1
                };
                std::thread::spawn(move || serve(stream, connection, &shared));
            }
        });
        Upstream { address, shared }
    }

    /// What was received so far, by connection.
    pub(super) fn received(&self) -> Vec<Vec<u8>> {
        self.shared.lock().expect("no panic").received.clone()
    }

    /// How many connections were ended as an answer wanted it.
    pub(super) fn ended(&self) -> usize {
        self.shared.lock().expect("no panic").ended
    }
}

fn serve(mut stream: TcpStream, connection: usize, shared: &Mutex<Shared>) {
    let mut unread = Vec::new();
    loop {
        let Some(head_end) = read_until(&mut stream, &mut unread, connection, shared, end_of_head) else {
            return;
        };
        let answer = shared.lock().expect("no panic").answers.pop_front().unwrap_or_else(|| Answer {
            bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlegit".to_vec(),
            ..Answer::default()
        });
        let head = String::from_utf8_lossy(&unread[..head_end]).to_ascii_lowercase();
        unread.drain(..head_end);
        if !answer.is_early {
            let body_end = read_until(&mut stream, &mut unread, connection, shared, |text| end_of_body(&head, text));
            let Some(body_end) = body_end else { return };
            unread.drain(..body_end);
        }
        if stream.write_all(&answer.bytes).is_err() {
            return;
        }
        match answer.end {
            End::KeepOpen => continue,
            End::Close => _ = stream.shutdown(Shutdown::Both),
            End::Reset => _ = socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)),
        }
        drop(stream);
        shared.lock().expect("no panic").ended += 1;
        return;
    }
}

fn read_until(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
    connection: usize,
    shared: &Mutex<Shared>,
    is_there: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    loop {
        if let Some(end) = is_there(unread) {
            return Some(end);
        }
        let mut piece = [0; 4096];
        let read = read_some(stream, &mut piece).ok().filter(|read| *read > 0)?;
        unread.extend_from_slice(&piece[..read]);
        shared.lock().expect("no panic").received[connection].extend_from_slice(&piece[..read]);
    }
}

fn end_of_head(text: &[u8]) -> Option<usize> {
    text.windows(4).position(|window| window == b"\r\n\r\n").map(|start| start + 4)
}

fn end_of_body(head: &str, text: &[u8]) -> Option<usize> {
    if head.contains("transfer-encoding: chunked") {
        return text.windows(5).position(|window| window == b"0\r\n\r\n").map(|start| start + 5);
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.trim().parse().expect("a length"));
    (text.len() >= length).then_some(length)
}
