//! A server for the tests of both HTTP clients, and the ways in which its responses fail.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::ErrorClass;

/// Long enough that no test reaches it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// For the tests that reach it.
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_millis(50);

/// What the server does with the connection after it has written its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    Hold,
    Close,
    Reset,
}

/// A response that fails, and the class of its failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailingResponse {
    pub(crate) bytes: &'static str,
    pub(crate) ending: Ending,
    pub(crate) class: ErrorClass,
}

impl FailingResponse {
    const fn new(bytes: &'static str, ending: Ending, class: ErrorClass) -> FailingResponse {
        FailingResponse { bytes, ending, class }
    }

    /// The timeout of a request that gets this response.
    pub(crate) fn timeout(&self) -> Duration {
        match self.class {
            ErrorClass::TimeoutFirstByte | ErrorClass::TimeoutBody => SHORT_TIMEOUT,
            _ => TIMEOUT,
        }
    }
}

pub(crate) const FAILING_RESPONSES: [FailingResponse; 15] = [
    FailingResponse::new("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", Ending::Hold, ErrorClass::Status4xx),
    FailingResponse::new("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", Ending::Hold, ErrorClass::Status5xx),
    FailingResponse::new("SSH-2.0-OpenSSH_9.2p1\r\n\r\n", Ending::Hold, ErrorClass::Protocol),
    FailingResponse::new("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", Ending::Hold, ErrorClass::Protocol),
    FailingResponse::new("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", Ending::Hold, ErrorClass::Protocol),
    FailingResponse::new(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        Ending::Hold,
        ErrorClass::Protocol,
    ),
    FailingResponse::new("", Ending::Close, ErrorClass::PrematureEof),
    FailingResponse::new("HTTP/1.1 200 OK\r\nContent-Le", Ending::Close, ErrorClass::PrematureEof),
    FailingResponse::new("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Ending::Close, ErrorClass::PrematureEof),
    FailingResponse::new(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
        Ending::Close,
        ErrorClass::PrematureEof,
    ),
    FailingResponse::new(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        Ending::Close,
        ErrorClass::PrematureEof,
    ),
    FailingResponse::new("", Ending::Reset, ErrorClass::ResetBeforeFirstByte),
    FailingResponse::new("", Ending::Hold, ErrorClass::TimeoutFirstByte),
    FailingResponse::new("HTTP/1.1 200 OK\r\n", Ending::Hold, ErrorClass::TimeoutFirstByte),
    FailingResponse::new("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", Ending::Hold, ErrorClass::TimeoutBody),
];

/// Sends a request with `client` to a server that responds with `bytes`; returns the client's result.
pub(crate) async fn respond<T, F>(bytes: &str, ending: Ending, client: impl FnOnce(SocketAddr) -> F) -> T
where
    F: Future<Output = T>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap());
    let server = async {
        let (mut stream, _) = accept_request(&listener).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        match ending {
            Ending::Hold => pending().await,
            Ending::Close => drop(stream),
            Ending::Reset => reset(stream),
        }
        // Only the client ends the test.
        pending::<()>().await;
    };
    tokio::select! {
        result = client => result,
        () = server => unreachable!(),
    }
}

/// Reads the head of a request; returns its connection and the head.
pub(crate) async fn accept_request(listener: &TcpListener) -> (TcpStream, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, head)
}

/// Closes with a reset instead of a FIN.
pub(crate) fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// A listener whose backlog is full, so that further handshakes are not completed.
pub(crate) struct FullBacklog {
    pub(crate) address: SocketAddr,
    _listener: socket2::Socket,
    _first: std::net::TcpStream,
}

impl FullBacklog {
    pub(crate) fn new() -> FullBacklog {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        // A backlog of 0 holds one connection on Linux.
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let first = std::net::TcpStream::connect(address).unwrap();
        FullBacklog { address, _listener: listener, _first: first }
    }
}
