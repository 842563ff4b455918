//! The progress of a run: a bar on a terminal, lines elsewhere. Both go to standard error, because standard output holds
//! only the report.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anstream::stream::IsTerminal as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::check::evaluate::CheckFinding;
use crate::event::{RunEvent, RunObserver};
use crate::record::{Cell, RoundOutcome, RoundRecord};
use crate::report::numbers::{grouped, micros};
use crate::scenario::model::Metric;

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    /// Whether checks that pass are printed as well.
    verbose: bool,
    rounds: usize,
    planned: usize,
    pace: Option<Pace>,
    /// When the time left was last printed as a line.
    last_estimate: Instant,
    block: u32,
    /// Whether the second sample is being taken.
    is_confirming: bool,
}

/// The pace of this process's rounds.
#[derive(Debug, Clone, Copy)]
struct Pace {
    since: Instant,
    made: u32,
}

/// The shortest time between two lines with the time left.
const ESTIMATE_INTERVAL: Duration = Duration::from_secs(30);

impl Progress {
    /// A bar if standard error is a terminal, lines if not, nothing if `quiet`; with every check if `verbose`.
    pub(super) fn new(quiet: bool, verbose: bool) -> Progress {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress {
            bar,
            quiet,
            verbose,
            rounds: 0,
            planned: 0,
            pace: None,
            last_estimate: Instant::now(),
            block: 0,
            is_confirming: false,
        }
    }

    /// Removes the bar before the report is printed.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Prints a line that stays, above the bar if there is one.
    fn print_line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| write_line(text)),
            None if self.quiet => {}
            None => write_line(text),
        }
    }

    /// Extrapolates from the average duration of this process's rounds. `None` before the first round, and once all
    /// planned rounds are done.
    fn remaining_time(&self) -> Option<String> {
        let Pace { since, made } = self.pace.filter(|pace| pace.made > 0)?;
        let remaining = u32::try_from(self.planned.saturating_sub(self.rounds)).ok().filter(|left| *left > 0)?;
        Some(approximate(time_left(since.elapsed(), made, remaining)) + " left")
    }

    /// Shows the current activity beside the bar.
    fn show_activity(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }
}

/// A closed standard error is not worth failing a run for.
fn write_line(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

impl RunObserver for Progress {
    fn on_event(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Opened { .. } | RunEvent::StackChecked { .. } => {}
            RunEvent::Preparing { message } => self.print_line(message),
            RunEvent::Starting { stack } => self.show_activity(format!("starting {stack}")),
            RunEvent::Checked { stack, check, request, status, outcome } => {
                self.on_checked(stack, check, outcome);
                self.on_response(stack, request, *status, outcome);
            }
            RunEvent::RoundsPlanned { visits, made } => self.on_rounds_planned(*visits, *made),
            RunEvent::Confirming { cells } => self.on_confirming(cells),
            RunEvent::MoreRoundsPlanned { look, visits } => self.on_more_rounds_planned(*look, *visits),
            RunEvent::RoundStarted { block, load, stack } => {
                self.on_block(*block);
                self.show_activity(format!("{load} on {stack}"));
            }
            RunEvent::RoundEnded { round } => self.on_round_ended(round),
            RunEvent::Unavailable { stack, missing } => {
                self.show_activity(format!("{stack} is unavailable: {}", first_line(missing)));
            }
            // The report shows the whole error.
            RunEvent::Failed { stack, error } => {
                self.print_line(&format!("{stack} could not run: {}", first_line(error)));
            }
        }
    }
}

impl Progress {
    fn on_checked(&self, stack: &str, check: &str, outcome: &Result<&[CheckFinding], &str>) {
        self.show_activity(format!("checking {stack}: {check}"));
        match outcome {
            Ok(findings) if findings.iter().all(|finding| finding.agrees) => {}
            Ok(_) => self.print_line(&format!("check failed on {stack}: {check}")),
            Err(error) => self.print_line(&format!("no response from {stack}: {check}: {error}")),
        }
    }

    /// With `verbose`: the request, and what the response was compared with.
    fn on_response(&self, stack: &str, request: &str, status: Option<u16>, outcome: &Result<&[CheckFinding], &str>) {
        if !self.verbose {
            return;
        }
        let status = status.map_or("no response".to_owned(), |status| status.to_string());
        self.print_line(&format!("{stack}: {request}: {status}"));
        for finding in outcome.iter().copied().flatten() {
            let mark = if finding.agrees { "=" } else { "!" };
            self.print_line(&format!("  {mark} {}: {}", finding.field, finding.observed));
        }
    }

    fn on_confirming(&mut self, cells: &[Cell]) {
        self.is_confirming = true;
        let first: Vec<String> =
            cells.iter().take(3).map(|cell| format!("{} under {} of {}", cell.metric, cell.load, cell.stack)).collect();
        let more = match cells.len().saturating_sub(first.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.print_line(&format!("measured once more, because it fails: {}{more}", first.join(", ")));
    }

    fn on_rounds_planned(&mut self, visits: usize, made: usize) {
        self.planned = visits;
        self.rounds = made;
        if let Some(bar) = &self.bar {
            bar.set_length(visits as u64);
            bar.set_position(made as u64);
            bar.set_style(style("{bar:24} {pos}/{len} rounds · {msg}"));
        } else if visits > 0 {
            let lead = if self.is_confirming { "the second sample decides" } else { "the checks are done" };
            self.print_line(&format!("{lead}; {} rounds to run", visits.saturating_sub(made)));
        }
    }

    fn on_more_rounds_planned(&mut self, look: usize, visits: usize) {
        self.planned += visits;
        if let Some(bar) = &self.bar {
            bar.inc_length(visits as u64);
        }
        self.print_line(&format!("undecided after look {look}: up to {visits} more rounds"));
    }

    /// Without a bar, prints the time left when a block begins.
    fn on_block(&mut self, block: u32) {
        let pace = self.pace.get_or_insert_with(|| Pace { since: Instant::now(), made: 0 });
        let is_due = block != self.block && pace.made > 0 && self.last_estimate.elapsed() >= ESTIMATE_INTERVAL;
        self.block = block;
        if self.bar.is_some() || !is_due {
            return;
        }
        self.last_estimate = Instant::now();
        if let Some(left) = self.remaining_time() {
            let (number, made, planned) = (block + 1, self.rounds, self.planned);
            self.print_line(&format!("block {number} begins: {made} of {planned} rounds done, {left}"));
        }
    }

    fn on_round_ended(&mut self, round: &RoundRecord) {
        self.rounds += 1;
        if let Some(pace) = &mut self.pace {
            pace.made += 1;
        }
        // Blocks that replace invalid rounds are not part of the plan.
        let planned = self.planned.max(self.rounds);
        match &self.bar {
            Some(bar) => {
                // One finished round gives the first estimate of the time left.
                bar.set_style(style("{bar:24} {pos}/{len} rounds{prefix} · {msg}"));
                bar.set_length(planned as u64);
                bar.set_prefix(self.remaining_time().map_or_else(String::new, |left| format!(", {left}")));
                bar.inc(1);
            }
            None => self.print_line(&format!("round {}/{planned}  {}", self.rounds, summary(round))),
        }
        self.show_activity(String::new());
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// How long `remaining` rounds will take if `made` rounds took `elapsed`.
fn time_left(elapsed: Duration, made: u32, remaining: u32) -> Duration {
    elapsed / made.max(1) * remaining
}

/// Rounds to ten seconds, above two minutes to minutes.
fn approximate(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("about {} s", seconds.div_ceil(10).max(1) * 10),
        seconds @ ..3600 => format!("about {} min", (seconds + 30) / 60),
        seconds => {
            let minutes = (seconds + 30) / 60;
            format!("about {} h {} min", minutes / 60, minutes % 60)
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
    let rate = metric(Metric::Throughput).map_or_else(|| "no success".to_owned(), |rate| grouped(rate) + " req/s");
    let p99 = metric(Metric::P99).map_or_else(String::new, |us| format!(", p99 {}", micros(us)));
    let failed: u64 = measured.failed.values().sum();
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let invalid = if measured.is_valid() { "" } else { " (invalid)" };
    format!("{what}: {rate}{p99}{failed}{invalid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_average_round() {
        let left = |elapsed, made, remaining| approximate(time_left(Duration::from_secs(elapsed), made, remaining));
        assert_eq!(left(10, 1, 0), "about 10 s", "never zero");
        assert_eq!(left(36, 3, 4), "about 50 s");
        assert_eq!(left(258, 22, 242), "about 47 min");
        assert_eq!(left(12, 1, 330), "about 1 h 6 min");
        assert_eq!(left(3599, 1, 1), "about 60 min");
    }
}
