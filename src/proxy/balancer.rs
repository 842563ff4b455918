//! Which server of an upstream is asked next: nginx's smooth weighted round robin, and its passive health.
//!
//! Pure: the present is passed in.

use std::time::{Duration, Instant};

use super::settings::upstream::UpstreamServer;

/// The servers of one upstream, as one worker has come to know them.
#[derive(Debug)]
pub struct Balancer {
    peers: Vec<Peer>,
}

#[derive(Debug)]
struct Peer {
    weight: i64,
    /// The weight as failures have lowered it; it comes back by one for each choice.
    effective: i64,
    current: i64,
    max_fails: u32,
    fail_timeout: Duration,
    fails: u32,
    /// When it failed last, or was tried again after it had failed.
    checked: Option<Instant>,
}

impl Peer {
    fn is_available(&self, now: Instant) -> bool {
        let is_out = self.max_fails > 0 && self.fails >= self.max_fails;
        !is_out || self.checked.is_none_or(|checked| now.duration_since(checked) > self.fail_timeout)
    }
}

impl Balancer {
    /// All servers in good health.
    #[must_use]
    pub fn new(servers: &[UpstreamServer]) -> Balancer {
        let peer = |server: &UpstreamServer| Peer {
            weight: server.weight,
            effective: server.weight,
            current: 0,
            max_fails: server.max_fails,
            fail_timeout: server.fail_timeout,
            fails: 0,
            checked: None,
        };
        Balancer { peers: servers.iter().map(peer).collect() }
    }

    /// Chooses a server that was not tried for this request yet; none if all were, or the others are out of order. A
    /// single server is never out of order.
    pub fn choose(&mut self, tried: &[usize], now: Instant) -> Option<usize> {
        if self.peers.len() == 1 {
            return tried.is_empty().then_some(0);
        }
        let mut best: Option<usize> = None;
        let mut total = 0;
        for index in 0..self.peers.len() {
            let peer = &mut self.peers[index];
            if tried.contains(&index) || !peer.is_available(now) {
                continue;
            }
            peer.current += peer.effective;
            total += peer.effective;
            if peer.effective < peer.weight {
                peer.effective += 1;
            }
            if best.is_none_or(|best| self.peers[index].current > self.peers[best].current) {
                best = Some(index);
            }
        }
        let chosen = &mut self.peers[best?];
        chosen.current -= total;
        if chosen.fails > 0 {
            chosen.checked = Some(now);
        }
        best
    }

    /// Takes note that a server could not be reached, or failed before it answered.
    pub fn failed(&mut self, index: usize, now: Instant) {
        let peer = &mut self.peers[index];
        if peer.checked.is_some_and(|checked| now.duration_since(checked) > peer.fail_timeout) {
            peer.fails = 0;
        }
        peer.fails += 1;
        peer.checked = Some(now);
        if peer.max_fails > 0 {
            peer.effective = (peer.effective - peer.weight / i64::from(peer.max_fails)).max(0);
        }
    }

    /// Takes note that a server answered.
    pub fn succeeded(&mut self, index: usize) {
        self.peers[index].fails = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn balancer(weights: &[i64]) -> Balancer {
        let server = |&weight: &i64| UpstreamServer {
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            weight,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
        };
        Balancer::new(&weights.iter().map(server).collect::<Vec<_>>())
    }

    #[test]
    fn weights_interleave_smoothly() {
        let mut balancer = balancer(&[5, 1, 1]);
        let now = Instant::now();
        let chosen: Vec<usize> = (0..7).filter_map(|_| balancer.choose(&[], now)).collect();
        assert_eq!(chosen, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn a_failed_server_rests_for_its_timeout() {
        let mut balancer = balancer(&[1, 1]);
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(balancer.choose(&[], start), Some(0));
        balancer.failed(0, start);
        assert_eq!(balancer.choose(&[0], start), Some(1));
        assert_eq!(balancer.choose(&[], later(5)), Some(1));
        assert_eq!(balancer.choose(&[1], later(5)), None);
        let after: Vec<_> = (0..4).filter_map(|_| balancer.choose(&[], later(11))).collect();
        assert!(after.contains(&0), "{after:?}");
        balancer.succeeded(0);
        let healthy: Vec<_> = (0..2).filter_map(|_| balancer.choose(&[], later(12))).collect();
        assert!(healthy.contains(&0) && healthy.contains(&1), "{healthy:?}");
    }

    #[test]
    fn a_single_server_is_asked_whatever_happened() {
        let mut balancer = balancer(&[1]);
        let now = Instant::now();
        balancer.failed(0, now);
        assert_eq!(balancer.choose(&[], now), Some(0));
        assert_eq!(balancer.choose(&[0], now), None);
    }
}
