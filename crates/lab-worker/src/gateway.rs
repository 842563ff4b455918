//! How a connection's requests reach an application.

use std::rc::Rc;

use lab_http::message::extensions::{ConnectionInfo, RawHead};
use lab_http::{Incoming, Outgoing};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::yield_now;

use crate::config::WorkerConfig;
use crate::connection::{Connection, ConnectionEnd};
use crate::idle_connections::IdleSlot;
use crate::lendable::LendableStream;
use crate::shutdown::ShutdownState;

/// Calls an application for each request of a connection.
pub trait Gateway<IO> {
    /// Serves one request, up to the last byte of its response. An error ends the connection. The requests of one
    /// connection come one after the other.
    fn exchange(
        &mut self,
        connection: &mut Connection<IO>,
        arrived: RawHead,
    ) -> impl Future<Output = Result<(), ConnectionEnd>>;
}

/// Serves requests from `io` through `gateway` until the connection closes. On shutdown an idle connection is closed,
/// and one with a request in progress is closed after its response.
pub async fn serve_connection<G, IO>(
    io: IO,
    info: ConnectionInfo,
    mut gateway: G,
    config: Rc<WorkerConfig>,
    shutdown: watch::Receiver<ShutdownState>,
    idle: IdleSlot,
) where
    G: Gateway<IO>,
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let incoming = Incoming::new(io, config.limits);
    let outgoing = Outgoing::new(LendableStream::new(incoming));
    let mut connection = Connection::new(outgoing, info, config, shutdown, idle);
    let end = match connection.read_proxy_header().await {
        Ok(()) => serve_requests(&mut connection, &mut gateway).await,
        Err(end) => end,
    };
    connection.close(end).await;
}

async fn serve_requests<G, IO>(connection: &mut Connection<IO>, gateway: &mut G) -> ConnectionEnd
where
    G: Gateway<IO>,
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut is_first = true;
    loop {
        let head = match connection.next_head(is_first).await {
            Ok(head) => head,
            Err(end) => return end,
        };
        is_first = false;
        if let Err(end) = gateway.exchange(connection, head).await {
            return end;
        }
        // A client that pipelines takes turns with the others. Reading from its buffer never waits, so the runtime would not
        // accept connections either.
        if connection.incoming().is_ok_and(|incoming| !incoming.buffered().is_empty()) {
            yield_now().await;
        }
    }
}
