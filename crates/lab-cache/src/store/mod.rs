//! Responses on disk: a file for each, an index of them in memory, and requests that wait for each other.
//!
//! An entry is written beside its place and renamed once it is complete, so no other process and no later one sees a partial
//! entry. The index is shared by all workers. After a start it is empty, and entries are found by their files until the
//! loader has entered them all.
//!
//! The responses of a key that vary have files of their own, which a vary record in the place of the key leads to. Their
//! number is bounded for each key.

mod background;
mod digest;
mod entry;
mod entry_writer;
mod flights;
mod folder_lock;
mod head;
mod index;
mod recent;
mod record_locks;
mod variants;
mod zone;
#[cfg(test)]
mod tests;

pub use background::start;
pub use digest::{Digest, Levels};
pub use entry::{StoredContent, StoredResponse};
pub use entry_writer::EntryWriter;
pub use flights::{Flight, FlightOutcome, FlightRole, Flights, Waiter};
pub use head::EntryHead;
pub use zone::{Key, Pace, Zone, ZoneSettings};
