//! Which server of an upstream is asked next: nginx's methods of balancing, and its passive health.
//!
//! Pure: the present is passed in.

mod hash;
mod turns;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::upstream::{BalancingMethod, Upstream, UpstreamServer};
use hash::Ring;

/// The servers of one upstream, as one worker has come to know them.
#[derive(Debug)]
pub struct Balancer {
    peers: Vec<Peer>,
    method: Balancing,
    /// Whether there is nobody else to ask, in which case health does not matter.
    is_single: bool,
}

#[derive(Debug)]
enum Balancing {
    RoundRobin,
    LeastConnections,
    IpHash,
    Hash,
    Ring(Ring),
}

/// One server, by its place in [`Upstream::servers`].
#[derive(Debug)]
struct Peer {
    weight: i64,
    /// The weight as failures have lowered it; it comes back by one for each choice.
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
    /// When it failed last.
    accessed: Option<Instant>,
    /// When it failed last, or was tried again after it had failed.
    checked: Option<Instant>,
}

/// The search for the servers of one request.
#[derive(Debug, Default)]
pub struct PeerSearch {
    /// The servers that were asked already.
    tried: Vec<usize>,
    /// Whether the only server was, which is most requests' whole list and needs none.
    has_tried_only: bool,
    /// Whether only backups are left.
    is_on_backups: bool,
    /// What methods that hash have come to, and how often they had to go on.
    hash: usize,
    hashed: u32,
}

/// What a request is sent by where the method wants to know.
#[derive(Debug, Clone, Copy)]
pub enum BalancingKey<'k> {
    /// The client's address; none on a unix socket.
    Client(Option<IpAddr>),
    /// The value of `hash`'s key.
    Text(&'k [u8]),
}

/// What came of asking a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerResult {
    /// It answered.
    Served,
    /// It answered, but somebody else is to be asked: nginx does not count `http_403` and `http_404` as failures.
    PassedOver,
    /// It could not be reached, or its answer counts as a failure (`proxy_next_upstream`).
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
        !self.is_down && self.has_room() && !(self.is_out() && self.checked.is_some_and(|at| !self.has_rested(at, now)))
    }

    fn has_room(&self) -> bool {
        self.max_conns == 0 || self.connections < self.max_conns
    }

    fn is_out(&self) -> bool {
        self.max_fails > 0 && self.fails >= self.max_fails
    }

    fn has_rested(&self, since: Instant, now: Instant) -> bool {
        now.duration_since(since) > self.fail_timeout
    }

    /// It was chosen: if it is out of order, this is its trial, and nobody else is sent there for a while.
    fn chosen(&mut self, now: Instant) {
        self.connections += 1;
        if self.checked.is_some_and(|checked| self.has_rested(checked, now)) {
            self.checked = Some(now);
        }
    }
}

impl Balancer {
    /// All servers in good health.
    #[must_use]
    pub fn new(upstream: &Upstream) -> Balancer {
        let method = match &upstream.method {
            BalancingMethod::RoundRobin => Balancing::RoundRobin,
            BalancingMethod::LeastConnections => Balancing::LeastConnections,
            BalancingMethod::IpHash => Balancing::IpHash,
            BalancingMethod::Hash { is_consistent: false, .. } => Balancing::Hash,
            BalancingMethod::Hash { is_consistent: true, .. } => Balancing::Ring(Ring::new(&upstream.servers)),
        };
        let peers: Vec<Peer> = upstream.servers.iter().map(Peer::new).collect();
        Balancer { is_single: peers.len() == 1, peers, method }
    }

    /// How many servers may be asked for one request: those that are not `down`.
    #[must_use]
    pub fn tries(&self) -> usize {
        self.peers.iter().filter(|peer| !peer.is_down).count()
    }

    /// Chooses a server that was not asked for this request yet; none if all were, or the others are out of order. It
    /// has to be [`released`](Balancer::release) in the end.
    pub fn select(&mut self, search: &mut PeerSearch, key: BalancingKey<'_>, now: Instant) -> Option<usize> {
        if self.is_single {
            let peer = &mut self.peers[0];
            if search.has_tried_only || peer.is_down || !peer.has_room() {
                return None;
            }
            peer.connections += 1;
            search.has_tried_only = true;
            return Some(0);
        }
        let chosen = match (&self.method, key) {
            (Balancing::IpHash, BalancingKey::Client(client)) => hash::by_client(&self.peers, search, client, now),
            (Balancing::Hash, BalancingKey::Text(key)) => hash::by_key(&self.peers, search, key, now),
            (Balancing::Ring(ring), BalancingKey::Text(key)) => ring.find(&mut self.peers, search, key, now),
            _ => None,
        };
        let chosen = chosen.or_else(|| self.in_turn(search, now)).or_else(|| {
            // only now is it the backups' turn, and they are asked afresh
            let has_backups = !search.is_on_backups && self.peers.iter().any(|peer| peer.is_backup);
            search.is_on_backups = true;
            if has_backups { self.in_turn(search, now) } else { None }
        })?;
        self.peers[chosen].chosen(now);
        search.tried.push(chosen);
        Some(chosen)
    }

    fn in_turn(&mut self, search: &PeerSearch, now: Instant) -> Option<usize> {
        match self.method {
            Balancing::LeastConnections => turns::least_connections(&mut self.peers, search, now),
            _ => turns::round_robin(&mut self.peers, search, now),
        }
    }

    /// Takes note of what came of asking a server. True if this put it out of order.
    pub fn release(&mut self, index: usize, verdict: PeerResult, now: Instant) -> bool {
        let is_single = self.is_single;
        let peer = &mut self.peers[index];
        peer.connections = peer.connections.saturating_sub(1);
        if is_single {
            return false;
        }
        if verdict != PeerResult::Failed {
            // it passed the trial it was given after it had failed
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
        peer.is_out()
    }
}

impl PeerSearch {
    fn may_try(&self, index: usize, peer: &Peer, now: Instant) -> bool {
        peer.is_backup == self.is_on_backups && !self.tried.contains(&index) && peer.is_available(now)
    }
}

#[cfg(test)]
mod tests;
