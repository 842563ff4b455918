//! Rounds: each visit of a stack under a load, measured or failed.

use serde::{Deserialize, Serialize};

use super::measured::Measured;
use lab_load::accounting::audit;

/// One visit of one stack under one load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoundRecord {
    /// The block, from 0. Blocks after the planned ones replace blocks with an invalid round.
    pub block: u32,
    pub load: String,
    pub stack: String,
    /// Whether it belongs to the second sample, which confirms what failed in the first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirms: bool,
    #[serde(flatten)]
    pub outcome: RoundOutcome,
}

impl RoundRecord {
    /// The measurement, if there is one and it is valid.
    #[must_use]
    pub fn valid(&self) -> Option<&Measured> {
        match &self.outcome {
            RoundOutcome::Measured(measured) if measured.is_valid() => Some(measured),
            _ => None,
        }
    }
}

/// Whether the driver was saturated in at least half of a stack's valid rounds under a load.
#[must_use]
pub fn is_driver_bound(rounds: &[RoundRecord], load: &str, stack: &str) -> bool {
    let visits = rounds.iter().filter(|round| round.load == load && round.stack == stack);
    let (mut bound, mut all) = (0, 0);
    for measured in visits.filter_map(RoundRecord::valid) {
        all += 1;
        bound += usize::from(measured.issues.iter().any(|issue| issue.kind == audit::CLIENT_SATURATED));
    }
    bound > 0 && 2 * bound >= all
}

/// The outcome of a round. A failed round is a row with its error, never a zero and never absent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum RoundOutcome {
    Measured(Box<Measured>),
    Failed {
        error: String,
    },
    /// The load's driver is a program that is not installed.
    Unavailable {
        /// The missing program, as a message.
        missing: String,
    },
}
