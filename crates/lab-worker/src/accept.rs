//! Accepting connections, with the addresses that requests need.

use std::io;

use lab_http::message::extensions::ConnectionInfo;
use lab_net::{Listener, Stream};

/// Accepts a connection. The inner None is a connection that its client has already reset.
pub(crate) async fn accept(listener: &Listener) -> io::Result<Option<(Stream, ConnectionInfo)>> {
    let (stream, peer) = listener.accept().await?;
    let (Some(tcp), Some(peer)) = (stream.tcp(), peer) else { return Ok(Some((stream, ConnectionInfo::Unix))) };
    let local = tcp.set_nodelay(true).and_then(|()| tcp.local_addr());
    Ok(local.ok().map(|local| (stream, ConnectionInfo::Tcp { peer, local })))
}
