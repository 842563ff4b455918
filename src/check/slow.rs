//! Clients that never finish sending a request or reading its response.
//!
//! They show how many workers a slow client ties up, and whether the proxy shields the server by buffering. (As an attack:
//! Slowloris; in good faith: a phone on a bad network.)

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client_socket::client_socket;
use crate::scenario::model::{SlowClients, SlowPart};

/// The pause between two bytes.
const PAUSE: Duration = Duration::from_millis(100);
/// The Content-Length of a slow body: more than an hour at one byte per pause.
const BODY_BYTES: usize = 40_000;
/// The receive buffer of a slow reader. Linux doubles it and enforces a minimum (socket(7)).
const RECEIVE_BUFFER_BYTES: u32 = 4096;

/// Starts clients that connect to `address`, from the address `bound` if there is one, and begin a request for `target`.
/// Returns once each has sent its beginning and one byte more, or has waited one pause before reading, which gives the stack
/// time to accept it. Dropping the returned set stops the clients.
///
/// # Errors
/// The first client that cannot connect or send.
pub(super) async fn clients(
    address: SocketAddr,
    bound: Option<Ipv4Addr>,
    target: &str,
    slow: &SlowClients,
) -> io::Result<JoinSet<()>> {
    let part = slow.part;
    let beginning = beginning(address, target, part);
    let (tell, mut told) = mpsc::channel(usize::from(slow.clients.get()));
    let mut clients = JoinSet::new();
    for _ in 0..slow.clients.get() {
        let (tell, beginning) = (tell.clone(), beginning.clone());
        clients.spawn(async move {
            let begun = begin(address, bound, &beginning, part).await;
            let (begun, connection) = match begun {
                Ok(connection) => (Ok(()), Some(connection)),
                Err(error) => (Err(error), None),
            };
            // The receiver may be gone.
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

/// The beginning of a request, up to the middle of its slow part. The whole request if the response is the slow part.
fn beginning(address: SocketAddr, target: &str, part: SlowPart) -> String {
    match part {
        SlowPart::Head => format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nX-Slow: s"),
        SlowPart::Body => format!(
            "POST {target} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\nContent-Length: {BODY_BYTES}\r\n\r\ns"
        ),
        SlowPart::Response => format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
    }
}

async fn begin(address: SocketAddr, bound: Option<Ipv4Addr>, beginning: &str, part: SlowPart) -> io::Result<TcpStream> {
    let socket = client_socket(address, bound)?;
    if part == SlowPart::Response {
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    }
    let mut connection = socket.connect(address).await?;
    connection.set_nodelay(true)?;
    connection.write_all(beginning.as_bytes()).await?;
    tokio::time::sleep(PAUSE).await;
    if part != SlowPart::Response {
        connection.write_all(b"l").await?;
    }
    Ok(connection)
}

/// Continues until the stack closes the connection.
async fn go_on(mut connection: TcpStream, part: SlowPart) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let is_over = match part {
            SlowPart::Head | SlowPart::Body => connection.write_all(b"o").await.is_err(),
            SlowPart::Response => matches!(connection.read(&mut [0]).await, Ok(0) | Err(_)),
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
    async fn clients_begin_and_last_until_dropped() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = SlowClients { clients: NonZeroU16::new(3).unwrap(), part: SlowPart::Head, target: None };
        let clients = clients(address, None, "/x", &slow).await.unwrap();
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
    async fn slow_reader_accepts_little() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = SlowClients { clients: NonZeroU16::MIN, part: SlowPart::Response, target: None };
        let _clients = clients(address, None, "/x", &slow).await.unwrap();
        let (mut connection, _) = listener.accept().await.unwrap();
        let expected = format!("GET /x HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let mut seen = vec![0; expected.len()];
        connection.read_exact(&mut seen).await.unwrap();
        assert_eq!(String::from_utf8(seen).unwrap(), expected);
        // More than the kernel buffers, so the write never completes.
        let response = vec![b'x'; 32 << 20];
        assert!(tokio::time::timeout(PAUSE * 5, connection.write_all(&response)).await.is_err());
    }

    #[tokio::test]
    async fn unreachable_stack_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let slow = SlowClients { clients: NonZeroU16::MIN, part: SlowPart::Body, target: None };
        assert!(clients(address, None, "/", &slow).await.is_err());
    }
}
