//! The barrier before the warm-up of one of several drivers: it waits until all of them are prepared.

use std::io::Read;
use std::time::Instant;

use serde::Deserialize as _;
use serde_json::Deserializer;
use serde_json::de::IoRead;

use super::error::DriveError;
use crate::monotonic;
use crate::wire::{ProtocolError, Start};

/// The documents on a driver's standard input.
pub(super) type Documents<'a> = Deserializer<IoRead<Box<dyn Read + 'a>>>;

/// Reads the [`Start`] that follows the plan.
pub(super) struct Barrier<'a>(pub(super) Documents<'a>);

impl Barrier<'_> {
    /// Waits for the start, and returns its instant.
    ///
    /// # Errors
    /// There is no start, or it is past: the driver would be behind the others.
    pub(super) fn await_start(mut self) -> Result<Instant, DriveError> {
        let start = Start::deserialize(&mut self.0);
        let Start { at } = start.map_err(|source| ProtocolError::Json { what: "the start", source })?;
        match monotonic::now().checked_sub(at) {
            Some(late) => Err(DriveError::LateStart { late }),
            None => Ok(monotonic::instant_of(at)),
        }
    }
}
