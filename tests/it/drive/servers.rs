//! Servers that behave and misbehave, and count what happens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What a server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Sends this and keeps the connection.
    Send(Arc<str>),
    /// Sends this and ends the connection.
    SendAndClose(Arc<str>),
    /// Sends this after a while and keeps the connection.
    SendLate(Duration, Arc<str>),
    /// Resets the connection.
    Reset,
    /// Does nothing more.
    Hold,
}

/// A small response.
pub(crate) const PONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPong!";

pub(crate) fn send(response: &str) -> Behaviour {
    Behaviour::Send(response.into())
}

/// A server's own account.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) accepted: AtomicU64,
    pub(crate) served: AtomicU64,
}

impl Counts {
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

/// A thread for the servers of a test.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Handles every request as `behave` decides by its number and head, until the runtime is dropped.
pub(crate) fn serve(
    runtime: &Runtime,
    behave: impl Fn(u64, &str) -> Behaviour + Send + Sync + 'static,
) -> (SocketAddr, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let (in_server, behave) = (counts.clone(), Arc::new(behave));
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            in_server.accepted.fetch_add(1, Ordering::Relaxed);
            let (behave, counts) = (behave.clone(), in_server.clone());
            tokio::spawn(async move { serve_connection(stream, &*behave, &counts).await });
        }
    });
    (address, counts)
}

async fn serve_connection(
    mut stream: TcpStream,
    behave: &(impl Fn(u64, &str) -> Behaviour + Sync),
    counts: &Counts,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    let mut head = Vec::new();
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..read]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let number = counts.served.fetch_add(1, Ordering::Relaxed);
        match behave(number, &String::from_utf8_lossy(&head)) {
            Behaviour::Send(response) => stream.write_all(response.as_bytes()).await?,
            Behaviour::SendAndClose(response) => return stream.write_all(response.as_bytes()).await,
            Behaviour::SendLate(late, response) => {
                tokio::time::sleep(late).await;
                stream.write_all(response.as_bytes()).await?;
            }
            Behaviour::Reset => return stream.set_zero_linger(),
            Behaviour::Hold => std::future::pending().await,
        }
        head.clear();
    }
}
