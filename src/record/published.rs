//! Published figures of a stack's server.

use serde::{Deserialize, Serialize};

/// A published figure. It was measured by another method on another machine, so reports show it separately and never rank
/// it with their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFigure {
    pub figure: u64,
    /// The unit used by the source.
    pub unit: String,
    /// What the figure measures.
    pub what: String,
    /// The year of the publication or measurement.
    pub year: u16,
    /// The address of the publication.
    pub source: String,
    /// The conditions of the measurement, and its limitations.
    pub conditions: String,
}
