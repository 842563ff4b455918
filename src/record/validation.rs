//! Cross-validations: the same load offered by two drivers.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// The validated load.
    pub load: String,
    pub driver: String,
    /// The validating load.
    pub by: String,
    pub by_driver: String,
    /// The validating driver's missing program, as a message; then nothing was validated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// In the scenario's order.
    pub stacks: Vec<ValidatedStack>,
}

/// The throughput of one stack as measured by two drivers, or its peak under a ramp: medians over the valid rounds, `None`
/// without any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidatedStack {
    pub stack: String,
    /// Under the validated load.
    pub own_per_s: Option<f64>,
    /// Under the validating load.
    pub other_per_s: Option<f64>,
}

impl ValidatedStack {
    /// The validating load's throughput relative to the validated one's.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        self.own_per_s.zip(self.other_per_s).map(|(own, other)| other / own)
    }
}
