//! A zone: a folder of entries with its index, as `proxy_cache_path` configures one.

use std::fs::DirBuilder;
use std::hash::BuildHasher as _;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use lab_http::Headers;

use super::digest::{Digest, Levels};
use super::entry::{self, EntryFile, StoredResponse};
use super::flights::Flights;
use super::folder_lock::FolderLock;
use super::index::{Index, RemovedEntry};
use super::recent;
use super::record_locks::RecordLocks;
use crate::policy::vary;

/// Files are counted in blocks of this many bytes, as file systems allocate them.
pub(super) const BLOCK: u64 = 4096;
/// What an entry takes of `keys_zone`, by nginx's account.
const ENTRY_BYTES: u64 = 128;
/// How many seconds nothing is stored after the disk was full.
const FULL_PAUSE: i64 = 10;

/// `proxy_cache_path`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneSettings {
    pub folder: PathBuf,
    pub levels: Levels,
    /// The size of `keys_zone` in bytes, which bounds the number of entries.
    pub keys: u64,
    /// How long an entry stays without a request.
    pub inactive: Duration,
    /// The size of all files in bytes.
    pub max_size: Option<u64>,
    /// How many bytes of the file system stay free.
    pub min_free: u64,
    pub loader: Pace,
    pub manager: Pace,
}

/// How fast a thread in the background works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How many files it touches at a time.
    pub files: usize,
    /// How long it does so at a time.
    pub threshold: Duration,
    /// How long it rests in between.
    pub sleep: Duration,
}

#[derive(Debug)]
pub struct Zone {
    /// Differs from that of every other zone.
    id: u64,
    pub(super) settings: ZoneSettings,
    pub(super) lock: FolderLock,
    pub(super) index: Index,
    /// The size of the files that are being written, in blocks.
    pub(super) pending: AtomicU64,
    flights: Arc<Flights>,
    pub(super) has_threads: AtomicBool,
    /// Whether the index does not have all files of earlier processes yet.
    pub(super) is_cold: AtomicBool,
    /// Until when nothing is stored, because the disk is full; seconds since 1970.
    paused_until: AtomicI64,
    pub(super) next_generation: AtomicU64,
    pub(super) record_locks: RecordLocks,
}

/// The key of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub text: Vec<u8>,
    pub digest: Digest,
}

impl Key {
    #[must_use]
    pub fn new(text: Vec<u8>) -> Key {
        Key { digest: Digest::of_key(&text), text }
    }
}

impl Zone {
    /// Creates the folder, without its parents, if it does not exist.
    ///
    /// # Errors
    /// The folder cannot be created, or is no folder.
    pub fn open(settings: ZoneSettings) -> io::Result<Zone> {
        match DirBuilder::new().mode(0o700).create(&settings.folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created?,
        }
        if !std::fs::metadata(&settings.folder)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let lock = FolderLock::take(&settings.folder)?;
        // generations must not repeat those of records that other processes have written
        let first = std::hash::RandomState::new().hash_one(0);
        Ok(Zone {
            id: first,
            settings,
            lock,
            index: Index::new(),
            pending: AtomicU64::new(0),
            flights: Arc::default(),
            has_threads: AtomicBool::new(false),
            is_cold: AtomicBool::new(true),
            paused_until: AtomicI64::new(i64::MIN),
            next_generation: AtomicU64::new(first),
            record_locks: RecordLocks::default(),
        })
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.settings.folder
    }

    #[must_use]
    pub fn flights(&self) -> &Arc<Flights> {
        &self.flights
    }

    /// The size of all files in bytes, those that are being written included.
    #[must_use]
    pub fn size(&self) -> u64 {
        (self.index.blocks() + self.pending.load(Ordering::Relaxed)) * BLOCK
    }

    /// Counts a request for a key. Returns how often it was requested, this time included.
    pub fn count_request(&self, key: &Key, now: i64) -> u32 {
        let uses = self.index.request(key.digest, now).uses;
        // an entry without a file takes memory as well
        self.shrink();
        uses
    }

    /// The stored response for a request with these fields.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn find(&self, key: &Key, request: &Headers, now: i64) -> io::Result<Option<Box<StoredResponse>>> {
        let record = match self.open_entry(key.digest, now)? {
            Some(EntryFile::Response(response, _)) if response.head.key == key.text => return Ok(Some(response)),
            Some(EntryFile::Vary(record)) if record.key == key.text => record,
            _ => return Ok(None),
        };
        let mut latest: Option<Box<StoredResponse>> = None;
        for names in &record.sets {
            let variant = vary::variant(names, request);
            let digest = Digest::of_variant(key.digest, record.generation, &variant);
            let Some(EntryFile::Response(response, _)) = self.open_entry(digest, now)? else { continue };
            let is_own = response.head.key == key.text && response.head.variant == variant;
            // of several responses the latest counts (RFC 9111 §4)
            let is_later = |other: &StoredResponse| response.head.terms.received > other.head.terms.received;
            if is_own && latest.as_deref().is_none_or(is_later) {
                latest = Some(response);
            }
        }
        Ok(latest)
    }

    /// Opens an entry. A damaged one is removed.
    pub(super) fn open_entry(&self, digest: Digest, now: i64) -> io::Result<Option<EntryFile>> {
        let is_known = self.index.has_file(digest, now);
        if !is_known && !self.is_cold.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let path = self.file(digest);
        if let Some(response) = recent::find((self.id, digest), &path).filter(|_| is_known) {
            return Ok(Some(EntryFile::Response(response, None)));
        }
        let opened = entry::open(&path, digest)?;
        if let Some(EntryFile::Response(response, Some(version))) = &opened
            && version.is_settled(SystemTime::now())
        {
            recent::keep((self.id, digest), *version, response);
        }
        match &opened {
            // a file that another worker has stored meanwhile must not stay unknown to the index
            None if is_known => self.remove_entry(digest),
            Some(EntryFile::Unusable) => self.remove_entry(digest),
            Some(EntryFile::Response(response, _)) if !is_known => {
                self.index.insert_found(digest, blocks(response.size), now);
            }
            Some(EntryFile::Vary(_)) if !is_known => self.index.insert_found(digest, 1, now),
            _ => {}
        }
        Ok(opened)
    }

    pub(super) fn file(&self, digest: Digest) -> PathBuf {
        self.settings.levels.file(&self.settings.folder, digest)
    }

    /// Removes the responses of a key. Returns whether there was one.
    pub fn remove(&self, key: &Key) -> bool {
        let was_known = self.index.remove(key.digest).is_some_and(|removed| removed.has_file);
        let was_there = std::fs::remove_file(self.file(key.digest)).is_ok();
        was_known || was_there
    }

    pub(super) fn remove_entry(&self, digest: Digest) {
        self.index.remove(digest);
        // it may be gone already
        _ = std::fs::remove_file(self.file(digest));
    }

    /// Removes the file of an entry that is no longer in the index.
    pub(super) fn delete(&self, removed: RemovedEntry) {
        if removed.has_file {
            _ = std::fs::remove_file(self.file(removed.digest));
        }
    }

    /// Whether responses are stored at the moment: not just after the disk was full.
    #[must_use]
    pub fn is_storing(&self, now: i64) -> bool {
        now >= self.paused_until.load(Ordering::Relaxed)
    }

    /// Notes that a response could not be stored. Returns whether the zone now stores nothing for some seconds, which is
    /// worth a line in a log.
    pub fn note_failure(&self, error: &io::Error, now: i64) -> bool {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        if !matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem) {
            return false;
        }
        self.paused_until.swap(now + FULL_PAUSE, Ordering::Relaxed) <= now
    }

    /// Removes the entries that were not used for the longest time, until the zone has its size again.
    pub(super) fn shrink(&self) {
        let max_entries = usize::try_from(self.settings.keys / ENTRY_BYTES).unwrap_or(usize::MAX);
        let max_size = self.settings.max_size.unwrap_or(u64::MAX);
        while self.size() > max_size || self.index.len() > max_entries {
            let Some(removed) = self.index.remove_oldest(i64::MAX) else { return };
            self.delete(removed);
        }
    }
}

/// The blocks of a file.
pub(super) fn blocks(size: u64) -> u32 {
    u32::try_from(size.div_ceil(BLOCK)).unwrap_or(u32::MAX)
}
