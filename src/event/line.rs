//! Events as lines of JSON, for `--events`. The format is described in `docs/events.md`.
//!
//! A reader ignores events and keys that it does not know; [`EVENT_SCHEMA`] increases when it would misread a known one.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::RunEvent;
use crate::check::evaluate::CheckFinding;
use crate::record::{Cell, RoundOutcome, RoundRecord};
use crate::scenario::model::Metric;

/// The version of the format, which the first event names.
pub const EVENT_SCHEMA: u32 = 1;

/// One line: an event and its time.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventLine<'a> {
    /// RFC 3339, in UTC.
    pub time: String,
    #[serde(flatten)]
    pub event: Event<'a>,
}

/// What has happened.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event<'a> {
    /// The run's folder exists. The first event.
    RunStarted {
        schema: u32,
        /// lab's version.
        lab: &'a str,
        scenario: &'a str,
        /// The run's name.
        run: &'a str,
        /// The run's folder.
        folder: String,
    },
    /// An image is being pulled or built, or there is a warning.
    Preparing { message: &'a str },
    /// A stack is being started for its checks.
    StackStarting { stack: &'a str },
    /// A stack cannot run on this machine.
    StackUnavailable { stack: &'a str, missing: &'a str },
    /// A stack could not be started or stopped, or its driver could not run.
    StackFailed { stack: &'a str, error: &'a str },
    /// A check has run.
    CheckEnded {
        stack: &'a str,
        check: &'a str,
        passed: bool,
        /// The expectations that were not met.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        findings: Vec<FailedExpectation<'a>>,
        /// Why there was no response.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    },
    /// The checks are done.
    RoundsPlanned {
        /// Before the first look, without replacements of invalid rounds.
        visits: usize,
        /// How many of them an interrupted run has made already.
        made: usize,
    },
    /// Something failed the gate, and is measured once more with rounds of its own. `rounds-planned` follows.
    Confirming { cells: Vec<GatedCell<'a>> },
    /// A look left something undecided.
    MoreRoundsPlanned {
        /// How many looks have been made.
        look: usize,
        /// The additional visits before the next look.
        visits: usize,
    },
    /// A stack is being started for a round.
    RoundStarted {
        /// Counted from 0.
        block: u32,
        load: &'a str,
        stack: &'a str,
    },
    /// A round was measured, or could not be.
    RoundEnded(RoundLine<'a>),
    /// The run was interrupted; `--resume` continues it. The last event.
    RunInterrupted { run: &'a str },
    /// The record is complete. The last event.
    RunEnded {
        /// The exit code of lab.
        exit: u8,
        /// The outcome in a sentence.
        outcome: String,
        /// The record's file.
        record: String,
    },
    /// The run ended without a record. The last event.
    RunFailed { error: String },
}

/// A metric of a stack under a load.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GatedCell<'a> {
    pub load: &'a str,
    pub stack: &'a str,
    pub metric: &'a str,
}

/// An expectation and the observed value.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailedExpectation<'a> {
    pub field: &'a str,
    pub expected: &'a str,
    pub observed: &'a str,
}

/// The figures of a round. They are absent where nothing was measured, and never zero for that.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoundLine<'a> {
    /// Counted from 0.
    pub block: u32,
    pub load: &'a str,
    pub stack: &'a str,
    /// Whether it belongs to the second sample, which confirms what failed in the first.
    pub confirms: bool,
    pub outcome: RoundWord,
    /// Whether the round counts.
    pub valid: bool,
    /// Why it does not count, or is to be doubted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<&'a str>,
    /// Good responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok: Option<u64>,
    /// Requests that ended in an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_per_request_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<f64>,
    /// Why nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RoundWord {
    Measured,
    Failed,
    Unavailable,
}

impl<'a> Event<'a> {
    /// `None` for an event whose content is in other lines.
    #[must_use]
    pub fn new(event: &RunEvent<'a>) -> Option<Event<'a>> {
        Some(match *event {
            RunEvent::Opened { scenario, run, folder } => Event::RunStarted {
                schema: EVENT_SCHEMA,
                lab: env!("CARGO_PKG_VERSION"),
                scenario,
                run,
                folder: folder.display().to_string(),
            },
            RunEvent::Preparing { message } => Event::Preparing { message },
            RunEvent::Starting { stack } => Event::StackStarting { stack },
            RunEvent::Unavailable { stack, missing } => Event::StackUnavailable { stack, missing },
            RunEvent::Failed { stack, error } => Event::StackFailed { stack, error },
            RunEvent::Checked { stack, check, outcome, .. } => {
                let findings: Vec<FailedExpectation<'a>> =
                    outcome.unwrap_or_default().iter().filter_map(failed).collect();
                let error = outcome.err();
                Event::CheckEnded { stack, check, passed: findings.is_empty() && error.is_none(), findings, error }
            }
            RunEvent::RoundsPlanned { visits, made } => Event::RoundsPlanned { visits, made },
            RunEvent::Confirming { cells } => Event::Confirming { cells: cells.iter().map(GatedCell::new).collect() },
            RunEvent::MoreRoundsPlanned { look, visits } => Event::MoreRoundsPlanned { look, visits },
            RunEvent::RoundStarted { block, load, stack } => Event::RoundStarted { block, load, stack },
            RunEvent::RoundEnded { round } => Event::RoundEnded(RoundLine::new(round)),
            RunEvent::StackChecked { .. } => return None,
        })
    }
}

impl GatedCell<'_> {
    fn new(cell: &Cell) -> GatedCell<'_> {
        let Cell { load, stack, metric } = cell;
        GatedCell { load, stack, metric }
    }
}

fn failed(finding: &CheckFinding) -> Option<FailedExpectation<'_>> {
    let CheckFinding { field, expected, observed, agrees } = finding;
    (!agrees).then_some(FailedExpectation { field, expected, observed })
}

impl RoundLine<'_> {
    fn new(round: &RoundRecord) -> RoundLine<'_> {
        let RoundRecord { block, load, stack, confirms, outcome } = round;
        let none = RoundLine {
            block: *block,
            load,
            stack,
            confirms: *confirms,
            outcome: RoundWord::Failed,
            valid: false,
            issues: Vec::new(),
            ok: None,
            failed: None,
            throughput_per_s: None,
            cpu_per_request_us: None,
            p50_us: None,
            p99_us: None,
            error: None,
        };
        match outcome {
            RoundOutcome::Failed { error } => RoundLine { error: Some(error), ..none },
            RoundOutcome::Unavailable { missing } => {
                RoundLine { outcome: RoundWord::Unavailable, error: Some(missing), ..none }
            }
            RoundOutcome::Measured(measured) => RoundLine {
                outcome: RoundWord::Measured,
                valid: measured.is_valid(),
                issues: measured.issues.iter().map(|issue| issue.message.as_str()).collect(),
                ok: Some(measured.ok),
                failed: Some(measured.failed.values().sum()),
                throughput_per_s: measured.metric(Metric::Throughput),
                cpu_per_request_us: measured.metric(Metric::CpuPerRequest),
                p50_us: measured.metric(Metric::P50),
                p99_us: measured.metric(Metric::P99),
                ..none
            },
        }
    }
}

/// The JSON Schema of a line.
#[must_use]
pub fn schema() -> String {
    let schema =
        SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<EventLine<'static>>();
    format!("{:#}\n", schema.as_value())
}
