//! Locks of vary records, by key.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::digest::Digest;

/// How many records can be changed at a time.
const LOCKS: usize = 16;

/// One is held while a vary record is read and written, so that no variant is missing in it.
#[derive(Debug, Default)]
pub(super) struct RecordLocks([Mutex<()>; LOCKS]);

impl RecordLocks {
    /// Locks the record of a key.
    pub(super) fn lock(&self, key: Digest) -> MutexGuard<'_, ()> {
        self.0[key.number() as usize % LOCKS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
