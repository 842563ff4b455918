//! An upstream with prepared responses, which records exactly what it receives.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex};

use socket2::{Domain, SockAddr, Socket, Type};

use super::case::{End, UpstreamResponse};
use tls::UpstreamStream;

mod tls;

/// The index of the listener with TLS.
const TLS_LISTENER: usize = 4;

#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// Its further addresses.
    pub(crate) others: [SocketAddr; 2],
    /// Its address with TLS.
    tls: SocketAddr,
    folder: tempfile::TempDir,
    listeners: Vec<Arc<Socket>>,
    shared: Arc<Mutex<Shared>>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // Ends the threads that accept on them: hundreds of cases would use up the descriptors and the ports.
        for listener in &self.listeners {
            _ = listener.shutdown(Shutdown::Both);
        }
    }
}

/// What one connection received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Which of the upstream's addresses it came to: three in the clear, the unix socket, one with TLS.
    pub(crate) listener: usize,
    pub(crate) bytes: Vec<u8>,
    /// What a TLS handshake agreed on.
    pub(crate) handshake: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    responses: VecDeque<UpstreamResponse>,
    /// By connection.
    received: Vec<Received>,
    /// How many connections a response has ended.
    ended: usize,
}

impl Upstream {
    /// Sends these responses in order, on any connection, and then short 200s.
    pub(crate) fn start(responses: Vec<UpstreamResponse>) -> Upstream {
        let shared = Arc::new(Mutex::new(Shared { responses: responses.into(), ..Shared::default() }));
        let folder = tempfile::tempdir().expect("a folder");
        let path = SockAddr::unix(folder.path().join("socket")).expect("a path");
        let any = SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut listeners = Vec::new();
        let mut addresses = [&any, &any, &any, &path, &any].into_iter().enumerate().map(|(number, address)| {
            let listener = Arc::new(Socket::new(address.domain(), Type::STREAM, None).expect("a socket"));
            listener.bind(address).expect("an address");
            listener.listen(128).expect("an address to listen on");
            let bound = listener.local_addr().expect("an address").as_socket();
            let shared = Arc::clone(&shared);
            listeners.push(Arc::clone(&listener));
            std::thread::spawn(move || accept(&listener, number, &shared));
            bound.or((address.domain() == Domain::UNIX).then_some(SocketAddr::from(([0; 4], 0)))).expect("an address")
        });
        let mut next = || addresses.next().expect("one of five");
        let (address, others, _unix, tls) = (next(), [next(), next()], next(), next());
        drop(addresses);
        Upstream { address, others, tls, folder, listeners, shared }
    }

    /// Puts its addresses into a configuration.
    pub(crate) fn fill_in(&self, configuration: &str) -> String {
        let [second, third] = self.others;
        configuration
            .replace("{upstream}", &self.address.to_string())
            .replace("{second}", &second.to_string())
            .replace("{third}", &third.to_string())
            .replace("{tls}", &self.tls.to_string())
            .replace("{unix}", &format!("unix:{}", self.folder.path().join("socket").display()))
    }

    /// Takes its addresses out of a text again.
    pub(crate) fn take_out(&self, text: &str) -> String {
        let [second, third] = self.others;
        text.replace(&self.address.to_string(), "{upstream}")
            .replace(&second.to_string(), "{second}")
            .replace(&third.to_string(), "{third}")
            .replace(&self.tls.to_string(), "{tls}")
            .replace(&format!("unix:{}", self.folder.path().join("socket").display()), "{unix}")
    }

    /// What was received so far, by connection.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.connections().into_iter().map(|received| received.bytes).collect()
    }

    /// What was received so far, by connection, and where.
    pub(crate) fn connections(&self) -> Vec<Received> {
        self.shared.lock().expect("no panic").received.clone()
    }

    /// How many prepared responses no request has taken.
    pub(super) fn responses_left(&self) -> usize {
        self.shared.lock().expect("no panic").responses.len()
    }

    /// How many connections a response has ended.
    pub(super) fn ended(&self) -> usize {
        self.shared.lock().expect("no panic").ended
    }
}

fn accept(listener: &Socket, number: usize, shared: &Arc<Mutex<Shared>>) {
    while let Ok((stream, _)) = listener.accept() {
        let shared = Arc::clone(shared);
        let connection = {
            let mut shared = shared.lock().expect("no panic");
            shared.received.push(Received { listener: number, bytes: Vec::new(), handshake: None });
            shared.received.len() - 1
        };
        std::thread::spawn(move || {
            if number != TLS_LISTENER {
                return serve(UpstreamStream::Plain(stream), connection, &shared);
            }
            let (stream, handshake) = tls::accept(stream);
            shared.lock().expect("no panic").received[connection].handshake = Some(handshake);
            if let Some(stream) = stream {
                serve(UpstreamStream::Tls(Box::new(stream)), connection, &shared);
            }
        });
    }
}

fn serve(mut stream: UpstreamStream, connection: usize, shared: &Mutex<Shared>) {
    let mut unread = Vec::new();
    loop {
        let Some(head_end) = read_until(&mut stream, &mut unread, connection, shared, end_of_head) else {
            return;
        };
        let response = shared.lock().expect("no panic").responses.pop_front().unwrap_or_else(|| UpstreamResponse {
            bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlegit".to_vec(),
            ..UpstreamResponse::default()
        });
        let head = String::from_utf8_lossy(&unread[..head_end]).to_ascii_lowercase();
        unread.drain(..head_end);
        if !response.is_early {
            let body_end = read_until(&mut stream, &mut unread, connection, shared, |text| end_of_body(&head, text));
            let Some(body_end) = body_end else { return };
            unread.drain(..body_end);
        }
        if stream.write_all(&response.bytes).is_err() {
            return;
        }
        match response.end {
            End::KeepOpen => continue,
            End::Close => {
                stream.announce_end();
                _ = stream.socket().shutdown(Shutdown::Both);
            }
            End::Reset => _ = stream.socket().set_linger(Some(std::time::Duration::ZERO)),
        }
        drop(stream);
        shared.lock().expect("no panic").ended += 1;
        return;
    }
}

fn read_until(
    stream: &mut UpstreamStream,
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
        let read = match stream.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.ok().filter(|read| *read > 0)?,
        };
        unread.extend_from_slice(&piece[..read]);
        shared.lock().expect("no panic").received[connection].bytes.extend_from_slice(&piece[..read]);
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
