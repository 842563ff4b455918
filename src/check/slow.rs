//! Clients that send a request, or read its answer, and never come to the end.
//!
//! What they tell: how many of a server's workers a slow client occupies, and whether the proxy in front takes that upon
//! itself by waiting for whole requests, and for clients that take their answers in. Known as Slowloris where it is an attack, as a telephone in a tunnel else.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::scenario::model::{SlowClients, SlowPart};

/// From one byte to the next.
const PAUSE: Duration = Duration::from_millis(100);
/// What a slow body is said to be long: at its pace, more than an hour.
const BODY_BYTES: usize = 40_000;
/// What the system may take in for a client that reads slowly; Linux doubles it, and has a least of its own (socket(7)).
const TAKEN_IN_BYTES: u32 = 4096;

/// Lets clients connect to `address` and begin a request for `target`. Returns when every one of them has sent the
/// beginning and, a pause later, one byte more, or has had a pause to begin reading: by then the stack has had time to
/// take it up. They go on until what is returned is dropped, and end then without having come to the end.
///
/// # Errors
/// The first that could not connect or send.
pub(super) async fn clients(address: SocketAddr, target: &str, slow: &SlowClients) -> io::Result<JoinSet<()>> {
    let part = slow.part;
    let beginning = beginning(address, target, part);
    let (tell, mut told) = mpsc::channel(usize::from(slow.clients.get()));
    let mut clients = JoinSet::new();
    for _ in 0..slow.clients.get() {
        let (tell, beginning) = (tell.clone(), beginning.clone());
        clients.spawn(async move {
            let begun = begin(address, &beginning, part).await;
            let (begun, connection) = match begun {
                Ok(connection) => (Ok(()), Some(connection)),
                Err(error) => (Err(error), None),
            };
            // Whoever asked may have given up.
            let _ = tell.send(begun).await;
            drop(tell);
            if let Some(connection) = connection {
                go_on(connection, part).await;
            }
        });
    }
    drop(tell);
    while let Some(begun) = told.recv().await {
        begun?;
    }
    Ok(clients)
}

/// The beginning of a request, up to the middle of its slow part; all of it where the answer is that.
fn beginning(address: SocketAddr, target: &str, part: SlowPart) -> String {
    match part {
        SlowPart::Head => format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nX-Slow: s"),
        SlowPart::Body => format!(
            "POST {target} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\nContent-Length: {BODY_BYTES}\r\n\r\ns"
        ),
        SlowPart::Answer => format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
    }
}

async fn begin(address: SocketAddr, beginning: &str, part: SlowPart) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if part == SlowPart::Answer {
        socket.set_recv_buffer_size(TAKEN_IN_BYTES)?;
    }
    let mut connection = socket.connect(address).await?;
    connection.set_nodelay(true)?;
    connection.write_all(beginning.as_bytes()).await?;
    tokio::time::sleep(PAUSE).await;
    if part != SlowPart::Answer {
        connection.write_all(b"l").await?;
    }
    Ok(connection)
}

/// Sends on, or reads on, until the stack ends the connection, which is its right. Far from what `BODY_BYTES` promises.
async fn go_on(mut connection: TcpStream, part: SlowPart) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let is_over = match part {
            SlowPart::Head | SlowPart::Body => connection.write_all(b"o").await.is_err(),
            SlowPart::Answer => matches!(connection.read(&mut [0]).await, Ok(0) | Err(_)),
        };
        if is_over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn every_client_has_begun_and_none_ends_before_it_is_dropped() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = SlowClients { clients: NonZeroU16::new(3).unwrap(), part: SlowPart::Head, target: None };
        let clients = clients(address, "/x", &slow).await.unwrap();
        for _ in 0..3 {
            let (mut connection, _) = listener.accept().await.unwrap();
            let expected = format!("GET /x HTTP/1.1\r\nHost: {address}\r\nX-Slow: sl");
            let mut seen = vec![0; expected.len()];
            connection.read_exact(&mut seen).await.unwrap();
            assert_eq!(String::from_utf8(seen).unwrap(), expected);
        }
        assert_eq!(clients.len(), 3);
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_takes_in_little_of_a_large_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = SlowClients { clients: NonZeroU16::MIN, part: SlowPart::Answer, target: None };
        let _clients = clients(address, "/x", &slow).await.unwrap();
        let (mut connection, _) = listener.accept().await.unwrap();
        let expected = format!("GET /x HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let mut seen = vec![0; expected.len()];
        connection.read_exact(&mut seen).await.unwrap();
        assert_eq!(String::from_utf8(seen).unwrap(), expected);
        // More than this system keeps for a sender: there is no end to such a write.
        let answer = vec![b'x'; 32 << 20];
        assert!(tokio::time::timeout(PAUSE * 5, connection.write_all(&answer)).await.is_err());
    }

    #[tokio::test]
    async fn a_stack_that_cannot_be_reached_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let slow = SlowClients { clients: NonZeroU16::MIN, part: SlowPart::Body, target: None };
        assert!(clients(address, "/", &slow).await.is_err());
    }
}
