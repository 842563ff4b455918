//! Smooth weighted round robin, and least connections.

use std::time::Instant;

use super::{Load, Peer, PeerSearch};

/// nginx's smooth weighted round robin.
pub(super) fn round_robin(peers: &mut [Peer], search: &PeerSearch, now: Instant) -> Option<usize> {
    select_smoothly(peers, |index, peer| search.is_eligible(index, peer, now))
}

/// `least_conn`: the fewest requests in flight by weight. Equals take turns.
pub(super) fn least_connections(peers: &mut [Peer], search: &PeerSearch, now: Instant) -> Option<usize> {
    let mut best: Option<Load> = None;
    for (_, peer) in peers.iter().enumerate().filter(|(index, peer)| search.is_eligible(*index, peer, now)) {
        if best.is_none_or(|best| peer.load().is_less(best)) {
            best = Some(peer.load());
        }
    }
    let best = best?;
    select_smoothly(peers, |index, peer| search.is_eligible(index, peer, now) && !best.is_less(peer.load()))
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
