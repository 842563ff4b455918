//! Cross-validation: the same load by two drivers.

use serde::{Deserialize, Serialize};

/// What a load and the one that validates it came to, stack by stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// The load that is validated.
    pub load: String,
    /// Its driver.
    pub driver: String,
    /// The load that validates it.
    pub by: String,
    /// The driver of that one.
    pub by_driver: String,
    /// What of that one's program is missing, so that nothing was validated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// The stacks that both drove or were to, in the scenario's order.
    pub stacks: Vec<ValidatedStack>,
}

/// Good answers per second of one stack by two drivers: the throughput, or under a ramp the peak; medians over the valid
/// rounds, `None` without any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidatedStack {
    /// The stack.
    pub stack: String,
    /// By the load that is validated.
    pub own_per_s: Option<f64>,
    /// By the one that validates it.
    pub other_per_s: Option<f64>,
}

impl ValidatedStack {
    /// How many times as much the validating load came to.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        self.own_per_s.zip(self.other_per_s).map(|(own, other)| other / own)
    }
}
