//! A map of bounded size that forgets its least recently used entries.

use std::collections::HashMap;

/// A map in two halves. When the young half is full it becomes the old one, and the entries of the old one are forgotten. An
/// entry that is used moves to the young half, so at least the most recent half of the entries is always there.
#[derive(Debug)]
pub(super) struct RecentMap<V> {
    young: HashMap<Box<[u8]>, V>,
    old: HashMap<Box<[u8]>, V>,
    half: usize,
}

impl<V> RecentMap<V> {
    /// A map for at least `half` and at most twice as many entries.
    pub(super) fn new(half: usize) -> RecentMap<V> {
        RecentMap { young: HashMap::new(), old: HashMap::new(), half: half.max(1) }
    }

    /// The entry of a key, which counts as used.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: Box<[u8]>, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_entries_stay() {
        let mut map = RecentMap::new(2);
        for key in ["a", "b", "c", "d", "e", "f"] {
            map.insert(key.as_bytes().into(), key);
            assert_eq!(map.get(b"a").copied(), Some("a"), "after {key}");
        }
        assert!(map.get(b"b").is_none() && map.get(b"f").is_some());
    }
}
