//! What this machine can tell apart: the margins of the gate beside its noise floor.

use crate::record::Record;
use crate::report::numbers::three_digits;

/// A sentence for each margin below the noise floor.
#[must_use]
pub fn warnings(record: &Record) -> Vec<String> {
    let percent = |fraction: f64| three_digits(fraction * 100.0);
    let warnings = record.below_noise_floor.iter().flatten().map(|metric| {
        format!(
            "the margin of {} under {} is {} %, below this machine's noise floor of {} %; more blocks or a wider margin",
            metric.metric,
            metric.load,
            percent(metric.margin),
            percent(metric.noise_floor),
        )
    });
    warnings.collect()
}

/// How to find out the noise floor, if it is unknown and something is gated.
#[must_use]
pub fn hint(record: &Record) -> Option<String> {
    let is_unknown = record.below_noise_floor.is_none() && !record.gate.metrics.is_empty();
    is_unknown.then(|| {
        format!(
            "the smallest change that this machine can detect is unknown; measure it with `lab calibrate {}`",
            record.provenance.file
        )
    })
}
