//! `limit_conn_zone`: how many requests of each key are being served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::registry::Registry;

/// nginx's estimate: an entry takes 64 bytes of the zone.
const ENTRY_BYTES: u64 = 64;

/// The counts of a zone, by key.
#[derive(Debug)]
pub struct ConnectionZone {
    counts: Mutex<HashMap<Box<[u8]>, usize>>,
    capacity: usize,
}

/// A counted request, until it is dropped.
#[derive(Debug)]
pub struct ConnectionSlot {
    zone: Arc<ConnectionZone>,
    key: Box<[u8]>,
}

impl ConnectionZone {
    /// `size` is in bytes.
    #[must_use]
    pub fn new(size: u64) -> ConnectionZone {
        let capacity = usize::try_from(size / ENTRY_BYTES).unwrap_or(usize::MAX);
        ConnectionZone { counts: Mutex::new(HashMap::new()), capacity }
    }

    /// As [`new`](ConnectionZone::new), but the same zone for the same parameters.
    #[must_use]
    pub fn shared(parameters: &str, size: u64) -> Arc<ConnectionZone> {
        static ZONES: Registry<ConnectionZone> = Registry::new();
        ZONES.find_or_add(parameters, || ConnectionZone::new(size))
    }

    /// Counts a request. None if there are `limit` already, or the zone is full.
    pub fn enter(self: &Arc<Self>, key: &[u8], limit: usize) -> Option<ConnectionSlot> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = counts.len() >= self.capacity;
        match counts.get_mut(key) {
            Some(count) if *count >= limit => return None,
            Some(count) => *count += 1,
            None if is_full => return None,
            None => _ = counts.insert(key.into(), 1),
        }
        Some(ConnectionSlot { zone: Arc::clone(self), key: key.into() })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut counts = self.zone.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_free_when_dropped() {
        let zone = Arc::new(ConnectionZone::new(2 * ENTRY_BYTES));
        let one = zone.enter(b"a", 2).unwrap();
        let two = zone.enter(b"a", 2).unwrap();
        assert!(zone.enter(b"a", 2).is_none());
        drop(one);
        let three = zone.enter(b"a", 2).unwrap();
        let _other = zone.enter(b"b", 1).unwrap();
        assert!(zone.enter(b"c", 1).is_none(), "the zone is full");
        drop((two, three));
        assert!(zone.enter(b"c", 1).is_some());
    }
}
