//! The pool of one upstream: its balancer and its idle connections, which are reused last in, first out.
//!
//! Each worker has its own pools, and a connection never leaves the thread that opened it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab_http::{Incoming, Limits, Outgoing};
use tokio::net::{TcpStream, UnixStream};

use crate::clock;
use crate::config::address::Address;
use crate::config::upstream::{BalancingMethod, Upstream};
use crate::context::CountingWriter;
use crate::eval::Scope;
use crate::response::StreamReader;
use crate::upstream::balancer::{Balancer, BalancingKey, PeerResult, PeerSearch};
use crate::upstream::local_endpoint::LocalEndpoint;
use crate::upstream::tls::TlsTarget;
use lab_net::deadline::Timer;
use lab_net::{OwnedWriteHalf, Stream};

/// A connection to one peer of an upstream.
#[derive(Debug)]
pub(crate) struct UpstreamConnection {
    pub(crate) reader: StreamReader,
    pub(crate) outgoing: Outgoing<CountingWriter<OwnedWriteHalf>>,
    pub(crate) usage: ConnectionUsage,
    /// None for a connection without TLS.
    pub(crate) tls: Option<Box<TlsTarget>>,
}

/// How a connection is opened. An idle one that was opened in another way is not reused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionParameters<'a> {
    pub(crate) tls: Option<&'a TlsTarget>,
    /// `proxy_bind`
    pub(crate) local: Option<LocalEndpoint>,
}

/// Why a connection to a peer could not be opened.
#[derive(Debug)]
pub(crate) enum ConnectError {
    Connect(io::Error),
    /// The connection was open, and TLS failed.
    Handshake(io::Error),
    /// `proxy_connect_timeout` has passed, in the handshake if `in_handshake` is set.
    TimedOut {
        in_handshake: bool,
    },
}

/// Where a connection leads, and how much it was used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionUsage {
    /// The peer, as an index into [`Upstream::servers`].
    pub(crate) peer: usize,
    /// Where it begins, if `proxy_bind` says so.
    local: Option<LocalEndpoint>,
    /// The number of requests sent over it, including the current one.
    pub(crate) requests: usize,
    opened: Instant,
    idle_since: Instant,
}

/// An upstream as one worker uses it.
#[derive(Debug)]
pub(crate) struct UpstreamPool {
    upstream: Upstream,
    balancer: RefCell<Balancer>,
    /// Idle connections, the most recently used last.
    idle: RefCell<VecDeque<UpstreamConnection>>,
}

impl UpstreamPool {
    pub(crate) fn new(upstream: &Upstream) -> UpstreamPool {
        UpstreamPool {
            upstream: upstream.clone(),
            balancer: RefCell::new(Balancer::new(upstream)),
            idle: RefCell::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.upstream.name
    }

    /// How many peers may be tried for one request.
    pub(crate) fn tries(&self) -> usize {
        self.balancer.borrow().tries()
    }

    /// The next peer to try; none if all were tried or are unavailable. `client` is the client's address, unless it
    /// came over a unix socket. A selected peer must be [released](UpstreamPool::release).
    pub(crate) fn select(&self, search: &mut PeerSearch, client: Option<IpAddr>, scope: &Scope<'_>) -> Option<usize> {
        let mut text = Vec::new();
        let key = match &self.upstream.method {
            BalancingMethod::Hash { key, .. } => {
                key.write(scope, &mut text);
                BalancingKey::Text(&text)
            }
            BalancingMethod::RoundRobin
            | BalancingMethod::LeastConnections
            | BalancingMethod::IpHash
            | BalancingMethod::Random { .. } => BalancingKey::Client(client),
        };
        self.balancer.borrow_mut().select(search, key, clock::now())
    }

    /// The address of a peer as text.
    pub(crate) fn label(&self, peer: usize) -> &Arc<str> {
        &self.upstream.servers[peer].label
    }

    /// Records how a peer fared with a request. Returns whether this made the peer unavailable.
    pub(crate) fn release(&self, peer: usize, result: PeerResult) -> bool {
        self.balancer.borrow_mut().release(peer, result, clock::now())
    }

    /// The most recently used idle connection from `local` to a peer that is still open.
    ///
    /// With `asks_kernel` a system call checks that it is open, for requests that cannot be sent twice. Otherwise the
    /// last poll's result decides.
    pub(crate) fn take_idle(
        &self,
        peer: usize,
        parameters: ConnectionParameters<'_>,
        asks_kernel: bool,
    ) -> Option<UpstreamConnection> {
        let mut idle = self.idle.borrow_mut();
        let address = &self.upstream.servers[peer].address;
        let leads_there = |connection: &UpstreamConnection| {
            self.upstream.servers[connection.usage.peer].address == *address && connection.matches(parameters)
        };
        while let Some(position) = idle.iter().rposition(leads_there) {
            let mut connection = idle.remove(position)?;
            if self.is_usable(&connection, asks_kernel) {
                connection.usage.peer = peer;
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next request, within the limits of `keepalive`. If there are too many, the one that
    /// has been idle longest is closed.
    pub(crate) fn put_idle(&self, mut connection: UpstreamConnection) {
        let is_worn_out = connection.usage.requests >= self.upstream.keepalive_requests
            || clock::since(connection.usage.opened) >= self.upstream.keepalive_time;
        if self.upstream.keepalive == 0 || is_worn_out {
            return;
        }
        connection.usage.idle_since = clock::now();
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= self.upstream.keepalive {
            idle.pop_front();
        }
        idle.push_back(connection);
    }

    /// Closes idle connections that have expired or that the peer has closed.
    pub(crate) fn sweep(&self) {
        self.idle.borrow_mut().retain(|connection| self.is_usable(connection, false));
    }

    fn is_usable(&self, connection: &UpstreamConnection, asks_kernel: bool) -> bool {
        clock::since(connection.usage.idle_since) < self.upstream.keepalive_timeout && connection.is_quiet(asks_kernel)
    }

    /// Opens a connection to a peer.
    pub(crate) async fn connect(
        &self,
        peer: usize,
        parameters: ConnectionParameters<'_>,
        limit: Duration,
    ) -> Result<UpstreamConnection, ConnectError> {
        let ConnectionParameters { tls, local } = parameters;
        let connecting = async {
            match &self.upstream.servers[peer].address {
                Address::Internet(address) => {
                    let stream = match local {
                        Some(local) => local.connect(*address).await?,
                        None => TcpStream::connect(address).await?,
                    };
                    // heads and small bodies are sent in one write, which Nagle's algorithm would only delay
                    stream.set_nodelay(true)?;
                    Ok(Stream::Tcp(stream))
                }
                Address::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
            }
        };
        let connected: io::Result<Stream> = tokio::time::timeout(limit, connecting)
            .await
            .map_err(|_| ConnectError::TimedOut { in_handshake: false })?;
        let mut stream = connected.map_err(ConnectError::Connect)?;
        if let Some(tls) = tls {
            // boxed, so that requests without TLS stay small
            let handshake = Box::pin(tls.handshake(stream));
            stream = tokio::time::timeout(limit, handshake)
                .await
                .map_err(|_| ConnectError::TimedOut { in_handshake: true })?
                .map_err(ConnectError::Handshake)?;
        }
        let (read, write) = stream.into_split();
        let now = clock::now();
        Ok(UpstreamConnection {
            reader: StreamReader {
                incoming: Box::new(Incoming::with_large_buffer(read, Limits::response())),
                timer: Timer::new(),
            },
            outgoing: Outgoing::new(CountingWriter::new(write)),
            usage: ConnectionUsage { peer, local, requests: 0, opened: now, idle_since: now },
            tls: tls.cloned().map(Box::new),
        })
    }
}

impl UpstreamConnection {
    fn matches(&self, parameters: ConnectionParameters<'_>) -> bool {
        self.usage.local == parameters.local && self.tls.as_deref() == parameters.tls
    }

    /// Whether nothing has arrived while the connection was idle: neither its end nor unexpected bytes.
    fn is_quiet(&self, asks_kernel: bool) -> bool {
        self.reader.incoming.buffered().is_empty() && self.reader.incoming.io().is_quiet(asks_kernel)
    }
}
