//! The variants of a key: responses that differ by the fields they vary by (RFC 9111 §4.1).
//!
//! Their number is bounded for each key. Otherwise a client that sends random values of such a field would fill the zone
//! with variants of a single key, and other keys would make room for them.

use std::io;
use std::sync::atomic::Ordering;

use super::digest::Digest;
use super::entry::{self, EntryFile};
use super::head::VaryRecord;
use super::zone::{Key, Zone, blocks};

/// How many variants of one key are kept.
pub(super) const MAX_VARIANTS: usize = 256;
/// How many sets of fields the responses of one key may vary by.
const MAX_SETS: usize = 4;

impl Zone {
    /// Adds a variant, and the names it varies by, to the vary record of a key. Returns the digest of the variant.
    pub(super) fn register_variant(
        &self,
        key: &Key,
        names: Vec<Vec<u8>>,
        variant: &[u8],
        now: i64,
    ) -> io::Result<Digest> {
        let _guard = self.record_locks.lock(key.digest);
        let record = match self.open_entry(key.digest, now)? {
            Some(EntryFile::Vary(record)) if record.key == key.text => Some(record),
            _ => None,
        };
        let mut record = record.unwrap_or_else(|| VaryRecord {
            key: key.text.clone(),
            generation: self.next_generation.fetch_add(1, Ordering::Relaxed),
            sets: Vec::new(),
            variants: Vec::new(),
        });
        let digest = Digest::of_variant(key.digest, record.generation, variant);
        let is_known = record.variants.contains(&digest);
        if is_known && record.sets.first() == Some(&names) {
            return Ok(digest);
        }
        if !is_known {
            self.make_room(&mut record.variants);
            record.variants.push(digest);
            // known from now on, so that it does not make room for another one before it has its file
            self.index.request(digest, now);
        }
        record.sets.retain(|set| *set != names);
        record.sets.insert(0, names);
        record.sets.truncate(MAX_SETS);
        let text = record.encode().ok_or(io::ErrorKind::InvalidData)?;
        entry::write_whole(&self.file(key.digest), &text)?;
        self.index.insert(key.digest, blocks(text.len() as u64), now);
        Ok(digest)
    }

    /// Removes variants that were not used for the longest time, until there is room for another one. Those that the
    /// index does not know go first.
    fn make_room(&self, variants: &mut Vec<Digest>) {
        while variants.len() >= MAX_VARIANTS {
            let uses = variants.iter().map(|digest| self.index.last_use(*digest)).enumerate();
            let Some((oldest, _)) = uses.min_by_key(|(_, used)| *used) else { return };
            self.remove_entry(variants.remove(oldest));
        }
    }
}
