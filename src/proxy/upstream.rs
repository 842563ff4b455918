//! Connections to upstream servers: made, kept for the next request, taken back last in first out.
//!
//! A worker has its own, and a connection never leaves the thread that made it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lab_http::{Incoming, Limits, Outgoing};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::balancer::Balancer;
use super::sent::Sent;
use super::settings::upstream::Upstream;

/// One connection to a server of an upstream.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) incoming: Incoming<OwnedReadHalf>,
    pub(super) outgoing: Outgoing<Sent<OwnedWriteHalf>>,
    /// Which of the upstream's servers it leads to.
    pub(super) server: usize,
    /// How many requests it has carried, the present one included.
    pub(super) requests: usize,
    idle_since: Instant,
}

/// An upstream as one worker uses it.
#[derive(Debug)]
pub(super) struct Group {
    settings: Upstream,
    balancer: RefCell<Balancer>,
    /// Idle connections, the latest used last.
    idle: RefCell<VecDeque<Connection>>,
}

impl Group {
    pub(super) fn new(settings: &Upstream) -> Group {
        Group {
            settings: settings.clone(),
            balancer: RefCell::new(Balancer::new(&settings.servers)),
            idle: RefCell::default(),
        }
    }

    /// The server to ask next; none if all were tried or are out of order.
    pub(super) fn choose(&self, tried: &[usize]) -> Option<usize> {
        self.balancer.borrow_mut().choose(tried, Instant::now())
    }

    /// How many servers there are.
    pub(super) fn servers(&self) -> usize {
        self.settings.servers.len()
    }

    /// The address of a server.
    pub(super) fn address(&self, server: usize) -> SocketAddr {
        self.settings.servers[server].address
    }

    /// Takes note that a server could not be reached, or failed before it answered.
    pub(super) fn failed(&self, server: usize) {
        self.balancer.borrow_mut().failed(server, Instant::now());
    }

    /// Takes note that a server answered.
    pub(super) fn succeeded(&self, server: usize) {
        self.balancer.borrow_mut().succeeded(server);
    }

    /// The idle connection to a server that was used last, if one is still open.
    ///
    /// `surely` asks the kernel, for requests that cannot be sent twice; otherwise what the last look at all sockets
    /// found has to do, which costs nothing.
    pub(super) fn take_idle(&self, server: usize, surely: bool) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(position) = idle.iter().rposition(|connection| connection.server == server) {
            let connection = idle.remove(position)?;
            if connection.idle_since.elapsed() < self.settings.keepalive_timeout && connection.is_quiet(surely) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next request, if it may be; the one idle for longest makes room.
    pub(super) fn keep(&self, mut connection: Connection) {
        if self.settings.keepalive == 0 || connection.requests >= self.settings.keepalive_requests {
            return;
        }
        connection.idle_since = Instant::now();
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= self.settings.keepalive {
            idle.pop_front();
        }
        idle.push_back(connection);
    }

    /// Closes idle connections that are too old, or that the server closed.
    pub(super) fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|connection| {
            connection.idle_since.elapsed() < self.settings.keepalive_timeout && connection.is_quiet(false)
        });
    }

    /// Makes a new connection to a server.
    pub(super) async fn connect(&self, server: usize, limit: Duration) -> io::Result<Connection> {
        let connecting = TcpStream::connect(self.address(server));
        let stream =
            tokio::time::timeout(limit, connecting).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        // heads and small bodies leave in one write; waiting for more of them only delays
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        Ok(Connection {
            incoming: Incoming::new(read, Limits::response()),
            outgoing: Outgoing::new(Sent::new(write)),
            server,
            requests: 0,
            idle_since: Instant::now(),
        })
    }
}

impl Connection {
    /// Whether nothing has arrived on an idle connection: neither its end nor bytes nobody asked for.
    fn is_quiet(&self, surely: bool) -> bool {
        let read = self.incoming.io();
        let would_block =
            |result: io::Result<usize>| result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        self.incoming.buffered().is_empty()
            && would_block(read.try_read(&mut [0]))
            && (!surely
                || would_block(socket2::SockRef::from(read.as_ref()).peek(&mut [std::mem::MaybeUninit::uninit()])))
    }
}
