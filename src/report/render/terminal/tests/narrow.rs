//! Reports on terminals of 80 columns, and summaries, which fit into 100 on any.

use lab_stats::calibration::Sensitivity;

use super::super::{calibration, render, repeatability, summary};
use super::{LOAD, difference, many, record, stack};
use crate::record::{MetricCalibration, Record, ScenarioCalibration, SelfComparisons};
use crate::report::view::repeatability::Repeatability;
use crate::report::view::test_suites::RunContext;

const WIDTH: usize = 80;

/// The text without styles, which must fit.
fn fitting(text: &str) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    let wide: Vec<&str> = plain.lines().filter(|line| line.chars().count() > WIDTH).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    plain
}

/// Two stacks that differ in fields with long values.
fn with_long_values() -> Record {
    let mut record = record(&[stack("nginx-gunicorn", 9000.0), stack("lab-proxy-lab-serve", 4000.0)], 6);
    let policy = "default-src 'self'; img-src https://images.example.org";
    record.differences[0].differences.extend([
        difference("headers.Content-Security-Policy", Some(policy), Some("default-src 'self'; frame-ancestors 'none'")),
        difference("headers.Strict-Transport-Security", None, Some("max-age=63072000; includeSubDomains; preload")),
    ]);
    record
}

fn calibrated() -> ScenarioCalibration {
    let metric = |name: &str, smallest_detectable_effect| MetricCalibration {
        load: "catalogue-over-tls".to_owned(),
        load_description: String::new(),
        metric: name.to_owned(),
        log_ratios: vec![0.0; 20],
        margin: 0.05,
        blocks: 20,
        sensitivity: Sensitivity { noise_floor: 0.013, false_alarm_rate: 0.025, smallest_detectable_effect },
    };
    ScenarioCalibration {
        run: String::new(),
        ended: String::new(),
        stack: "nginx-gunicorn".to_owned(),
        metrics: vec![metric("cpu_per_request", Some(0.062)), metric("p99", None)],
        comparisons: Some(SelfComparisons { made: 40, alarms: 1 }),
    }
}

#[test]
fn changes_fit_into_80_columns() {
    insta::assert_snapshot!(fitting(&render(&with_long_values(), WIDTH)));
}

#[test]
fn many_stacks_fit_into_80_columns() {
    let mut record = record(&many(), 6);
    for found in &mut record.differences {
        found.differences.push(difference("headers.Content-Security-Policy", Some("default-src 'self'"), None));
    }
    insta::assert_snapshot!(fitting(&render(&record, WIDTH)));
}

#[test]
fn calibration_fits_into_80_columns() {
    insta::assert_snapshot!(fitting(&calibration::render(&calibrated(), &with_long_values(), WIDTH)));
}

#[test]
fn repeated_rankings_fit_into_80_columns() {
    let stacks = [stack("nginx-gunicorn-behind-a-balancer", 9000.0), stack("lab-proxy-behind-a-balancer", 4000.0)];
    let (first, mut second) = (record(&stacks, 6), record(&stacks, 6));
    second.provenance.run = "20261125T000000Z-1".to_owned();
    let compared = Repeatability::compare(&first, &second, 0.5);
    insta::assert_snapshot!(fitting(&repeatability::render(&compared, WIDTH)));
}

#[test]
fn summary_has_a_line_for_each_stack() {
    let stacks = [stack("nginx-gunicorn-behind-a-balancer", 9000.0), stack("lab-proxy-behind-a-balancer", 4000.0)];
    let record = record(&stacks, 40);
    let text = summary::render(&record, RunContext::from_command(&record), 200);
    let plain = anstream::adapter::strip_str(&text).to_string();
    assert!(plain.lines().all(|line| line.chars().count() <= 100), "{plain}");
    let lines: Vec<&str> = plain.lines().filter(|line| line.trim_start().starts_with(LOAD)).collect();
    assert_eq!(lines.len(), 2, "{plain}");
    for (line, stack) in lines.iter().zip(&stacks) {
        assert!(line.contains(stack.name) && line.contains("▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅"), "{line}");
    }
}
