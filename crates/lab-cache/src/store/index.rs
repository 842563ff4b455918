//! The index of a zone: which entries exist, how large they are, and which was not used for the longest time.
//!
//! It is split into shards, so that workers seldom wait for each other and growing never holds up a request for long. An
//! entry takes 60 to 120 bytes, depending on how full the tables are.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::digest::Digest;

const SHARDS: usize = 64;
/// The end of a list.
const NONE: u32 = u32::MAX;

/// The entries of a zone, with or without a file.
#[derive(Debug)]
pub(super) struct Index {
    shards: Vec<Mutex<Shard>>,
    /// The size of all files, in blocks.
    blocks: AtomicU64,
    /// The number of entries.
    entries: AtomicUsize,
}

/// A part of the index: a table of the nodes, and a list of them by the time of their last use.
#[derive(Debug)]
struct Shard {
    places: HashMap<Digest, u32, FoldedHash>,
    nodes: Vec<Node>,
    /// Unused nodes, linked by `next`.
    free: u32,
    /// The node that was used last.
    newest: u32,
    oldest: u32,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    digest: Digest,
    /// The node that was used after this one.
    newer: u32,
    /// The node that was used before this one.
    older: u32,
    /// Seconds since 1970.
    used: u32,
    /// The size of the file in blocks; 0 without one.
    blocks: u32,
    /// How often the key was requested.
    uses: u32,
}

/// A hash of digests, which are evenly distributed already. The seed keeps clients from choosing keys that collide.
#[derive(Debug, Clone, Copy)]
struct FoldedHash {
    seed: u64,
    factor: u64,
}

#[derive(Debug)]
struct FoldedHasher {
    hash: FoldedHash,
    state: u64,
}

impl FoldedHash {
    fn random() -> FoldedHash {
        let random = |salt: u64| RandomState::new().hash_one(salt);
        FoldedHash { seed: random(0), factor: random(1) | 1 }
    }
}

impl BuildHasher for FoldedHash {
    type Hasher = FoldedHasher;

    fn build_hasher(&self) -> FoldedHasher {
        FoldedHasher { hash: *self, state: self.seed }
    }
}

impl Hasher for FoldedHasher {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let number = part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            let product = u128::from(self.state ^ number) * u128::from(self.hash.factor);
            self.state = (product >> 64) as u64 ^ product as u64;
        }
    }

    fn write_usize(&mut self, _length: usize) {
        // the length of a digest never differs
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

/// An entry that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RemovedEntry {
    pub(super) digest: Digest,
    pub(super) has_file: bool,
}

/// What the index knows of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryState {
    pub(super) has_file: bool,
    /// How often the key was requested, this time included.
    pub(super) uses: u32,
}

impl Index {
    pub(super) fn new() -> Index {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new())).collect();
        Index { shards, blocks: AtomicU64::new(0), entries: AtomicUsize::new(0) }
    }

    fn shard(&self, digest: Digest) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[digest.number() as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The size of all files, in blocks.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Counts a request for an entry, which is added without a file if it is unknown.
    pub(super) fn request(&self, digest: Digest, now: i64) -> EntryState {
        let mut shard = self.shard(digest);
        let (place, is_new) = shard.find_or_add(digest, now);
        let node = &mut shard.nodes[place as usize];
        node.uses = node.uses.saturating_add(1);
        let known = EntryState { has_file: node.blocks > 0, uses: node.uses };
        self.entries.fetch_add(usize::from(is_new), Ordering::Relaxed);
        known
    }

    /// Whether an entry has a file. That counts as a use.
    pub(super) fn has_file(&self, digest: Digest, now: i64) -> bool {
        let mut shard = self.shard(digest);
        let Some(&place) = shard.places.get(&digest) else { return false };
        shard.touch(place, now);
        shard.nodes[place as usize].blocks > 0
    }

    /// When an entry was used last, in seconds since 1970; None if it is unknown.
    pub(super) fn last_use(&self, digest: Digest) -> Option<u32> {
        let shard = self.shard(digest);
        shard.places.get(&digest).map(|place| shard.nodes[*place as usize].used)
    }

    /// Records the file of an entry, which replaces an earlier one.
    pub(super) fn insert(&self, digest: Digest, blocks: u32, now: i64) {
        let mut shard = self.shard(digest);
        let (place, is_new) = shard.find_or_add(digest, now);
        let before = std::mem::replace(&mut shard.nodes[place as usize].blocks, blocks.max(1));
        self.entries.fetch_add(usize::from(is_new), Ordering::Relaxed);
        self.blocks.fetch_add(u64::from(blocks.max(1)), Ordering::Relaxed);
        self.blocks.fetch_sub(u64::from(before), Ordering::Relaxed);
    }

    /// Records a file that was found, unless the entry has one.
    pub(super) fn insert_found(&self, digest: Digest, blocks: u32, now: i64) {
        let mut shard = self.shard(digest);
        let (place, is_new) = shard.find_or_add(digest, now);
        self.entries.fetch_add(usize::from(is_new), Ordering::Relaxed);
        let node = &mut shard.nodes[place as usize];
        if node.blocks == 0 {
            node.blocks = blocks.max(1);
            self.blocks.fetch_add(u64::from(blocks.max(1)), Ordering::Relaxed);
        }
    }

    /// Removes an entry.
    pub(super) fn remove(&self, digest: Digest) -> Option<RemovedEntry> {
        let mut shard = self.shard(digest);
        let &place = shard.places.get(&digest)?;
        Some(self.release(&mut shard, place))
    }

    /// Removes the entry that was not used for the longest time, if that was before `limit`.
    pub(super) fn remove_oldest(&self, limit: i64) -> Option<RemovedEntry> {
        let oldest = self.shards.iter().enumerate().filter_map(|(number, shard)| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.nodes.get(shard.oldest as usize).map(|node| (node.used, number))
        });
        let (used, number) = oldest.min()?;
        if i64::from(used) >= limit {
            return None;
        }
        let mut shard = self.shards[number].lock().unwrap_or_else(PoisonError::into_inner);
        let place = shard.oldest;
        // another worker may have been faster
        let is_old = shard.nodes.get(place as usize).is_some_and(|node| i64::from(node.used) < limit);
        is_old.then(|| self.release(&mut shard, place))
    }

    fn release(&self, shard: &mut Shard, place: u32) -> RemovedEntry {
        let node = shard.release(place);
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.blocks.fetch_sub(u64::from(node.blocks), Ordering::Relaxed);
        RemovedEntry { digest: node.digest, has_file: node.blocks > 0 }
    }
}

impl Shard {
    fn new() -> Shard {
        let places = HashMap::with_hasher(FoldedHash::random());
        Shard { places, nodes: Vec::new(), free: NONE, newest: NONE, oldest: NONE }
    }

    /// The place of an entry, which counts as used now, and whether it was added.
    fn find_or_add(&mut self, digest: Digest, now: i64) -> (u32, bool) {
        if let Some(&place) = self.places.get(&digest) {
            self.touch(place, now);
            return (place, false);
        }
        let node = Node { digest, newer: NONE, older: NONE, used: seconds(now), blocks: 0, uses: 0 };
        let place = match self.nodes.get(self.free as usize) {
            Some(free) => {
                let place = self.free;
                self.free = free.older;
                self.nodes[place as usize] = node;
                place
            }
            None => {
                self.nodes.push(node);
                // OK because a shard cannot have 2³² nodes in memory
                u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 nodes")
            }
        };
        self.places.insert(digest, place);
        self.link(place);
        (place, true)
    }

    fn touch(&mut self, place: u32, now: i64) {
        if self.newest != place {
            self.unlink(place);
            self.link(place);
        }
        self.nodes[place as usize].used = seconds(now);
    }

    /// Makes a node the newest of the list.
    fn link(&mut self, place: u32) {
        let before = std::mem::replace(&mut self.newest, place);
        let node = &mut self.nodes[place as usize];
        (node.newer, node.older) = (NONE, before);
        match before {
            NONE => self.oldest = place,
            before => self.nodes[before as usize].newer = place,
        }
    }

    fn unlink(&mut self, place: u32) {
        let Node { newer, older, .. } = self.nodes[place as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
    }

    fn release(&mut self, place: u32) -> Node {
        self.unlink(place);
        let node = self.nodes[place as usize];
        self.places.remove(&node.digest);
        self.nodes[place as usize].older = std::mem::replace(&mut self.free, place);
        node
    }
}

/// A time in a node. Its clock ends in 2106.
fn seconds(now: i64) -> u32 {
    u32::try_from(now.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u32) -> Digest {
        Digest::of_key(&number.to_le_bytes())
    }

    #[test]
    fn oldest_entry_goes_first() {
        let index = Index::new();
        for number in 0..1000 {
            index.insert(digest(number), 2, i64::from(number));
        }
        assert_eq!((index.len(), index.blocks()), (1000, 2000));
        assert!(index.has_file(digest(0), 5000));
        assert_eq!(index.request(digest(1), 5001), EntryState { has_file: true, uses: 1 });
        for number in 2..1000 {
            let removed = index.remove_oldest(i64::MAX);
            assert_eq!(removed, Some(RemovedEntry { digest: digest(number), has_file: true }), "{number}");
        }
        assert_eq!((index.len(), index.blocks()), (2, 4));
        assert_eq!(index.remove_oldest(5000), None);
        assert_eq!(index.remove_oldest(5001).map(|removed| removed.digest), Some(digest(0)));
        assert_eq!(index.remove_oldest(i64::MAX).map(|removed| removed.digest), Some(digest(1)));
        assert_eq!(index.remove_oldest(i64::MAX), None);
        assert_eq!((index.len(), index.blocks()), (0, 0));
    }

    #[test]
    fn sizes_follow_replaced_files() {
        let index = Index::new();
        index.insert(digest(1), 5, 1);
        index.insert(digest(1), 3, 2);
        assert_eq!((index.len(), index.blocks()), (1, 3));
        index.insert_found(digest(1), 9, 3);
        index.insert_found(digest(2), 0, 3);
        assert_eq!((index.len(), index.blocks()), (2, 4));
        assert_eq!(index.remove(digest(1)), Some(RemovedEntry { digest: digest(1), has_file: true }));
        assert_eq!(index.remove(digest(1)), None);
        assert_eq!((index.len(), index.blocks()), (1, 1));
    }

    #[test]
    fn requests_are_counted_before_there_is_a_file() {
        let index = Index::new();
        assert_eq!(index.request(digest(1), 1), EntryState { has_file: false, uses: 1 });
        assert_eq!(index.request(digest(1), 1), EntryState { has_file: false, uses: 2 });
        assert!(!index.has_file(digest(1), 1) && !index.has_file(digest(2), 1));
        assert_eq!((index.len(), index.blocks()), (1, 0));
        assert_eq!(index.remove_oldest(i64::MAX), Some(RemovedEntry { digest: digest(1), has_file: false }));
    }

    #[test]
    fn nodes_are_used_again() {
        let index = Index::new();
        for round in 0..10 {
            for number in 0..100 {
                index.insert(digest(number), 1, round);
            }
            for number in 0..100 {
                index.remove(digest(number)).unwrap();
            }
        }
        let nodes: usize = index.shards.iter().map(|shard| shard.lock().unwrap().nodes.len()).sum();
        assert_eq!((nodes, index.len()), (100, 0));
    }

    #[test]
    fn entry_takes_at_most_120_bytes() {
        // a table is at least 7/16 full, and a vector half full
        let place = size_of::<(Digest, u32)>() + 1;
        assert!(2 * size_of::<Node>() + place * 16 / 7 <= 120, "{} {place}", size_of::<Node>());
    }
}
