//! Connections to upstream servers: made, kept for the next request, taken back last in first out.
//!
//! A worker has its own, and a connection never leaves the thread that made it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab_http::{Incoming, Limits, Outgoing};
use lab_net::{OwnedReadHalf, OwnedWriteHalf, Stream};

use crate::config::upstream::{Address, Method, Upstream};
use crate::downstream::sent::Sent;
use crate::eval::Scope;
use crate::runtime::clock;
use crate::upstream::balancer::{Balancer, Key, Search, Verdict};

/// One connection to a server of an upstream.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) incoming: Incoming<OwnedReadHalf>,
    pub(crate) outgoing: Outgoing<Sent<OwnedWriteHalf>>,
    /// Which of the upstream's servers it leads to.
    pub(crate) server: usize,
    /// How many requests it has carried, the present one included.
    pub(crate) requests: usize,
    made: Instant,
    idle_since: Instant,
}

/// An upstream as one worker uses it.
#[derive(Debug)]
pub(crate) struct Group {
    settings: Upstream,
    balancer: RefCell<Balancer>,
    /// Idle connections, the latest used last.
    idle: RefCell<VecDeque<Connection>>,
}

impl Group {
    pub(crate) fn new(settings: &Upstream) -> Group {
        Group { settings: settings.clone(), balancer: RefCell::new(Balancer::new(settings)), idle: RefCell::default() }
    }

    /// The name of the upstream.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// How many servers may be asked for one request.
    pub(crate) fn tries(&self) -> usize {
        self.balancer.borrow().tries()
    }

    /// The server to ask next; none if all were asked or are out of order. `client` is its address, unless it came over
    /// a unix socket. What is chosen has to be [`released`](Group::release).
    pub(crate) fn choose(&self, search: &mut Search, client: Option<IpAddr>, scope: &Scope<'_>) -> Option<usize> {
        let mut text = Vec::new();
        let key = match &self.settings.method {
            Method::Hash { key, .. } => {
                key.write(scope, &mut text);
                Key::Text(&text)
            }
            Method::RoundRobin | Method::LeastConnections | Method::IpHash => Key::Client(client),
        };
        self.balancer.borrow_mut().choose(search, key, clock::now())
    }

    /// The address of a server, as text.
    pub(crate) fn label(&self, server: usize) -> &Arc<str> {
        &self.settings.servers[server].label
    }

    /// Takes note of what came of asking a server. True if this put it out of order.
    pub(crate) fn release(&self, server: usize, verdict: Verdict) -> bool {
        self.balancer.borrow_mut().release(server, verdict, clock::now())
    }

    /// The idle connection to a server that was used last, if one is still open.
    ///
    /// `surely` asks the kernel, for requests that cannot be sent twice; otherwise what the last look at all sockets
    /// found has to do, which costs nothing.
    pub(crate) fn take_idle(&self, server: usize, surely: bool) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let address = &self.settings.servers[server].address;
        let leads_there = |connection: &Connection| self.settings.servers[connection.server].address == *address;
        while let Some(position) = idle.iter().rposition(leads_there) {
            let connection = idle.remove(position)?;
            if clock::since(connection.idle_since) < self.settings.keepalive_timeout && connection.is_quiet(surely) {
                return Some(Connection { server, ..connection });
            }
        }
        None
    }

    /// Keeps a connection for the next request, if it may be; the one idle for longest makes room.
    pub(crate) fn keep(&self, mut connection: Connection) {
        let is_old = connection.requests >= self.settings.keepalive_requests
            || clock::since(connection.made) >= self.settings.keepalive_time;
        if self.settings.keepalive == 0 || is_old {
            return;
        }
        connection.idle_since = clock::now();
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= self.settings.keepalive {
            idle.pop_front();
        }
        idle.push_back(connection);
    }

    /// Closes idle connections that are too old, or that the server closed.
    pub(crate) fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|connection| {
            clock::since(connection.idle_since) < self.settings.keepalive_timeout && connection.is_quiet(false)
        });
    }

    /// Makes a new connection to a server.
    pub(crate) async fn connect(&self, server: usize, limit: Duration) -> io::Result<Connection> {
        let connecting = async {
            match &self.settings.servers[server].address {
                Address::Internet(address) => Stream::connect_tcp(*address).await,
                Address::Unix(path) => Stream::connect_unix(path).await,
            }
        };
        let stream: io::Result<Stream> =
            tokio::time::timeout(limit, connecting).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let (read, write) = stream?.into_split();
        let now = clock::now();
        Ok(Connection {
            incoming: Incoming::of_much(read, Limits::response()),
            outgoing: Outgoing::new(Sent::new(write)),
            server,
            requests: 0,
            made: now,
            idle_since: now,
        })
    }
}

impl Connection {
    /// Whether nothing has arrived on an idle connection: neither its end nor bytes nobody asked for.
    fn is_quiet(&self, surely: bool) -> bool {
        self.incoming.buffered().is_empty() && self.incoming.io().is_quiet(surely)
    }
}
