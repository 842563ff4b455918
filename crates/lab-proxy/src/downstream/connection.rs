//! A client's connection, from its first byte to its close: one request after the other.

use std::net::SocketAddr;

use lab_http::{Incoming, Limits, Outgoing};

use crate::clock;
use crate::config::address::Address;
use crate::config::location::lingering::LingeringClose;
use crate::config::logs::Severity;
use crate::config::request_head::RequestHeadConfig;
use crate::connection_counts::OpenConnection;
use crate::context::{ConnectionDisposition, CountingWriter, WorkerContext};
use crate::downstream::client_io::ClientIo;
use crate::downstream::request::{RequestEnd, serve_request};
use crate::eval::ClientConnection;
use crate::upstream::Upstreams;
use lab_net::Stream;
use lab_net::deadline::Timer;

/// Where a connection was accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted<'a> {
    /// Its slot among the worker's connections.
    pub(crate) slot: usize,
    /// The client's address; none on a unix socket.
    pub(crate) peer: Option<SocketAddr>,
    /// The `listen`s of the socket, as indexes into the configuration.
    pub(crate) listens: &'a [usize],
}

/// Serves a connection to its end.
pub(crate) async fn serve(worker: &WorkerContext, upstreams: &Upstreams, accepted: Accepted<'_>, mut stream: Stream) {
    // a client that is already gone has no address
    let Some((listen, local)) = find_listen(worker, accepted.listens, &stream) else { return };
    let default_server = &worker.config.servers[worker.config.listens[listen].default_server];

    let _open = OpenConnection::new();
    let opened = clock::now();
    let mut connection = ClientConnection::new(worker.next_serial(), accepted.peer, local);
    let (read, write) = stream.split();
    let mut client = ClientIo {
        incoming: Incoming::new(read, limits(&default_server.request_head)),
        outgoing: Outgoing::new(CountingWriter::new(write)),
        read_timer: Timer::new(),
        write_timer: Timer::new(),
    };
    if worker.config.listens[listen].proxy_protocol {
        match client.read_proxy_header(default_server.request_head.timeout).await {
            Ok(announced) => connection.announced = announced,
            Err(header) => {
                let log = &default_server.config().error_log;
                let message = format!("broken header: \"{}\"", header.escape_ascii());
                worker.logs.error(log, Severity::Error, &message, None);
                return;
            }
        }
    }
    let mut idle = default_server.request_head.timeout;
    let mut lingering = default_server.config().lingering;
    let disposition = loop {
        connection.is_pipelined = !client.incoming.buffered().is_empty();
        if !client.wait(worker, accepted.slot, idle).await {
            break ConnectionDisposition::Abort;
        }
        connection.requests += 1;
        connection.age = clock::now() - opened;
        // boxed, so that the task of an idle connection stays small
        let serving = Box::pin(serve_request(&mut client, worker, upstreams, &connection, listen));
        let disposition;
        RequestEnd { disposition, idle, lingering } = serving.await;
        if disposition != ConnectionDisposition::KeepAlive {
            break disposition;
        }
    };
    let lingers = match disposition {
        ConnectionDisposition::Linger => true,
        ConnectionDisposition::Close => match lingering.close {
            LingeringClose::Off => false,
            LingeringClose::On => client.has_unread().await,
            LingeringClose::Always => true,
        },
        _ => false,
    };
    if lingers {
        client.linger(&lingering).await;
    }
    drop(client);
    if disposition == ConnectionDisposition::Reset {
        stream.reset_on_drop();
    }
}

/// The bounds of `large_client_header_buffers`. nginx has none for the number of fields.
fn limits(heads: &RequestHeadConfig) -> Limits {
    Limits {
        start_line: heads.line,
        field: heads.line,
        fields: 1000,
        head: heads.total,
        chunk_extension: 256,
        chunk_extensions: 16 * 1024,
        trailers: 8 * 1024,
        body: u64::MAX,
        allows_bare_lf: heads.allows_bare_lf,
    }
}

/// The `listen` that a connection came to, and the local address.
fn find_listen(worker: &WorkerContext, listens: &[usize], stream: &Stream) -> Option<(usize, Address)> {
    let all = &worker.config.listens;
    let first = *listens.first()?;
    let (Address::Internet(own), Stream::Tcp(stream)) = (&all[first].address, stream) else {
        return Some((first, all[first].address.clone()));
    };
    if !own.ip().is_unspecified() {
        return Some((first, all[first].address.clone()));
    }
    // a system call that only a wildcard needs
    let local = Address::Internet(stream.local_addr().ok()?);
    let named = listens.iter().copied().find(|&index| all[index].address == local);
    Some((named.unwrap_or(first), local))
}
