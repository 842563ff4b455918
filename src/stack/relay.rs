//! A recording relay between a proxy and its server, or in front of a server without a proxy. It passes every byte on, and
//! records the requests. Only checks are sent through it, never a load.

mod recorder;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use lab_app::headers_report::ReceivedRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::catalog::kind::Protocol;
use recorder::Recorder;

/// As much as the socket buffers of a loopback connection pass at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Why nothing was recorded.
const NO_REQUEST: &str = "no request reached the server";

/// The recorded requests in the order of their arrival, or why one cannot be read.
type Recordings = Arc<Mutex<Vec<Result<ReceivedRequest, String>>>>;

/// A running relay. Dropping it closes its listener and its connections.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    recordings: Recordings,
    task: AbortHandle,
}

impl Relay {
    /// Starts a relay to the server at `server`, which speaks `protocol`.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(server: SocketAddr, protocol: Protocol) -> io::Result<Relay> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let recordings = Recordings::default();
        let task = tokio::spawn(serve(listener, server, protocol, Arc::clone(&recordings))).abort_handle();
        Ok(Relay { address, recordings, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forgets the requests so far.
    pub fn clear(&self) {
        self.recordings.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The last request since [`clear`](Relay::clear): a proxy may send others before it, such as subrequests and retries.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn last_request(&self) -> Result<ReceivedRequest, String> {
        let recordings = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
        recordings.last().cloned().unwrap_or_else(|| Err(NO_REQUEST.to_owned()))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: SocketAddr, protocol: Protocol, recordings: Recordings) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that failed before it was accepted concerns its client alone.
                let Ok((client, _)) = accepted else { continue };
                let recorder = Recorder::new(protocol, Arc::clone(&recordings));
                connections.spawn(relay(client, server, recorder));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Passes one connection on, until both sides have ended or one has failed, which closes both.
async fn relay(client: TcpStream, server: SocketAddr, mut recorder: Recorder) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut client_reader, mut client_writer) = client.into_split();
    let (mut server_reader, mut server_writer) = server.into_split();
    let requests = async {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let length = client_reader.read(&mut buffer).await?;
            if length == 0 {
                return server_writer.shutdown().await;
            }
            // Recorded first: once the client has its response, its request has been recorded.
            recorder.record(&buffer[..length]);
            server_writer.write_all(&buffer[..length]).await?;
        }
    };
    let responses = async {
        tokio::io::copy(&mut server_reader, &mut client_writer).await?;
        client_writer.shutdown().await
    };
    tokio::try_join!(requests, responses).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that responds once to each connection, and returns what it received.
    async fn exchange(request: &[u8], response: &'static [u8]) -> (Relay, Vec<u8>, Vec<u8>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let relay = Relay::start(listener.local_addr().unwrap(), Protocol::Http).await.unwrap();
        let mut client = TcpStream::connect(relay.address()).await.unwrap();
        client.write_all(request).await.unwrap();
        client.shutdown().await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        server.write_all(response).await.unwrap();
        drop(server);
        let mut answered = Vec::new();
        client.read_to_end(&mut answered).await.unwrap();
        (relay, received, answered)
    }

    #[tokio::test]
    async fn bytes_pass_and_the_last_request_is_recorded() {
        let request = b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /second?x=1 HTTP/1.1\r\nhOst: b\r\n\r\n";
        let (relay, received, answered) = exchange(request, b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(received, request);
        assert_eq!(answered, b"HTTP/1.1 204 No Content\r\n\r\n");
        let last = relay.last_request().unwrap();
        assert_eq!((last.method.as_str(), last.target.as_str()), ("GET", "/second?x=1"));
        assert_eq!(last.headers, [("hOst".to_owned(), "b".to_owned())]);
        relay.clear();
        assert_eq!(relay.last_request(), Err(NO_REQUEST.to_owned()));
    }

    #[tokio::test]
    async fn malformed_request_passes_and_is_named() {
        let (relay, received, _) = exchange(b"nonsense\r\n\r\n", b"").await;
        assert_eq!(received, b"nonsense\r\n\r\n");
        assert!(relay.last_request().unwrap_err().starts_with("the request at the server is not HTTP/1.1"));
    }
}
