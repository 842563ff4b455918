//! The start of a driver that waits for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::protocol_error::ProtocolError;

/// The second document on the standard input of a driver whose plan
/// [awaits it](super::DrivePlan::awaits_start).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The first instant of the warm-up on the driver's `CLOCK_MONOTONIC`; in the future, or the driver fails.
    #[serde(rename = "at_us", with = "super::micros")]
    pub at: Duration,
}

impl Start {
    /// The start as the document that the driver reads.
    ///
    /// # Errors
    /// None in practice: the document holds nothing that JSON cannot.
    pub fn to_json(self) -> Result<String, ProtocolError> {
        serde_json::to_string(&self).map_err(|source| ProtocolError::Json { what: "the start", source })
    }
}
