//! A recording relay between a proxy and its server, or in front of a server without a proxy. It passes every byte on, and
//! records the requests. Only checks are sent through it, never a load.

mod recorder;
mod response_recorder;

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lab_app::headers_report::ReceivedRequest;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::catalog::kind::Protocol;
use recorder::Recorder;
use response_recorder::ResponseRecorder;

/// As much as the socket buffers of a loopback connection pass at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Why nothing was recorded.
const NO_REQUEST: &str = "no request reached the server";

/// The recorded requests in the order of their arrival.
type Recordings = Arc<Mutex<Vec<RelayedRequest>>>;

/// A request that reached the server.
#[derive(Debug, Clone)]
pub struct RelayedRequest {
    /// Unique in this process.
    id: u64,
    /// The request, or why it cannot be read.
    pub request: Result<ReceivedRequest, String>,
    pub arrived: Instant,
    /// None until it is passed on.
    pub response: Option<RelayedResponse>,
}

/// A response of the server.
#[derive(Debug, Clone, Copy)]
pub struct RelayedResponse {
    /// 0 if the response is not HTTP.
    pub status: u16,
    pub passed_on: Instant,
}

/// A server behind a relay.
#[derive(Debug, Clone, Copy)]
pub struct RelayedServer {
    pub address: SocketAddr,
    pub protocol: Protocol,
    /// How long each response is held back.
    pub response_delay: Duration,
}

/// A running relay. Dropping it closes its listener and its connections.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    recordings: Recordings,
    /// Dropping it ends the relay.
    _stop: oneshot::Sender<()>,
}

/// What a relay serves.
struct Upstream {
    server: RelayedServer,
    recordings: Recordings,
    /// Ends when the relay is dropped.
    stopped: oneshot::Receiver<()>,
}

impl Relay {
    /// Starts a relay to a server.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(server: RelayedServer) -> io::Result<Relay> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (relay, upstream) = Relay::new(address, server);
        tokio::spawn(serve(listener, upstream));
        Ok(relay)
    }

    /// Starts a relay in the network of the container whose first process is `pid`. It listens at `address` there, and
    /// the server sees it connect from the container's own address, as the container's programs do.
    ///
    /// # Errors
    /// lab may not enter the network, or the port is not free.
    pub async fn start_in_container(pid: u32, address: SocketAddr, server: RelayedServer) -> io::Result<Relay> {
        let (relay, upstream) = Relay::new(address, server);
        let (report, started) = oneshot::channel();
        // A network namespace belongs to a thread, and so do the sockets that it opens.
        let run = move || match listen_in_network_of(pid, address) {
            Ok((runtime, listener)) => {
                let _ = report.send(Ok(()));
                runtime.block_on(serve(listener, upstream));
            }
            Err(error) => {
                let _ = report.send(Err(error));
            }
        };
        std::thread::Builder::new().name("relay".to_owned()).spawn(run)?;
        started.await.map_err(io::Error::other)??;
        Ok(relay)
    }

    fn new(address: SocketAddr, server: RelayedServer) -> (Relay, Upstream) {
        let recordings = Recordings::default();
        let (stop, stopped) = oneshot::channel();
        let upstream = Upstream { server, recordings: Arc::clone(&recordings), stopped };
        (Relay { address, recordings, _stop: stop }, upstream)
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
        recordings.last().map_or_else(|| Err(NO_REQUEST.to_owned()), |last| last.request.clone())
    }

    /// The requests since [`clear`](Relay::clear), in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<RelayedRequest> {
        self.recordings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Moves this thread into the network of a process, and listens there.
fn listen_in_network_of(pid: u32, address: SocketAddr) -> io::Result<(Runtime, TcpListener)> {
    let network = File::open(format!("/proc/{pid}/ns/net"))?;
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(address))?;
    Ok((runtime, listener))
}

async fn serve(listener: TcpListener, upstream: Upstream) {
    let Upstream { server, recordings, mut stopped } = upstream;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that failed before it was accepted concerns its client alone.
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(relay(client, server, Arc::clone(&recordings)));
            }
            Some(_) = connections.join_next() => {}
            _ = &mut stopped => return,
        }
    }
}

/// Passes one connection on, until both sides have ended or one has failed, which closes both.
async fn relay(client: TcpStream, server: RelayedServer, recordings: Recordings) -> io::Result<()> {
    let RelayedServer { address, protocol, response_delay } = server;
    let server = connect(client.peer_addr()?.ip(), address).await?;
    let mut recorder = Recorder::new(protocol, Arc::clone(&recordings));
    let mut response_recorder = ResponseRecorder::new(recorder.unanswered());
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
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let length = server_reader.read(&mut buffer).await?;
            if length == 0 {
                return client_writer.shutdown().await;
            }
            let begun = response_recorder.record(&buffer[..length]);
            if !begun.is_empty() {
                tokio::time::sleep(response_delay).await;
                note_responses(&recordings, &begun);
            }
            client_writer.write_all(&buffer[..length]).await?;
        }
    };
    tokio::try_join!(requests, responses).map(|_| ())
}

/// Connects to the server from the client's address if both are on the loopback interface, so that the server sees the client
/// as it does without the relay.
async fn connect(client: IpAddr, server: SocketAddr) -> io::Result<TcpStream> {
    match client {
        IpAddr::V4(own) if own.is_loopback() && server.is_ipv4() && server.ip().is_loopback() => {
            let socket = TcpSocket::new_v4()?;
            socket.bind((own, 0).into())?;
            socket.connect(server).await
        }
        _ => TcpStream::connect(server).await,
    }
}

/// Notes that responses are passed on now. They have the ids of their requests, and their statuses.
fn note_responses(recordings: &Recordings, begun: &[(u64, u16)]) {
    let passed_on = Instant::now();
    let mut recordings = recordings.lock().unwrap_or_else(PoisonError::into_inner);
    for &(id, status) in begun {
        // A request that was forgotten meanwhile is not there.
        if let Some(request) = recordings.iter_mut().find(|request| request.id == id) {
            request.response = Some(RelayedResponse { status, passed_on });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: SocketAddr) -> RelayedServer {
        RelayedServer { address, protocol: Protocol::Http, response_delay: Duration::ZERO }
    }

    /// A server that responds once to each connection, and returns what it received.
    async fn exchange(request: &[u8], response: &'static [u8]) -> (Relay, Vec<u8>, Vec<u8>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let relay = Relay::start(server(listener.local_addr().unwrap())).await.unwrap();
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
        let statuses: Vec<Option<u16>> =
            relay.requests().iter().map(|request| request.response.map(|response| response.status)).collect();
        assert_eq!(statuses, [Some(204), None]);
        relay.clear();
        assert_eq!(relay.last_request(), Err(NO_REQUEST.to_owned()));
    }

    #[tokio::test]
    async fn server_sees_the_address_of_the_client() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let relay = Relay::start(server(listener.local_addr().unwrap())).await.unwrap();
        for own in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)] {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((own, 0).into()).unwrap();
            let _client = socket.connect(relay.address()).await.unwrap();
            let (_connection, seen) = listener.accept().await.unwrap();
            assert_eq!(seen.ip(), own);
        }
    }

    #[tokio::test]
    async fn malformed_request_passes_and_is_named() {
        let (relay, received, _) = exchange(b"nonsense\r\n\r\n", b"").await;
        assert_eq!(received, b"nonsense\r\n\r\n");
        assert!(relay.last_request().unwrap_err().starts_with("the request at the server is not HTTP/1.1"));
    }
}
