//! What a person sees of a run while it runs: a bar on a terminal, lines elsewhere. On standard error, so that
//! standard output holds the report and nothing else.

use std::io::Write as _;
use std::time::{Duration, Instant};

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
    pace: Option<Pace>,
    /// When it was last said on lines how much time is left.
    said: Instant,
    block: u32,
}

/// How fast the rounds of this process go.
#[derive(Debug, Clone, Copy)]
struct Pace {
    since: Instant,
    made: u32,
}

/// On lines, the time left is said when a block begins, and no more often than this.
const BETWEEN_ESTIMATES: Duration = Duration::from_secs(30);

impl Progress {
    /// A bar if standard error is a terminal, lines if not, nothing if `quiet`.
    pub(super) fn new(quiet: bool) -> Progress {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress { bar, quiet, rounds: 0, planned: 0, pace: None, said: Instant::now(), block: 0 }
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

    /// The time left, in words: all rounds are thought to take as long as those of this process took on average. `None`
    /// before the first, and once all that were planned are made.
    fn left(&self) -> Option<String> {
        let Pace { since, made } = self.pace.filter(|pace| pace.made > 0)?;
        let remaining = u32::try_from(self.planned.saturating_sub(self.rounds)).ok().filter(|left| *left > 0)?;
        Some(in_words(time_left(since.elapsed(), made, remaining)) + " left")
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
                } else if *visits > 0 {
                    self.line(&format!("the checks are done; {} rounds to make", visits.saturating_sub(*made)));
                }
            }
            Event::MoreRoundsPlanned { look, visits } => {
                self.planned += visits;
                if let Some(bar) = &self.bar {
                    bar.inc_length(*visits as u64);
                }
                self.line(&format!("look {look} leaves something undecided: up to {visits} more rounds"));
            }
            Event::RoundStarted { block, load, stack } => {
                let pace = self.pace.get_or_insert_with(|| Pace { since: Instant::now(), made: 0 });
                if *block != self.block
                    && pace.made > 0
                    && self.bar.is_none()
                    && self.said.elapsed() >= BETWEEN_ESTIMATES
                {
                    self.said = Instant::now();
                    if let Some(left) = self.left() {
                        let (made, planned) = (self.rounds, self.planned);
                        self.line(&format!("block {} begins: {made} of {planned} rounds are made, {left}", *block + 1));
                    }
                }
                self.block = *block;
                self.now(format!("{load} on {stack}"));
            }
            Event::RoundEnded { round } => {
                self.rounds += 1;
                if let Some(pace) = &mut self.pace {
                    pace.made += 1;
                }
                if let Some(bar) = &self.bar {
                    // How long it will take is known once one round has.
                    bar.set_style(style("{bar:24} {pos}/{len} rounds{prefix} · {msg}"));
                    bar.set_length(self.planned.max(self.rounds) as u64);
                    bar.set_prefix(self.left().map_or_else(String::new, |left| format!(", {left}")));
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

/// How long `remaining` rounds will take, if `made` have taken `elapsed`.
fn time_left(elapsed: Duration, made: u32, remaining: u32) -> Duration {
    elapsed / made.max(1) * remaining
}

/// A time that is an estimate: to ten seconds, minutes above two of them, hours and minutes.
fn in_words(time: Duration) -> String {
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
    let rate = metric(Metric::Throughput).map_or_else(|| "no good answer".to_owned(), |rate| grouped(rate) + " req/s");
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
    fn the_time_left_is_that_of_the_rounds_so_far() {
        let left = |elapsed, made, remaining| in_words(time_left(Duration::from_secs(elapsed), made, remaining));
        assert_eq!(left(10, 1, 0), "about 10 s", "never nothing while something is left");
        assert_eq!(left(36, 3, 4), "about 50 s");
        assert_eq!(left(258, 22, 242), "about 47 min");
        assert_eq!(left(12, 1, 330), "about 1 h 6 min");
        assert_eq!(left(3599, 1, 1), "about 60 min");
    }
}
