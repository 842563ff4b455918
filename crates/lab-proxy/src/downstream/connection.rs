//! A client's connection, from its first byte to its close: one request after the other.

use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use lab_http::{Incoming, Limits, Outgoing};

use crate::clock;
use crate::config::address::Address;
use crate::config::logs::Severity;
use crate::config::server::request_head::RequestHeadConfig;
use crate::context::{ConnectionDisposition, CountingWriter, WorkerContext};
use crate::downstream::request::serve_request;
use crate::eval::ClientConnection;
use crate::upstream::Upstreams;
use lab_net::deadline::{TimedOut, Timer, now_or_pending};
use lab_net::proxy_protocol::{self, Addresses, Origin, Parsed};
use lab_net::{ReadHalf, Stream, WriteHalf};

/// How much is read and discarded before a connection is closed on a client that is still sending, in bytes: the client
/// gets to read its response (RFC 9112 §9.6).
const LINGERING: u64 = 1024 * 1024;
/// nginx's `lingering_timeout`.
const LINGERING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection of a quitting worker still accepts a request.
const LAST_CALL: Duration = Duration::from_secs(1);

/// The two sides of a client's connection.
#[derive(Debug)]
pub(crate) struct ClientIo<'s> {
    pub(crate) incoming: Incoming<ReadHalf<'s>>,
    pub(crate) outgoing: Outgoing<CountingWriter<WriteHalf<'s>>>,
    pub(crate) read_timer: Timer,
    pub(crate) write_timer: Timer,
}

/// Where a connection was accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted<'a> {
    /// Its slot among the worker's connections.
    pub(crate) slot: usize,
    /// The client's address; none on a unix socket.
    pub(crate) peer: Option<SocketAddr>,
    /// The `listen`s of the socket, as indexes into the settings.
    pub(crate) listens: &'a [usize],
}

/// Serves a connection to its end.
pub(crate) async fn serve(worker: &WorkerContext, upstreams: &Upstreams, accepted: Accepted<'_>, mut stream: Stream) {
    // a client that is already gone has no address
    let Some((listen, local)) = find_listen(worker, accepted.listens, &stream) else { return };
    let default_server = &worker.settings.servers[worker.settings.listens[listen].default_server];

    let opened = clock::now();
    let mut connection = ClientConnection::new(worker.next_serial(), accepted.peer, local);
    let (read, write) = stream.split();
    let mut client = ClientIo {
        incoming: Incoming::new(read, limits(&default_server.request_head)),
        outgoing: Outgoing::new(CountingWriter::new(write)),
        read_timer: Timer::new(),
        write_timer: Timer::new(),
    };
    if worker.settings.listens[listen].proxy_protocol {
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
    let disposition = loop {
        connection.is_pipelined = !client.incoming.buffered().is_empty();
        if !client.wait(worker, accepted.slot, idle).await {
            break ConnectionDisposition::Abort;
        }
        connection.requests += 1;
        connection.age = clock::now() - opened;
        // boxed, so that the task of an idle connection stays small
        let serving = Box::pin(serve_request(&mut client, worker, upstreams, &connection, listen));
        let (disposition, next_idle) = serving.await;
        idle = next_idle;
        if disposition != ConnectionDisposition::KeepAlive {
            break disposition;
        }
    };
    let has_unread = !client.incoming.buffered().is_empty();
    if disposition == ConnectionDisposition::Linger || (disposition == ConnectionDisposition::Close && has_unread) {
        client.linger().await;
    }
    drop(client);
    if disposition == ConnectionDisposition::Reset {
        stream.reset_on_drop();
    }
}

impl ClientIo<'_> {
    /// Reads the PROXY protocol's header. The error is what arrived, if it is not one.
    async fn read_proxy_header(&mut self, limit: Duration) -> Result<Option<Addresses>, Vec<u8>> {
        let incoming = &mut self.incoming;
        let reading = async {
            loop {
                match proxy_protocol::parse(incoming.buffered()) {
                    Ok(Parsed::Incomplete) => {}
                    Err(_) => return Err(incoming.take_buffered()),
                    Ok(Parsed::Header { length, origin }) => {
                        let behind = incoming.take_buffered().split_off(length);
                        incoming.give_back(&behind);
                        return Ok(match origin {
                            Origin::Forwarded(addresses) => Some(addresses),
                            // as nginx: the addresses of the connection itself hold
                            Origin::Unknown | Origin::Unsupported(_) => None,
                        });
                    }
                }
                if !matches!(poll_fn(|cx| incoming.poll_fill(cx)).await, Ok(1..)) {
                    return Err(incoming.take_buffered());
                }
            }
        };
        self.read_timer.within(limit, reading).await.unwrap_or(Err(Vec::new()))
    }

    /// Waits for the first byte of a request; false if none will come.
    async fn wait(&mut self, worker: &WorkerContext, slot: usize, limit: Duration) -> bool {
        // the common case on a busy connection
        if let Poll::Ready(arrived) = now_or_pending(self.incoming.wait()).await {
            return arrived.unwrap_or(false);
        }
        if !worker.is_quitting() {
            match self.wait_unless_quitting(worker, slot, limit).await {
                Err(TimedOut) => return false,
                Ok(Some(arrived)) => return arrived,
                Ok(None) => {}
            }
        }
        // the client does not know yet, and its next request may be on its way
        matches!(self.read_timer.within(limit.min(LAST_CALL), self.incoming.wait()).await, Ok(Ok(true)))
    }

    /// Waits for the first byte; `None` once the worker quits.
    async fn wait_unless_quitting(
        &mut self,
        worker: &WorkerContext,
        slot: usize,
        limit: Duration,
    ) -> Result<Option<bool>, TimedOut> {
        let mut waiting = pin!(self.incoming.wait());
        let either = poll_fn(|cx| match waiting.as_mut().poll(cx) {
            Poll::Ready(arrived) => Poll::Ready(Some(arrived.unwrap_or(false))),
            Poll::Pending if worker.is_quitting() => Poll::Ready(None),
            Poll::Pending => {
                worker.connections.register(slot, cx.waker());
                Poll::Pending
            }
        });
        self.read_timer.within(limit, either).await
    }

    /// Shuts the connection down for writing, and discards what the client still sends.
    async fn linger(&mut self) {
        let lingering = async {
            self.outgoing.shutdown().await?;
            self.incoming.discard(LINGERING).await
        };
        _ = self.read_timer.within(LINGERING_TIMEOUT, lingering).await;
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
    }
}

/// The `listen` that a connection came to, and the local address.
fn find_listen(worker: &WorkerContext, listens: &[usize], stream: &Stream) -> Option<(usize, Address)> {
    let all = &worker.settings.listens;
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
