//! One line of verdict for each benchmark.

use std::collections::BTreeSet;
use std::fmt;

use lab_stats::decision::{Baseline, Correction, Looks, MetricTest, decide};
use lab_stats::estimate::{estimate, log_ratios};
use lab_stats::verdict::{Direction, InconclusiveReason, Verdict};

use crate::callgrind::Counts;
use crate::criterion::Times;

/// Where the linker puts a loop moves it by several per cent without any change in it, in every round alike. Beyond the margin, a
/// path that executes as many instructions as before does not fail.
pub(crate) const TIME_MARGIN: f64 = 0.10;

pub(crate) const INSTRUCTIONS_MARGIN: f64 = 0.01;

/// How many benchmarks ended in which way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    improved: usize,
    inconclusive: usize,
    /// Slower without more instructions.
    unexplained: usize,
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

    /// Counts a benchmark that became slower without executing more instructions. Returns its word.
    fn add_unexplained(&mut self) -> &'static str {
        self.unexplained += 1;
        "slower"
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { passed, failed, improved, inconclusive, unexplained } = self;
        write!(f, "{passed} passed, {failed} failed, {improved} improved, {inconclusive} inconclusive")?;
        match unexplained {
            0 => Ok(()),
            count => write!(
                f,
                ", {count} slower with the same instructions: the linker placed the code elsewhere, or it waits for memory"
            ),
        }
    }
}

/// The instructions of the hot paths in two versions, as far as both were counted.
#[derive(Default)]
pub(crate) struct Instructions {
    pub(crate) base: Counts,
    pub(crate) head: Counts,
}

impl Instructions {
    /// The ratio of a path's instructions, if both versions have the path.
    fn ratio(&self, name: &str) -> Option<f64> {
        Some(self.head.get(name)? / self.base.get(name)?)
    }

    /// Prints a line for each path. Counts repeat, so that a ratio needs no interval.
    pub(crate) fn report(&self, tally: &mut Tally) {
        let Instructions { base, head } = self;
        let width = base.keys().chain(head.keys()).map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, count) in head {
            let (Some(before), Some(ratio)) = (base.get(name), self.ratio(name)) else {
                println!("  {name:<width$}  new: compared with nothing ({count:.0})");
                continue;
            };
            let word = tally.add(instructions_verdict(ratio));
            println!("  {name:<width$}  {word:<12}  {ratio:.4}  {before:.0} → {count:.0}");
        }
        for name in base.keys().filter(|name| !head.contains_key(*name)) {
            println!("  {name:<width$}  gone");
        }
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
    pub(crate) fn report(&self, instructions: &Instructions, tally: &mut Tally) {
        for line in self.lines(instructions, tally) {
            println!("  {line}");
        }
    }

    /// The benchmarks share the error of a run, as the metrics of lab's own gate do.
    fn lines(&self, instructions: &Instructions, tally: &mut Tally) -> Vec<String> {
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
            let counted = instructions.ratio(name);
            let is_unexplained = result.verdict == Verdict::Fail
                && counted.is_some_and(|ratio| instructions_verdict(ratio) == Verdict::Pass);
            if is_unexplained {
                let word = tally.add_unexplained();
                let counted = counted.unwrap_or(f64::NAN);
                return format!("{name:<width$}  {word:<12}  {ratio:.3}{interval}; instructions {counted:.4}");
            }
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

fn instructions_verdict(ratio: f64) -> Verdict {
    match ratio - 1.0 {
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
        let lines = Comparison::of_times(&base, &head).lines(&Instructions::default(), &mut tally);
        let starts = ["head/parse  FAIL          1.210  1.210 … 1.210", "phases/one  pass          1.010  1.010"];
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{lines:?}");
        }
        assert_eq!(lines[2..], ["phases/new  new: compared with nothing", "phases/old  gone"]);
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 0 improved, 0 inconclusive");
        assert!(tally.has_failures());
    }

    #[test]
    fn same_instructions_excuse_a_slower_time() {
        let comparison = Comparison::of_times(&rounds(&[("head/parse", 100.0)]), &rounds(&[("head/parse", 121.0)]));
        let counts = |count: f64| Counts::from([("head/parse".to_owned(), count)]);
        for (now, word, is_failure) in [(1002.0, "slower  ", false), (1012.0, "FAIL  ", true)] {
            let mut tally = Tally::default();
            let lines = comparison.lines(&Instructions { base: counts(1000.0), head: counts(now) }, &mut tally);
            assert!(lines[0].contains(word), "{lines:?}");
            assert_eq!(tally.has_failures(), is_failure, "{tally}");
        }
    }

    #[test]
    fn one_per_cent_more_instructions_is_the_margin() {
        let cases = [(1.0, Verdict::Pass), (1.009, Verdict::Pass), (1.011, Verdict::Fail), (0.98, Verdict::Improved)];
        for (ratio, verdict) in cases {
            assert_eq!(instructions_verdict(ratio), verdict);
        }
    }
}
