//! The memory of every component over a window.

use serde::Serialize;

use super::rounds::{evenly_spaced, valid_rounds};
use crate::measure::footprint::Footprint;
use crate::record::{Measured, Record};
use crate::stack::Role;

/// More points are not told apart on a page.
const MAX_POINTS: usize = 60;

/// The components of every stack under one load.
#[derive(Debug, Serialize)]
pub struct MemoryCurves {
    pub curves: Vec<MemoryCurve>,
    /// Whether points are left out.
    pub is_thinned: bool,
}

/// One component in the round whose peak is the median of the stack's rounds.
#[derive(Debug, Serialize)]
pub struct MemoryCurve {
    pub stack: String,
    pub role: Role,
    /// Pairs of seconds and bytes.
    pub points: Vec<[f64; 2]>,
}

impl MemoryCurves {
    /// `None` if the record has no curves.
    #[must_use]
    pub fn new(record: &Record, load: &str, stacks: &[&str]) -> Option<MemoryCurves> {
        let mut curves = Vec::new();
        let mut is_thinned = false;
        for stack in stacks {
            let Some(round) = median_round(valid_rounds(record, load, stack)) else { continue };
            for component in round.components.iter().filter(|component| component.curve.len() > 1) {
                let samples = &component.curve;
                is_thinned |= samples.len() > MAX_POINTS;
                let point = |at: usize| {
                    let sample: &Footprint = &samples[at];
                    [sample.at_us as f64 / 1e6, sample.memory().bytes() as f64]
                };
                let points = evenly_spaced(samples.len(), MAX_POINTS).into_iter().map(point).collect();
                curves.push(MemoryCurve { stack: (*stack).to_owned(), role: component.role, points });
            }
        }
        (!curves.is_empty()).then_some(MemoryCurves { curves, is_thinned })
    }
}

fn median_round(mut rounds: Vec<&Measured>) -> Option<&Measured> {
    rounds.sort_by(|a, b| a.memory_at_peak().total_cmp(&b.memory_at_peak()));
    rounds.get(rounds.len() / 2).copied()
}
