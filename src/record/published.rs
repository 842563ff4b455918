//! What others have published of a stack's server.

use serde::{Deserialize, Serialize};

/// A figure that somebody has published. It was measured by another method, on another machine, in another year: reports
/// show it apart, and never rank it with their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFigure {
    /// The figure.
    pub figure: u64,
    /// Its unit, as its source has it.
    pub unit: String,
    /// What it is of.
    pub what: String,
    /// The year in which it was published or measured.
    pub year: u16,
    /// Where it is published: an address.
    pub source: String,
    /// Under which conditions, and what is to be said against it.
    pub conditions: String,
}
