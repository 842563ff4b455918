//! One line of verdict for each benchmark.

use std::collections::BTreeSet;
use std::fmt;

use lab_stats::decision::{Baseline, Correction, Looks, MetricTest, decide};
use lab_stats::estimate::{estimate, log_ratios};
use lab_stats::verdict::{Direction, InconclusiveReason, Verdict};

use crate::callgrind::Counts;
use crate::criterion::Times;

/// Where the linker puts a loop moves it by several per cent without any change in it, in every round alike.
pub(crate) const TIME_MARGIN: f64 = 0.10;

pub(crate) const INSTRUCTIONS_MARGIN: f64 = 0.01;

/// How many benchmarks ended in which way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    improved: usize,
    inconclusive: usize,
}

impl Tally {
    pub(crate) fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// Counts a verdict. Returns its word.
    fn add(&mut self, verdict: Verdict) -> &'static str {
        let (count, word) = match verdict {
            Verdict::Pass => (&mut self.passed, "pass"),
            Verdict::Fail => (&mut self.failed, "FAIL"),
            Verdict::Improved => (&mut self.improved, "improved"),
            Verdict::Inconclusive(_) => (&mut self.inconclusive, "inconclusive"),
        };
        *count += 1;
        word
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { passed, failed, improved, inconclusive } = self;
        write!(f, "{passed} passed, {failed} failed, {improved} improved, {inconclusive} inconclusive")
    }
}

/// The times of two versions.
pub(crate) struct Comparison {
    /// The name of each benchmark that both have, and the logarithms of its ratios, round by round.
    series: Vec<(String, Vec<f64>)>,
    /// The names that only one version has, with what that says.
    alone: Vec<(String, &'static str)>,
}

impl Comparison {
    pub(crate) fn of_times(base: &[Times], head: &[Times]) -> Comparison {
        let names = |rounds: &[Times]| -> BTreeSet<String> { rounds.iter().flat_map(Times::keys).cloned().collect() };
        let (before, now) = (names(base), names(head));
        let series = before.intersection(&now).map(|name| {
            let rounds = base.iter().zip(head);
            let pairs: Vec<(f64, f64)> =
                rounds.filter_map(|(base, head)| Some((*head.get(name)?, *base.get(name)?))).collect();
            (name.clone(), log_ratios(&pairs).unwrap_or_default())
        });
        Comparison {
            series: series.collect(),
            alone: now
                .difference(&before)
                .map(|name| (name.clone(), "new: compared with nothing"))
                .chain(before.difference(&now).map(|name| (name.clone(), "gone")))
                .collect(),
        }
    }

    /// Prints a line for each benchmark.
    pub(crate) fn report(&self, tally: &mut Tally) {
        for line in self.lines(tally) {
            println!("  {line}");
        }
    }

    /// The benchmarks share the error of a run, as the metrics of lab's own gate do.
    fn lines(&self, tally: &mut Tally) -> Vec<String> {
        let rounds = self.series.iter().map(|(_, log_ratios)| log_ratios.len() as u32).max().unwrap_or(0);
        let Ok(looks) = Looks::new(vec![rounds]) else { return vec!["nothing to compare".to_owned()] };
        let tests = self.series.iter().map(|(_, log_ratios)| MetricTest {
            log_ratios,
            baseline: Baseline::NoChange,
            margin: TIME_MARGIN,
            direction: Direction::LowerIsBetter,
        });
        let results = decide(&tests.collect::<Vec<_>>(), &looks, 1, Correction::Holm);
        let width = self.width();
        let judged = self.series.iter().zip(results).map(|((name, log_ratios), result)| {
            let ratio = estimate(log_ratios, 0.95).map_or(f64::NAN, |estimate| estimate.ratio());
            let interval = result
                .change
                .map_or_else(String::new, |change| format!("  {:.3} … {:.3}", change.lower.exp(), change.upper.exp()));
            let further = match result.verdict {
                Verdict::Inconclusive(InconclusiveReason::TooFewRounds(rounds)) => {
                    format!("; {rounds} more rounds would probably decide it")
                }
                Verdict::Inconclusive(_) => "; too close to the margin".to_owned(),
                Verdict::Pass | Verdict::Fail | Verdict::Improved => String::new(),
            };
            format!("{name:<width$}  {:<12}  {ratio:.3}{interval}{further}", tally.add(result.verdict))
        });
        let judged: Vec<String> = judged.collect();
        judged.into_iter().chain(self.alone.iter().map(|(name, what)| format!("{name:<width$}  {what}"))).collect()
    }

    fn width(&self) -> usize {
        let names = self.series.iter().map(|(name, _)| name).chain(self.alone.iter().map(|(name, _)| name));
        names.map(|name| name.chars().count()).max().unwrap_or(0)
    }
}

/// Prints a line for each path. Counts repeat, so that a ratio needs no interval.
pub(crate) fn report_instructions(before: &Counts, now: &Counts, tally: &mut Tally) {
    let width = before.keys().chain(now.keys()).map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, count) in now {
        let Some(base) = before.get(name) else {
            println!("  {name:<width$}  new: compared with nothing ({count:.0})");
            continue;
        };
        let word = tally.add(instructions_verdict(*base, *count));
        println!("  {name:<width$}  {word:<12}  {:.4}  {base:.0} → {count:.0}", count / base);
    }
    for name in before.keys().filter(|name| !now.contains_key(*name)) {
        println!("  {name:<width$}  gone");
    }
}

fn instructions_verdict(before: f64, now: f64) -> Verdict {
    match now / before - 1.0 {
        change if change > INSTRUCTIONS_MARGIN => Verdict::Fail,
        change if change < -INSTRUCTIONS_MARGIN => Verdict::Improved,
        _ => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve rounds around `ns`, one per cent apart.
    fn rounds(times: &[(&str, f64)]) -> Vec<Times> {
        let scatter = |round: u32| 1.0 + 0.01 * (f64::from(round * 5 % 12) / 11.0 - 0.5);
        let round = |round| times.iter().map(|(name, ns)| ((*name).to_owned(), ns * scatter(round))).collect();
        (0..12).map(round).collect()
    }

    #[test]
    fn each_benchmark_has_a_line() {
        let base = rounds(&[("head/parse", 100.0), ("phases/one", 50.0), ("phases/old", 1.0)]);
        let head = rounds(&[("head/parse", 121.0), ("phases/one", 50.5), ("phases/new", 1.0)]);
        let mut tally = Tally::default();
        let lines = Comparison::of_times(&base, &head).lines(&mut tally);
        let starts = ["head/parse  FAIL          1.210  1.210 … 1.210", "phases/one  pass          1.010  1.010"];
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{lines:?}");
        }
        assert_eq!(lines[2..], ["phases/new  new: compared with nothing", "phases/old  gone"]);
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 0 improved, 0 inconclusive");
        assert!(tally.has_failures());
    }

    #[test]
    fn one_per_cent_more_instructions_is_the_margin() {
        for (now, verdict) in [(1000.0, Verdict::Pass), (1009.0, Verdict::Pass), (1011.0, Verdict::Fail)] {
            assert_eq!(instructions_verdict(1000.0, now), verdict);
        }
        assert_eq!(instructions_verdict(1000.0, 980.0), Verdict::Improved);
    }
}
