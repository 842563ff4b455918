//! What a person sees of a run while it runs: a bar on a terminal, lines elsewhere. On standard error, so that
//! standard output holds the report and nothing else.

use std::io::Write as _;
use std::time::Duration;

use anstream::stream::IsTerminal as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::event::{Event, Listener};
use crate::record::{RoundOutcome, RoundRecord};
use crate::report::numbers::{grouped, micros};
use crate::scenario::model::Metric;

/// Shows a run's events.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    rounds: usize,
    planned: usize,
}

impl Progress {
    /// A bar if standard error is a terminal, lines if not, nothing if `quiet`.
    pub(super) fn new(quiet: bool) -> Progress {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress { bar, quiet, rounds: 0, planned: 0 }
    }

    /// Takes the bar away before the report is printed.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| write_line(text)),
            None if self.quiet => {}
            None => write_line(text),
        }
    }

    /// What happens right now.
    fn now(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }
}

/// What cannot be shown is not worth failing a run for.
fn write_line(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

impl Listener for Progress {
    fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Starting { stack } => self.now(format!("starting {stack}")),
            Event::Checked { stack, check, outcome } => {
                self.now(format!("checking {stack}: {check}"));
                match outcome {
                    Ok(findings) if findings.iter().all(|finding| finding.agrees) => {}
                    Ok(_) => self.line(&format!("check failed on {stack}: {check}")),
                    Err(error) => self.line(&format!("no answer on {stack}: {check}: {error}")),
                }
            }
            Event::RoundsPlanned { visits, made } => {
                self.planned = *visits;
                self.rounds = *made;
                if let Some(bar) = &self.bar {
                    bar.set_length(*visits as u64);
                    bar.set_position(*made as u64);
                    bar.set_style(style("{bar:24} {pos}/{len} rounds · {msg}"));
                }
            }
            Event::MoreRoundsPlanned { look, visits } => {
                self.planned += visits;
                if let Some(bar) = &self.bar {
                    bar.inc_length(*visits as u64);
                }
                self.line(&format!("look {look} leaves something undecided: up to {visits} more rounds"));
            }
            Event::RoundStarted { load, stack, .. } => self.now(format!("{load} on {stack}")),
            Event::RoundEnded { round } => {
                self.rounds += 1;
                if let Some(bar) = &self.bar {
                    // How long it will take is known once one round has.
                    bar.set_style(style("{bar:24} {pos}/{len} rounds, {eta} left · {msg}"));
                    bar.inc(1);
                }
                self.now(String::new());
                if self.bar.is_none() {
                    // Blocks that replace invalid ones come on top of what was planned.
                    let planned = self.planned.max(self.rounds);
                    self.line(&format!("round {}/{planned}  {}", self.rounds, summary(round)));
                }
            }
            Event::Unavailable { stack, missing } => {
                let first = missing.lines().next().unwrap_or_default();
                self.now(format!("{stack} is unavailable: {first}"));
            }
            Event::Failed { stack, error } => {
                // The whole of it stands in the report.
                let first = error.lines().next().unwrap_or_default();
                self.line(&format!("{stack} could not run: {first}"));
            }
        }
    }
}

fn style(template: &'static str) -> ProgressStyle {
    // OK because the templates are constants that indicatif accepts
    ProgressStyle::with_template(template).unwrap()
}

fn summary(round: &RoundRecord) -> String {
    let what = format!("{} on {}", round.load, round.stack);
    let measured = match &round.outcome {
        RoundOutcome::Failed { .. } => return format!("{what}: could not run"),
        RoundOutcome::Unavailable { missing } => return format!("{what}: unavailable, {missing}"),
        RoundOutcome::Measured(measured) => measured,
    };
    let metric = |metric: Metric| measured.metric(metric);
    let rate = metric(Metric::Throughput).map_or_else(|| "no good answer".to_owned(), |rate| grouped(rate) + " req/s");
    let p99 = metric(Metric::P99).map_or_else(String::new, |us| format!(", p99 {}", micros(us)));
    let failed: u64 = measured.failed.values().sum();
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let invalid = if measured.is_valid() { "" } else { " (invalid)" };
    format!("{what}: {rate}{p99}{failed}{invalid}")
}
