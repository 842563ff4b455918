//! The decision of a run: several metrics, several interim looks, one error rate.
//!
//! The guarantee: the probability that a run wrongly calls any metric *failed* is at most [`ALPHA`] = 2.5 %, and the same
//! for *improved*. At most one run in twenty reports a change beyond the margin where there is none, regardless of the
//! number of gated metrics and interim looks. It rests on
//! - exact intervals ([`signed_rank`]) for any symmetric noise; the random order within blocks makes it symmetric where
//!   nothing has changed;
//! - for earlier sessions, Student's prediction interval, which assumes that their levels are about normal on the logarithmic
//!   scale: eight sessions are too few for any interval of ranks;
//! - looks declared beforehand, each with an equal share of the error (Bonferroni, valid under any dependence);
//! - Holm's procedure over the gated metrics of a look (Holm, *A simple sequentially rejective multiple test
//!   procedure*, Scand. J. Statist. 6, 1979). A metric that an earlier look has called stays called and leaves the
//!   family: the smallest adjusted p-value over the looks can only fall.
//!
//! By choice, [`Correction::FalseDiscoveryRate`] bounds the expected share of false ones among the metrics called *failed*
//! instead, by the same number (Benjamini and Hochberg, *Controlling the false discovery rate*, J. R. Statist. Soc. B 57,
//! 1995). Where nothing has changed, both guarantees are the same. It holds for metrics that are independent or positively
//! dependent; for any dependence of n metrics the bound is the same times 1 + 1/2 + … + 1/n (Benjamini and Yekutieli, *The
//! control of the false discovery rate in multiple testing under dependency*, Ann. Statist. 29, 2001). Over the looks the shares
//! add up: what a look calls is part of all that is called, so its share of false ones there is no larger.
//!
//! *Pass* means that a metric is not worse than its margin. A gate passes when all its metrics do. For such a claim each
//! metric needs only its own level (Berger, *Multiparameter hypothesis testing and acceptance sampling*, Technometrics
//! 24, 1982), so passes share the error between looks but not between metrics.

mod series;

use crate::signed_rank::{self, Interval};
use crate::student_t;
use crate::verdict::{Direction, InconclusiveReason, Limits, Verdict};
use series::{BaselineSeries, Series};

/// The one-sided error rate of a whole run: half of 5 %.
pub const ALPHA: f64 = 0.025;

/// The largest practical number of further rounds.
const MAX_FURTHER_ROUNDS: f64 = 10_000.0;

/// The standard normal quantile of 80 %, the probability with which the suggested further rounds decide.
const POWER_QUANTILE: f64 = 0.84;

/// The interim looks of a run: the numbers of rounds after which it tests, declared beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looks(Vec<u32>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("looks must be numbers of rounds above zero, each larger than the one before, and at least one")]
pub struct LooksError;

impl Looks {
    /// Looks after each of `rounds`.
    ///
    /// # Errors
    /// The list is empty, holds a zero, or is not strictly ascending.
    pub fn new(rounds: Vec<u32>) -> Result<Looks, LooksError> {
        let ascending = rounds.windows(2).all(|pair| pair[0] < pair[1]);
        if ascending && rounds.first().is_some_and(|first| *first > 0) { Ok(Looks(rounds)) } else { Err(LooksError) }
    }

    /// The numbers of rounds in ascending order; never empty.
    #[must_use]
    pub fn rounds(&self) -> &[u32] {
        &self.0
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The share of each look in the error rate `total`.
    #[must_use]
    pub fn share(&self, total: f64) -> f64 {
        total / self.0.len() as f64
    }
}

/// How the error of a look is shared by the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Correction {
    /// Bounds the probability that any metric is called wrongly.
    #[default]
    Holm,
    /// Bounds the expected share of wrong calls among all calls. It finds more in a big table of which much has changed.
    FalseDiscoveryRate,
}

impl Correction {
    /// The level at which one more metric would be called, after `called` of `tests` were, of an error of `share`.
    fn next_level(self, share: f64, called: usize, tests: usize) -> f64 {
        match self {
            Correction::Holm => share / (tests - called) as f64,
            Correction::FalseDiscoveryRate => share * (called + 1) as f64 / tests as f64,
        }
    }
}

/// One gated metric of one stack under one load.
#[derive(Debug, Clone)]
pub struct MetricTest<'a> {
    /// Logarithms of the ratios to the reference stack, or of the values themselves, in the order of the blocks.
    pub log_ratios: &'a [f64],
    pub baseline: Baseline<'a>,
    /// The largest acceptable worsening, as a fraction.
    pub margin: f64,
    pub direction: Direction,
}

/// What the rounds of a [`MetricTest`] are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Baseline<'a> {
    /// A logarithm of zero: the reference stack itself.
    #[default]
    NoChange,
    /// The log ratios of another run.
    Rounds(&'a [f64]),
    /// The logarithms of the levels of earlier sessions. This session is one more of them: even if nothing has changed, it
    /// differs from their mean as they differ from each other.
    Sessions(&'a [f64]),
}

/// The result of a [`MetricTest`].
#[derive(Debug, Clone, PartialEq)]
pub struct TestResult {
    pub verdict: Verdict,
    /// The look that decided, counted from 0; `None` when none did.
    pub look: Option<usize>,
    /// The rounds of this run that the test used.
    pub rounds: usize,
    /// The change as a log ratio, at the level that decided; where none decided, at the level of the next step. `None` for
    /// too few rounds.
    pub change: Option<Interval>,
}

/// Runs every test after the first `made` of the declared looks.
#[must_use]
pub fn decide(tests: &[MetricTest<'_>], looks: &Looks, made: usize, correction: Correction) -> Vec<TestResult> {
    let share = looks.share(ALPHA);
    let mut results: Vec<Option<TestResult>> = vec![None; tests.len()];
    for (look, rounds) in looks.rounds().iter().enumerate().take(made) {
        let mut comparisons: Vec<Option<Comparison>> = Vec::new();
        for (test, result) in tests.iter().zip(&results) {
            // What an earlier look has called counts among the discoveries of this one if it is called here, too.
            let is_called = result.as_ref().is_some_and(|result| result.verdict != Verdict::Pass);
            let is_compared = result.is_none() || (is_called && correction == Correction::FalseDiscoveryRate);
            comparisons.push(is_compared.then(|| Comparison::after(test, *rounds)));
        }
        for verdict in [Verdict::Fail, Verdict::Improved] {
            match correction {
                Correction::Holm => holm(&comparisons, &mut results, share, look, verdict),
                Correction::FalseDiscoveryRate => {
                    benjamini_hochberg(&comparisons, &mut results, share, look, verdict);
                }
            }
        }
        for (result, comparison) in results.iter_mut().zip(&comparisons) {
            if let (None, Some(comparison)) = (&result, comparison) {
                *result = comparison
                    .at(share)
                    .filter(|change| change.upper <= comparison.limits.worse)
                    .map(|change| comparison.result(Verdict::Pass, Some(look), Some(change)));
            }
        }
    }
    let last = looks.rounds().iter().take(made).next_back().copied().unwrap_or(0);
    let failed = called(&results, Verdict::Fail);
    let undecided =
        |test| Comparison::after(test, last).undecided(correction.next_level(share, failed, tests.len()), share);
    results.into_iter().zip(tests).map(|(result, test)| result.unwrap_or_else(|| undecided(test))).collect()
}

/// The largest lower bound of the worsening over all looks, as a log ratio, at the level of one of `family` metrics of which
/// none has been called. `None` when no look has enough rounds.
#[must_use]
pub fn certainly_worse(test: &MetricTest<'_>, looks: &Looks, family: usize) -> Option<f64> {
    let level = looks.share(ALPHA) / family.max(1) as f64;
    let at_look = |rounds: &u32| Comparison::after(test, *rounds).at(level).map(|change| change.lower);
    looks.rounds().iter().filter_map(at_look).reduce(f64::max)
}

/// One look of Holm's procedure in one direction: rejects tests at the error's share divided by the number of tests not
/// rejected yet, until no further test is rejected.
fn holm(
    comparisons: &[Option<Comparison>],
    results: &mut [Option<TestResult>],
    share: f64,
    look: usize,
    verdict: Verdict,
) {
    loop {
        let level = Correction::Holm.next_level(share, called(results, verdict), results.len());
        let mut any = false;
        for (result, comparison) in results.iter_mut().zip(comparisons) {
            if let (None, Some(comparison)) = (&result, comparison)
                && let Some(change) = comparison.at(level).filter(|change| comparison.calls(verdict, *change))
            {
                *result = Some(comparison.result(verdict, Some(look), Some(change)));
                any = true;
            }
        }
        if !any || called(results, verdict) == results.len() {
            return;
        }
    }
}

/// One look of Benjamini and Hochberg's procedure in one direction: rejects the largest number of tests that are all rejected
/// at the error's share times this number divided by that of all tests.
fn benjamini_hochberg(
    comparisons: &[Option<Comparison>],
    results: &mut [Option<TestResult>],
    share: f64,
    look: usize,
    verdict: Verdict,
) {
    let mut count = results.len();
    while count > 0 {
        let level = Correction::FalseDiscoveryRate.next_level(share, count - 1, results.len());
        let mut rejected: Vec<(usize, Interval)> = Vec::new();
        for (index, (result, comparison)) in results.iter().zip(comparisons).enumerate() {
            // A test that was called in the other direction is no discovery in this one.
            let can_be_called = result.as_ref().is_none_or(|result| result.verdict == verdict);
            let change = comparison
                .as_ref()
                .filter(|_| can_be_called)
                .and_then(|comparison| comparison.at(level).filter(|change| comparison.calls(verdict, *change)));
            rejected.extend(change.map(|change| (index, change)));
        }
        if rejected.len() < count {
            // A smaller number has a lower level, which rejects no more than these.
            count = rejected.len();
            continue;
        }
        for (index, change) in rejected {
            if let (result @ None, Some(comparison)) = (&mut results[index], &comparisons[index]) {
                *result = Some(comparison.result(verdict, Some(look), Some(change)));
            }
        }
        return;
    }
}

fn called(results: &[Option<TestResult>], verdict: Verdict) -> usize {
    results.iter().flatten().filter(|result| result.verdict == verdict).count()
}

/// A test after a look's rounds, on the scale of [`Direction::worsening`].
struct Comparison {
    limits: Limits,
    direction: Direction,
    run: Series,
    baseline: Option<BaselineSeries>,
}

impl Comparison {
    fn after(test: &MetricTest<'_>, rounds: u32) -> Comparison {
        let run = &test.log_ratios[..test.log_ratios.len().min(rounds as usize)];
        Comparison {
            limits: Limits::new(test.margin, test.direction),
            direction: test.direction,
            run: Series::new(run, test.direction),
            baseline: BaselineSeries::new(test.baseline, test.direction),
        }
    }

    /// The change, with an error rate of at most `level` at each end. Against a baseline it combines opposite ends of the
    /// two intervals, each at half the level, which is valid whatever the noise of either run, on whichever machine. Of
    /// earlier sessions it is the prediction interval, which covers the level of one more session.
    fn at(&self, level: f64) -> Option<Interval> {
        let Some(baseline) = &self.baseline else { return self.run.at(level) };
        let (run, known) = (self.run.at(level / 2.0)?, baseline.at(level / 2.0)?);
        Some(Interval {
            lower: run.lower - known.upper,
            upper: run.upper - known.lower,
            confidence: run.confidence + known.confidence - 1.0,
        })
    }

    fn calls(&self, verdict: Verdict, change: Interval) -> bool {
        match verdict {
            Verdict::Fail => change.lower > self.limits.worse,
            Verdict::Improved => change.upper < self.limits.improved,
            Verdict::Pass | Verdict::Inconclusive(_) => false,
        }
    }

    fn result(&self, verdict: Verdict, look: Option<usize>, change: Option<Interval>) -> TestResult {
        let change = change.map(|change| self.direction.worsening_interval(change));
        TestResult { verdict, look, rounds: self.run.rounds, change }
    }

    /// The result when no look has decided. `call` is the level for a failure, `pass` that for a pass.
    fn undecided(&self, call: f64, pass: f64) -> TestResult {
        let reason = self.inconclusive_reason(call, pass);
        self.result(Verdict::Inconclusive(reason), None, self.at(call))
    }

    /// The reason, with the further rounds that would decide: the width of an interval shrinks with the square root of the
    /// number of rounds, and must fit between the estimate and the margin with room for the estimate to move.
    fn inconclusive_reason(&self, call: f64, pass: f64) -> InconclusiveReason {
        let halved = if self.baseline.is_some() { 2.0 } else { 1.0 };
        let needed = signed_rank::min_sample_size(call / halved);
        if self.baseline.as_ref().is_some_and(|known| known.is_too_short(call / halved)) {
            return InconclusiveReason::WideBaseline;
        }
        let missing = needed.saturating_sub(self.run.rounds);
        if missing > 0 {
            return InconclusiveReason::TooFewRounds(missing as u32);
        }
        let known_middle = self.baseline.as_ref().and_then(BaselineSeries::middle).unwrap_or(0.0);
        let Some(middle) = self.run.middle().map(|run| run - known_middle) else {
            return InconclusiveReason::OutOfReach;
        };
        let passes = middle <= self.limits.worse;
        let level = if passes { pass } else { call } / halved;
        let (Some(run), known) = (self.run.at(level), self.baseline.as_ref().and_then(|known| known.at(level))) else {
            return InconclusiveReason::OutOfReach;
        };
        // The end that faces the margin: the upper end for a pass, the lower end for a failure.
        let run_middle = middle + known_middle;
        let width = if passes { run.upper - run_middle } else { run_middle - run.lower };
        let known_width =
            known.map_or(0.0, |known| if passes { known_middle - known.lower } else { known.upper - known_middle });
        let room = (self.limits.worse - middle).abs() - known_width;
        if room <= 0.0 {
            return if self.baseline.is_some() {
                InconclusiveReason::WideBaseline
            } else {
                InconclusiveReason::OutOfReach
            };
        }
        let rounds = self.run.rounds as f64;
        let quantile = student_t::quantile(1.0 - 2.0 * level, self.run.rounds.max(2) as u32 - 1);
        let total = rounds * (width / room * (1.0 + POWER_QUANTILE / quantile)).powi(2);
        let further = (total - rounds).ceil().max(1.0);
        if further <= MAX_FURTHER_ROUNDS {
            InconclusiveReason::TooFewRounds(further as u32)
        } else {
            InconclusiveReason::OutOfReach
        }
    }
}

#[cfg(test)]
mod tests;
