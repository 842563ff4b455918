//! Stores responses in a zone: new ones as they arrive, and validated ones with a new head.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lab_http::Headers;

use super::digest::Digest;
use super::entry::{self, PendingFile, StoredResponse};
use super::flights::{Flight, FlightOutcome};
use super::head::EntryHead;
use super::zone::{BLOCK, Key, Zone, blocks};
use crate::policy::vary;

/// A response that is being stored.
#[derive(Debug)]
pub struct EntryWriter {
    zone: Arc<Zone>,
    file: PendingFile,
    /// The digest of the file.
    digest: Digest,
    /// The part of the zone that the file takes so far.
    share: PendingShare,
    state: WriterState,
    /// Other requests wait until the response is in its place.
    flight: Option<Flight>,
}

/// What becomes of the content.
#[derive(Debug)]
enum WriterState {
    Writing,
    /// The response is larger than the zone.
    TooLarge,
    Failed(io::Error),
}

/// Blocks of a file that is being written, which count in its zone until they are dropped.
#[derive(Debug)]
struct PendingShare {
    zone: Arc<Zone>,
    blocks: u64,
}

impl Zone {
    /// Begins to store a response that varies by these names, if there are any. `request` has the fields of its request.
    ///
    /// # Errors
    /// The vary record cannot be read or written.
    pub fn store(
        self: &Arc<Self>,
        key: &Key,
        head: EntryHead,
        names: Option<Vec<Vec<u8>>>,
        request: &Headers,
        now: i64,
    ) -> io::Result<EntryWriter> {
        let mut head = head;
        let digest = match names {
            None => key.digest,
            Some(names) => {
                head.variant = vary::variant(&names, request);
                self.register_variant(key, names, &head.variant, now)?
            }
        };
        let file = PendingFile::new(self.file(digest), head);
        let share = PendingShare { zone: Arc::clone(self), blocks: 0 };
        Ok(EntryWriter { zone: Arc::clone(self), file, digest, share, state: WriterState::Writing, flight: None })
    }

    /// Replaces the head of a stored response, which varies by these names from now on. `request` has the fields of the
    /// request that validated it.
    ///
    /// # Errors
    /// Something could not be read or written.
    pub fn update(
        self: &Arc<Self>,
        key: &Key,
        stored: &StoredResponse,
        head: EntryHead,
        names: Option<Vec<Vec<u8>>>,
        request: &Headers,
        now: i64,
    ) -> io::Result<()> {
        let mut head = head;
        let has_variant = !stored.head.variant.is_empty();
        if names == vary::names(&stored.head.response.headers).filter(|_| has_variant) {
            head.variant.clone_from(&stored.head.variant);
            // the usual case: dates have the same length
            if entry::replace_head(&self.file(stored.digest), stored, &head)? {
                return Ok(());
            }
        }
        let mut writer = self.store(key, head, names, request, now)?;
        writer.file.copy(&stored.content)?;
        writer.finish(now)
    }
}

impl EntryWriter {
    /// The head, which may be changed until the entry is finished.
    pub fn head_mut(&mut self) -> &mut EntryHead {
        self.file.head_mut()
    }

    #[must_use]
    pub fn zone(&self) -> Arc<Zone> {
        Arc::clone(&self.zone)
    }

    /// Lets other requests for the key wait until the response is in its place.
    pub fn hold(&mut self, flight: Flight) {
        self.flight = Some(flight);
    }

    /// Adds content. A failure is reported at the end.
    pub fn push(&mut self, content: &[u8]) {
        if !matches!(self.state, WriterState::Writing) {
            return;
        }
        if let Err(error) = self.file.push(content) {
            self.state = WriterState::Failed(error);
            return;
        }
        let written = self.file.written();
        if self.zone.settings.max_size.is_some_and(|max_size| written > max_size) {
            self.state = WriterState::TooLarge;
            self.file.discard();
            self.share.resize(0);
        } else if self.share.resize(written.div_ceil(BLOCK)) {
            self.zone.shrink();
        }
    }

    /// Puts the complete response in its place, where other requests find it. One that is larger than the zone is not
    /// stored.
    ///
    /// # Errors
    /// Something could not be written. Nothing is left of the response then.
    pub fn finish(self, now: i64) -> io::Result<()> {
        match self.state {
            WriterState::Writing => {}
            WriterState::TooLarge => {
                if let Some(flight) = self.flight {
                    flight.finish(FlightOutcome::NotStorable);
                }
                return Ok(());
            }
            WriterState::Failed(error) => return Err(error),
        }
        let size = self.file.finish()?;
        // counted once more for a moment, and never too little
        self.zone.index.insert(self.digest, blocks(size), now);
        drop(self.share);
        self.zone.shrink();
        if let Some(flight) = self.flight {
            flight.finish(FlightOutcome::Stored);
        }
        Ok(())
    }
}

impl PendingShare {
    /// Changes the number of blocks. Returns whether it has grown.
    fn resize(&mut self, blocks: u64) -> bool {
        let before = std::mem::replace(&mut self.blocks, blocks);
        // the sum wraps like the difference
        self.zone.pending.fetch_add(blocks.wrapping_sub(before), Ordering::Relaxed);
        blocks > before
    }
}

impl Drop for PendingShare {
    fn drop(&mut self) {
        self.resize(0);
    }
}
