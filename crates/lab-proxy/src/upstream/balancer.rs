//! Load balancing: selects the next server of an upstream, with nginx's methods and passive health checks.
//!
//! It does not read the clock; callers pass the time.

mod hash;
mod random;
mod round_robin;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::upstream::{BalancingMethod, Upstream, UpstreamServer};
use hash::Ring;
use random::RandomSelection;

/// The servers of one upstream, with the health that one worker has observed.
#[derive(Debug)]
pub struct Balancer {
    peers: Vec<Peer>,
    selection: Selection,
    /// A single server is used regardless of its health.
    is_single: bool,
}

#[derive(Debug)]
enum Selection {
    RoundRobin,
    LeastConnections,
    IpHash,
    Hash,
    Ring(Ring),
    Random(RandomSelection),
}

/// One server, at its index in [`Upstream::servers`].
#[derive(Debug)]
struct Peer {
    weight: i64,
    /// The weight, which failures lower and each selection raises by one again.
    effective: i64,
    current: i64,
    max_conns: usize,
    max_fails: u32,
    fail_timeout: Duration,
    is_backup: bool,
    is_down: bool,
    /// Requests in flight.
    connections: usize,
    fails: u32,
    /// The last failure.
    accessed: Option<Instant>,
    /// The last failure, or the last trial after one.
    checked: Option<Instant>,
}

/// The requests in flight of a peer, which its weight divides.
#[derive(Debug, Clone, Copy)]
struct Load {
    connections: i64,
    weight: i64,
}

impl Load {
    fn is_less(self, other: Load) -> bool {
        self.connections.saturating_mul(other.weight) < other.connections.saturating_mul(self.weight)
    }
}

/// The progress of selecting servers for one request.
#[derive(Debug, Default)]
pub struct PeerSearch {
    tried: Vec<usize>,
    /// Whether the only server was tried. It needs no list, and most upstreams have one server.
    has_tried_single: bool,
    /// Whether backups are selected, because no other server is left.
    uses_backups: bool,
    /// The state of the methods that hash.
    hash: usize,
    rehashes: u32,
}

/// The property of a request that a method may balance by.
#[derive(Debug, Clone, Copy)]
pub enum BalancingKey<'k> {
    /// The client's address; none on a unix socket.
    Client(Option<IpAddr>),
    /// The value of `hash`'s key.
    Text(&'k [u8]),
}

/// How a server fared with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerResult {
    /// It responded.
    Served,
    /// It responded, but the next server is tried: nginx does not count `http_403` and `http_404` as failures.
    PassedOver,
    /// It could not be reached, or its response counts as a failure (`proxy_next_upstream`).
    Failed,
}

impl Peer {
    fn new(server: &UpstreamServer) -> Peer {
        Peer {
            weight: server.weight,
            effective: server.weight,
            current: 0,
            max_conns: server.max_conns,
            max_fails: server.max_fails,
            fail_timeout: server.fail_timeout,
            is_backup: server.is_backup,
            is_down: server.is_down,
            connections: 0,
            fails: 0,
            accessed: None,
            checked: None,
        }
    }

    fn is_available(&self, now: Instant) -> bool {
        !self.is_down
            && self.has_capacity()
            && !(self.has_failed() && self.checked.is_some_and(|at| !self.is_expired(at, now)))
    }

    fn has_capacity(&self) -> bool {
        self.max_conns == 0 || self.connections < self.max_conns
    }

    fn has_failed(&self) -> bool {
        self.max_fails > 0 && self.fails >= self.max_fails
    }

    fn is_expired(&self, since: Instant, now: Instant) -> bool {
        now.duration_since(since) > self.fail_timeout
    }

    fn load(&self) -> Load {
        Load { connections: i64::try_from(self.connections).unwrap_or(i64::MAX), weight: self.weight }
    }

    /// Records a selection. For a failed peer it is a trial; other requests avoid the peer for `fail_timeout`.
    fn record_selection(&mut self, now: Instant) {
        self.connections += 1;
        if self.checked.is_some_and(|checked| self.is_expired(checked, now)) {
            self.checked = Some(now);
        }
    }
}

impl Balancer {
    /// A balancer with healthy servers.
    #[must_use]
    pub fn new(upstream: &Upstream) -> Balancer {
        let selection = match &upstream.method {
            BalancingMethod::RoundRobin => Selection::RoundRobin,
            BalancingMethod::LeastConnections => Selection::LeastConnections,
            BalancingMethod::IpHash => Selection::IpHash,
            BalancingMethod::Hash { is_consistent: false, .. } => Selection::Hash,
            BalancingMethod::Hash { is_consistent: true, .. } => Selection::Ring(Ring::new(&upstream.servers)),
            BalancingMethod::Random { compares_two } => Selection::Random(RandomSelection::new(*compares_two)),
        };
        let peers: Vec<Peer> = upstream.servers.iter().map(Peer::new).collect();
        Balancer { is_single: peers.len() == 1, peers, selection }
    }

    /// How many servers one request may try: those that are not `down`.
    #[must_use]
    pub fn tries(&self) -> usize {
        self.peers.iter().filter(|peer| !peer.is_down).count()
    }

    /// Selects a server that the request has not tried yet; none if all were tried or are unavailable. A selected
    /// server must be [`released`](Balancer::release).
    pub fn select(&mut self, search: &mut PeerSearch, key: BalancingKey<'_>, now: Instant) -> Option<usize> {
        if self.is_single {
            let peer = &mut self.peers[0];
            if search.has_tried_single || peer.is_down || !peer.has_capacity() {
                return None;
            }
            peer.connections += 1;
            search.has_tried_single = true;
            return Some(0);
        }
        let chosen = match (&mut self.selection, key) {
            (Selection::IpHash, BalancingKey::Client(client)) => {
                hash::select_by_client(&self.peers, search, client, now)
            }
            (Selection::Hash, BalancingKey::Text(key)) => hash::select_by_key(&self.peers, search, key, now),
            (Selection::Ring(ring), BalancingKey::Text(key)) => ring.select(&mut self.peers, search, key, now),
            (Selection::Random(random), _) => random.select(&self.peers, search, now),
            _ => None,
        };
        let chosen = chosen.or_else(|| self.take_turn(search, now)).or_else(|| {
            // no other server is left: use the backups
            let has_backups = !search.uses_backups && self.peers.iter().any(|peer| peer.is_backup);
            search.uses_backups = true;
            if has_backups { self.take_turn(search, now) } else { None }
        })?;
        self.peers[chosen].record_selection(now);
        search.tried.push(chosen);
        Some(chosen)
    }

    fn take_turn(&mut self, search: &PeerSearch, now: Instant) -> Option<usize> {
        match self.selection {
            Selection::LeastConnections => round_robin::least_connections(&mut self.peers, search, now),
            _ => round_robin::round_robin(&mut self.peers, search, now),
        }
    }

    /// Records how a server fared. True if this made it unavailable.
    pub fn release(&mut self, index: usize, result: PeerResult, now: Instant) -> bool {
        let is_single = self.is_single;
        let peer = &mut self.peers[index];
        peer.connections = peer.connections.saturating_sub(1);
        if is_single {
            return false;
        }
        if result != PeerResult::Failed {
            // it passed its trial after a failure
            if peer.accessed < peer.checked {
                peer.fails = 0;
            }
            return false;
        }
        peer.fails += 1;
        peer.accessed = Some(now);
        peer.checked = Some(now);
        if peer.max_fails > 0 {
            peer.effective = (peer.effective - peer.weight / i64::from(peer.max_fails)).max(0);
        }
        peer.has_failed()
    }
}

impl PeerSearch {
    fn is_eligible(&self, index: usize, peer: &Peer, now: Instant) -> bool {
        peer.is_backup == self.uses_backups && !self.tried.contains(&index) && peer.is_available(now)
    }
}

#[cfg(test)]
mod tests;
