//! `random`: chance selects the server, by weight.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

use super::{Peer, PeerSearch};

#[derive(Debug)]
pub(super) struct RandomSelection {
    /// The state of the generator SplitMix64.
    state: u64,
    /// `two`: the server with fewer requests in flight, by weight, of two that chance selects.
    compares_two: bool,
}

impl RandomSelection {
    pub(super) fn new(compares_two: bool) -> RandomSelection {
        // workers differ, as the seeds of hash maps do
        RandomSelection { state: RandomState::new().hash_one(compares_two), compares_two }
    }

    pub(super) fn select(&mut self, peers: &[Peer], search: &PeerSearch, now: Instant) -> Option<usize> {
        let first = self.draw(peers, |index, peer| search.is_eligible(index, peer, now))?;
        if !self.compares_two {
            return Some(first);
        }
        let second = self.draw(peers, |index, peer| index != first && search.is_eligible(index, peer, now));
        let has_less = |second: &usize| peers[*second].load().is_less(peers[first].load());
        Some(second.filter(has_less).unwrap_or(first))
    }

    fn draw(&mut self, peers: &[Peer], is_eligible: impl Fn(usize, &Peer) -> bool) -> Option<usize> {
        let eligible = || peers.iter().enumerate().filter(|(index, peer)| is_eligible(*index, peer));
        let total: i64 = eligible().map(|(_, peer)| peer.weight).sum();
        let mut rest = self.next().checked_rem(total.cast_unsigned())?.cast_signed();
        for (index, peer) in eligible() {
            rest -= peer.weight;
            if rest < 0 {
                return Some(index);
            }
        }
        None
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
