//! What a machine can tell, in a sentence that a team can pass on.

use std::fmt::Write as _;

use crate::record::{MetricCalibration, ScenarioCalibration};
use crate::report::numbers::{counted, three_digits};

use super::text_table::{TextTable, owned_cells};
use super::verdict::label;

/// The alarms of comparisons of a stack with itself, and the smallest changes that are found.
#[must_use]
pub fn sentence(calibration: &ScenarioCalibration) -> String {
    let mut text = match calibration.comparisons {
        Some(made) if made.made > 0 => format!(
            "On this machine {} of a stack with itself gave {} (promise: at most 5 %)",
            counted(made.made, "comparison"),
            counted(made.alarms, "alarm")
        ),
        _ => {
            let blocks = calibration.metrics.first().map_or(0, |metric| metric.blocks);
            format!(
                "On this machine no comparison of a stack with itself is complete: one takes {}",
                counted(blocks as usize, "block")
            )
        }
    };
    let mut loads: Vec<&str> = calibration.metrics.iter().map(|metric| metric.load.as_str()).collect();
    loads.dedup();
    for load in &loads {
        let under = if loads.len() > 1 { format!("under {load} ") } else { String::new() };
        let metrics: Vec<&MetricCalibration> = shown(calibration, load);
        for (index, metric) in metrics.into_iter().enumerate() {
            let (name, rounds) = (label(&metric.metric), counted(metric.blocks as usize, "round"));
            let percent = metric.sensitivity.smallest_detectable_effect.map(|effect| three_digits(effect * 100.0));
            let _ = match (index, percent) {
                (0, Some(percent)) => write!(text, "; {under}a change of {percent} % in {name} is found in {rounds}"),
                (0, None) => write!(text, "; {under}no change in {name} is found in {rounds}"),
                (_, Some(percent)) => write!(text, ", {percent} % in {name}"),
                (_, None) => write!(text, ", none in {name}"),
            };
        }
    }
    text.push('.');
    text
}

/// A row for each metric.
#[must_use]
pub fn table(calibration: &ScenarioCalibration) -> TextTable {
    let percent = |fraction: f64| format!("{} %", three_digits(fraction * 100.0));
    let row = |metric: &MetricCalibration| {
        let sensitivity = &metric.sensitivity;
        let effect = sensitivity.smallest_detectable_effect;
        vec![
            metric.load.clone(),
            metric.metric.clone(),
            metric.blocks.to_string(),
            if metric.margin > 0.0 { percent(metric.margin) } else { "none".to_owned() },
            percent(sensitivity.noise_floor),
            percent(sensitivity.false_alarm_rate),
            effect.map_or_else(|| "none with this few blocks".to_owned(), percent),
        ]
    };
    let header = ["load", "metric", "blocks", "margin", "noise floor", "false alarms", "smallest effect"];
    let rows = calibration.metrics.iter().map(row).collect();
    TextTable { title: String::new(), header: owned_cells(&header), rows }
}

/// The gated metrics of a load, or all if none is gated; the CPU time first, which is the steadiest.
fn shown<'a>(calibration: &'a ScenarioCalibration, load: &str) -> Vec<&'a MetricCalibration> {
    let has_margin = calibration.metrics.iter().any(|metric| metric.margin > 0.0);
    let is_shown = |metric: &&MetricCalibration| metric.load == load && (metric.margin > 0.0 || !has_margin);
    let mut shown: Vec<&MetricCalibration> = calibration.metrics.iter().filter(is_shown).collect();
    shown.sort_by_key(|metric| metric.metric != "cpu_per_request");
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SelfComparisons;
    use lab_stats::calibration::Sensitivity;

    fn metric(load: &str, name: &str, effect: Option<f64>) -> MetricCalibration {
        MetricCalibration {
            load: load.to_owned(),
            load_description: String::new(),
            metric: name.to_owned(),
            log_ratios: Vec::new(),
            margin: 0.05,
            blocks: 20,
            sensitivity: Sensitivity { noise_floor: 0.01, false_alarm_rate: 0.0, smallest_detectable_effect: effect },
        }
    }

    fn calibration(comparisons: Option<SelfComparisons>, metrics: Vec<MetricCalibration>) -> ScenarioCalibration {
        ScenarioCalibration { run: String::new(), ended: String::new(), stack: "s".to_owned(), metrics, comparisons }
    }

    #[test]
    fn sentence_names_alarms_and_smallest_changes() {
        let metrics =
            vec![metric("l", "p99", Some(0.12)), metric("l", "cpu_per_request", Some(0.062)), metric("l", "p50", None)];
        let made = SelfComparisons { made: 40, alarms: 1 };
        assert_eq!(
            sentence(&calibration(Some(made), metrics)),
            "On this machine 40 comparisons of a stack with itself gave 1 alarm (promise: at most 5 %); a change of 6.20 % in CPU \
             per request is found in 20 rounds, 12.0 % in p99, none in p50."
        );
        let metrics = vec![metric("a", "p50", Some(0.1)), metric("b", "p50", None)];
        assert_eq!(
            sentence(&calibration(Some(SelfComparisons { made: 0, alarms: 0 }), metrics)),
            "On this machine no comparison of a stack with itself is complete: one takes 20 blocks; under a a change of 10.0 % in \
             p50 is found in 20 rounds; under b no change in p50 is found in 20 rounds."
        );
    }
}
