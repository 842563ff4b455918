//! What can this machine tell apart?

use std::fmt::Write as _;

use super::style::{QUIET, TITLE, indented, right_aligned, styled, table};
use crate::record::{Record, ScenarioCalibration};
use crate::report::numbers::three_digits;
use crate::report::view::sensitivity::sentence;

/// The noise floor and the smallest detectable effect of each metric.
#[must_use]
pub fn render(calibration: &ScenarioCalibration, record: &Record) -> String {
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
    let mut table = table(&["load", "metric", "blocks", "margin", "noise floor", "false alarms", "smallest effect"]);
    let percent = |fraction: f64| format!("{} %", three_digits(fraction * 100.0));
    for metric in &calibration.metrics {
        let sensitivity = &metric.sensitivity;
        table.add_row([
            metric.load.clone(),
            metric.metric.clone(),
            metric.blocks.to_string(),
            if metric.margin > 0.0 { percent(metric.margin) } else { "none".to_owned() },
            percent(sensitivity.noise_floor),
            percent(sensitivity.false_alarm_rate),
            sensitivity.smallest_detectable_effect.map_or_else(|| "none with this few blocks".to_owned(), percent),
        ]);
    }
    right_aligned(&mut table, 2..7);
    let _ = writeln!(text, "{}", indented(&table));
    let meaning = "noise floor: 19 of 20 comparisons of the stack with itself show less; smallest effect: found to \
                   exceed the margin 4 times in 5";
    let _ = writeln!(text, "{}", styled(QUIET, meaning));
    let _ = writeln!(text, "\n{}", sentence(calibration));
    text
}
