//! The pair of sockets between a gateway and the streams of one connection.

use std::io;
use std::rc::Rc;

use lab_http::message::extensions::ConnectionInfo;
use lab_http::{Incoming, Limits, Outgoing};
use lab_net::{OwnedReadHalf, OwnedWriteHalf, Stream};
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::config::WorkerConfig;
use crate::connection::Connection;
use crate::idle_connections::IdleConnections;
use crate::lendable::LendableStream;
use crate::shutdown::ShutdownState;

/// Heads of responses may have any size that an application produces.
const HEADS: usize = 1 << 24;

/// A connection within the worker. It carries one request at a time, and is used for the next one if the gateway keeps it
/// alive.
pub(super) struct InnerConnection<G> {
    pub(super) gateway: G,
    /// The end that the gateway serves.
    pub(super) connection: Connection<Stream>,
    pub(super) frames_end: FramesEnd,
}

/// The end of the pair at the frames of HTTP/2.
pub(super) struct FramesEnd {
    pub(super) incoming: Incoming<OwnedReadHalf>,
    pub(super) outgoing: Outgoing<OwnedWriteHalf>,
}

impl<G> InnerConnection<G> {
    /// `info` has the addresses of the client.
    pub(super) fn open(
        gateway: G,
        info: ConnectionInfo,
        config: &Rc<WorkerConfig>,
        shutdown: watch::Receiver<ShutdownState>,
    ) -> io::Result<InnerConnection<G>> {
        let (own, other) = UnixStream::pair()?;
        let outgoing = Outgoing::new(LendableStream::new(Incoming::new(Stream::Unix(own), config.limits)));
        // It never waits for a request, so it never has to give way to another.
        let idle = IdleConnections::default().register();
        let connection = Connection::new(outgoing, info, Rc::clone(config), shutdown, idle);
        let (read, write) = Stream::Unix(other).into_split();
        let limits = Limits { start_line: HEADS, field: HEADS, fields: HEADS, head: HEADS, ..Limits::response() };
        let frames_end = FramesEnd { incoming: Incoming::new(read, limits), outgoing: Outgoing::new(write) };
        Ok(InnerConnection { gateway, connection, frames_end })
    }
}
