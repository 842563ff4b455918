//! What can this machine tell apart?

use std::fmt::Write as _;

use super::style::{QUIET, TITLE, rendered, styled};
use super::wrap::wrapped;
use crate::record::{Record, ScenarioCalibration};
use crate::report::view::sensitivity::{sentence, table};

/// The noise floor and the smallest detectable effect of each metric, in a table that is at most `width` characters wide.
#[must_use]
pub fn render(calibration: &ScenarioCalibration, record: &Record, width: usize) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", styled(TITLE, "What can this machine tell apart?"));
    let valid = calibration.metrics.iter().map(|metric| metric.log_ratios.len()).max().unwrap_or(0);
    let from = format!(
        "{} against itself, {valid} pairs of rounds of {}, on {} cores of {}",
        calibration.stack,
        record.rounds.len(),
        record.provenance.machine.cores,
        record.provenance.machine.cpu,
    );
    let _ = writeln!(text, "{}", styled(QUIET, &from));
    let _ = writeln!(text, "{}", rendered(&table(calibration), 2..7, width));
    let meaning = "noise floor: 19 of 20 comparisons of the stack with itself show less; smallest effect: found to \
                   exceed the margin 4 times in 5";
    let _ = writeln!(text, "{}", styled(QUIET, meaning));
    let _ = writeln!(text, "\n{}", sentence(calibration));
    wrapped(&text, width, None)
}
