//! Smooth weighted round robin, and least connections.

use std::time::Instant;

use super::{Peer, PeerSearch};

/// nginx's smooth weighted round robin.
pub(super) fn round_robin(peers: &mut [Peer], search: &PeerSearch, now: Instant) -> Option<usize> {
    select_smoothly(peers, |index, peer| search.is_eligible(index, peer, now))
}

/// `least_conn`: the fewest requests in flight by weight. Equals take turns.
pub(super) fn least_connections(peers: &mut [Peer], search: &PeerSearch, now: Instant) -> Option<usize> {
    let mut best: Option<(i64, i64)> = None;
    let load = |peer: &Peer| (i64::try_from(peer.connections).unwrap_or(i64::MAX), peer.weight);
    let is_less = |(connections, weight): (i64, i64), (others, other_weight): (i64, i64)| {
        connections.saturating_mul(other_weight) < others.saturating_mul(weight)
    };
    for (_, peer) in peers.iter().enumerate().filter(|(index, peer)| search.is_eligible(*index, peer, now)) {
        if best.is_none_or(|best| is_less(load(peer), best)) {
            best = Some(load(peer));
        }
    }
    let best = best?;
    select_smoothly(peers, |index, peer| search.is_eligible(index, peer, now) && !is_less(best, load(peer)))
}

/// Selects among the eligible peers in proportion to their weights, spread as evenly as possible.
pub(super) fn select_smoothly(peers: &mut [Peer], is_eligible: impl Fn(usize, &Peer) -> bool) -> Option<usize> {
    let mut best: Option<(usize, i64)> = None;
    let mut total = 0;
    for (index, peer) in peers.iter_mut().enumerate() {
        if !is_eligible(index, peer) {
            continue;
        }
        peer.current += peer.effective;
        total += peer.effective;
        if peer.effective < peer.weight {
            peer.effective += 1;
        }
        if best.is_none_or(|(_, most)| peer.current > most) {
            best = Some((index, peer.current));
        }
    }
    let (index, _) = best?;
    peers[index].current -= total;
    Some(index)
}
