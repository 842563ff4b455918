//! A name server for which every name has the address 127.0.0.1, and no other.
//!
//! nginx uses it; lab uses the system's resolver, so cases use `localhost`, on which both agree.

use std::net::{SocketAddr, UdpSocket};

/// Starts one, for as long as the tests run; where it listens.
pub(super) fn start() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length]) {
                _ = socket.send_to(&answer, client);
            }
        }
    });
    address
}

/// The answer to a query with one question (RFC 1035 §4).
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let name_end = HEADER + query.get(HEADER..)?.iter().position(|&byte| byte == 0)? + 1;
    let question = query.get(HEADER..name_end + 4)?;
    let is_for_ipv4 = question.ends_with(&[0, 1, 0, 1]);
    // its id; a response, recursion available; one question, one or no answer
    let mut out = [&query[..2], &[0x81, 0x80, 0, 1, 0, u8::from(is_for_ipv4), 0, 0, 0, 0], question].concat();
    if is_for_ipv4 {
        // the name of the question, A, IN, a minute, four bytes
        out.extend_from_slice(&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some(out)
}
