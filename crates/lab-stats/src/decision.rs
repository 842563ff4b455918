//! The whole decision of a run: several metrics, several looks, one promise.
//!
//! Pure. The promise: a run calls any metric *failed* (or any *improved*) that is not with a probability of at most
//! [`ALPHA`] = 2.5 % each, so that at most one run in twenty calls a change where there is none worth calling, however
//! many metrics are gated and however often is looked. It is kept by
//! - exact intervals ([`signed_rank`]), whatever the distribution of the noise, so long as it is symmetric (the random
//!   order within blocks makes it so where nothing has changed);
//! - looks declared beforehand, each with its equal share of the error (Bonferroni; dependence does not matter);
//! - Holm's procedure over the gated metrics of a look (Holm, *A simple sequentially rejective multiple test
//!   procedure*, Scand. J. Statist. 6, 1979). What an earlier look has called stays called and leaves the family:
//!   the smallest adjusted p-value over the looks only ever falls.
//!
//! *Pass* says that a metric is not worse than its margin. A gate passes when all of them do, and for such a claim
//! each needs its own level only (Berger, *Multiparameter hypothesis testing and acceptance sampling*, Technometrics
//! 24, 1982), so passes share the error between looks but not between metrics.

use crate::signed_rank::{self, Interval};
use crate::stats;
use crate::student_t;
use crate::verdict::{Better, Further, Limits, Verdict};

/// How often one end of an interval may be wrong over a whole run: half of 5 %.
pub const ALPHA: f64 = 0.025;

/// More rounds than this are not within reach.
const REACH: f64 = 10_000.0;

/// The standard normal quantile of four in five: further rounds are asked for so that they decide that often.
const CHANCE: f64 = 0.84;

/// After how many rounds is looked, all declared beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looks(Vec<u32>);

/// A list that cannot be one of looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("looks must be numbers of rounds above zero, each larger than the one before, and at least one")]
pub struct NoLooks;

impl Looks {
    /// After each of `rounds`.
    ///
    /// # Errors
    /// None, a zero, or one that is not larger than the one before.
    pub fn after(rounds: Vec<u32>) -> Result<Looks, NoLooks> {
        let ascending = rounds.windows(2).all(|pair| pair[0] < pair[1]);
        if ascending && rounds.first().is_some_and(|first| *first > 0) { Ok(Looks(rounds)) } else { Err(NoLooks) }
    }

    /// The rounds after which is looked, in ascending order; never empty.
    #[must_use]
    pub fn rounds(&self) -> &[u32] {
        &self.0
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The error that each look may make, of `total`.
    #[must_use]
    pub fn share(&self, total: f64) -> f64 {
        total / self.0.len() as f64
    }
}

/// One gated metric of one stack under one load.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Logarithms of the ratios to the reference stack, in the order of the blocks.
    pub log_ratios: &'a [f64],
    /// The same of the run this one is compared with; `None` compares with the reference stack itself.
    pub baseline: Option<&'a [f64]>,
    /// How much worse is worth failing for, as a fraction.
    pub margin: f64,
    /// Which way is better.
    pub better: Better,
}

/// What the rounds say to a [`Question`].
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What follows.
    pub verdict: Verdict,
    /// Which look decided, counted from 0; `None` when none did.
    pub look: Option<usize>,
    /// How many rounds of this run it was decided from, or was not.
    pub rounds: usize,
    /// The change on the scale of logarithms, at the level that decided; the level of the next step where nothing
    /// was. `None` for too few rounds.
    pub change: Option<Interval>,
}

/// Answers every question after the first `made` of the declared looks.
#[must_use]
pub fn decide(questions: &[Question<'_>], looks: &Looks, made: usize) -> Vec<Answer> {
    let share = looks.share(ALPHA);
    let mut answers: Vec<Option<Answer>> = vec![None; questions.len()];
    for (look, rounds) in looks.rounds().iter().enumerate().take(made) {
        let mut comparisons: Vec<Option<Comparison>> = Vec::new();
        for (question, answer) in questions.iter().zip(&answers) {
            comparisons.push(answer.is_none().then(|| Comparison::after(question, *rounds)));
        }
        for verdict in [Verdict::Fail, Verdict::Improved] {
            holm(&comparisons, &mut answers, share, look, verdict);
        }
        for (answer, comparison) in answers.iter_mut().zip(&comparisons) {
            if let (None, Some(comparison)) = (&answer, comparison) {
                *answer = comparison
                    .at(share)
                    .filter(|change| change.upper <= comparison.limits.worse)
                    .map(|change| comparison.answer(Verdict::Pass, Some(look), Some(change)));
            }
        }
    }
    let last = looks.rounds().iter().take(made).next_back().copied().unwrap_or(0);
    let not_failed = questions.len() - called(&answers, Verdict::Fail);
    let undecided = |question| Comparison::after(question, last).undecided(share / not_failed as f64, share);
    answers.into_iter().zip(questions).map(|(answer, question)| answer.unwrap_or_else(|| undecided(question))).collect()
}

/// How much worse the change is at the least, on the scale of logarithms, by the look that says most: at the level of
/// one of `family` metrics none of which has been called. `None` when no look has enough rounds.
#[must_use]
pub fn certainly_worse(question: &Question<'_>, looks: &Looks, family: usize) -> Option<f64> {
    let level = looks.share(ALPHA) / family.max(1) as f64;
    let at_look = |rounds: &u32| Comparison::after(question, *rounds).at(level).map(|change| change.lower);
    looks.rounds().iter().filter_map(at_look).reduce(f64::max)
}

/// One look of Holm's procedure in one direction: as long as a question is rejected at the error's share divided by
/// the number of those not rejected yet, it is, and the number falls.
fn holm(comparisons: &[Option<Comparison>], answers: &mut [Option<Answer>], share: f64, look: usize, verdict: Verdict) {
    loop {
        let level = share / (answers.len() - called(answers, verdict)) as f64;
        let mut any = false;
        for (answer, comparison) in answers.iter_mut().zip(comparisons) {
            if let (None, Some(comparison)) = (&answer, comparison)
                && let Some(change) = comparison.at(level).filter(|change| comparison.calls(verdict, *change))
            {
                *answer = Some(comparison.answer(verdict, Some(look), Some(change)));
                any = true;
            }
        }
        if !any || called(answers, verdict) == answers.len() {
            return;
        }
    }
}

fn called(answers: &[Option<Answer>], verdict: Verdict) -> usize {
    answers.iter().flatten().filter(|answer| answer.verdict == verdict).count()
}

/// A question after a look's rounds, on the scale of how much worse.
struct Comparison {
    limits: Limits,
    better: Better,
    run: Side,
    baseline: Option<Side>,
}

/// One side's rounds, prepared for intervals of any level.
struct Side {
    rounds: usize,
    averages: Vec<f64>,
}

impl Side {
    fn of(log_ratios: &[f64], better: Better) -> Side {
        let worse: Vec<f64> = log_ratios.iter().map(|log| better.worse(*log)).collect();
        Side { rounds: worse.len(), averages: signed_rank::walsh_averages(&worse) }
    }

    fn middle(&self) -> Option<f64> {
        stats::median_of_sorted(&self.averages)
    }

    fn at(&self, level: f64) -> Option<Interval> {
        signed_rank::bounds(&self.averages, self.rounds, level)
    }
}

impl Comparison {
    fn after(question: &Question<'_>, rounds: u32) -> Comparison {
        let run = &question.log_ratios[..question.log_ratios.len().min(rounds as usize)];
        Comparison {
            limits: Limits::of(question.margin, question.better),
            better: question.better,
            run: Side::of(run, question.better),
            baseline: question.baseline.map(|known| Side::of(known, question.better)),
        }
    }

    /// The change, with each end wrong at most as often as `level`. Against a committed run it goes from the worst of
    /// one against the best of the other, each at half the level: which holds whatever the noise of either was, on
    /// whichever machine.
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

    fn answer(&self, verdict: Verdict, look: Option<usize>, change: Option<Interval>) -> Answer {
        let change = change.map(|change| self.better.worse_interval(change));
        Answer { verdict, look, rounds: self.run.rounds, change }
    }

    /// What is to be said when no look has decided; `call` is the level at which a failure would be called, `pass`
    /// that at which a pass would.
    fn undecided(&self, call: f64, pass: f64) -> Answer {
        let further = self.further(call, pass);
        self.answer(Verdict::Inconclusive(further), None, self.at(call))
    }

    /// What it would take: the width of an interval goes with one over the square root of the number of rounds, and
    /// has to fit between the estimate and the margin with room for the estimate to move.
    fn further(&self, call: f64, pass: f64) -> Further {
        let halved = if self.baseline.is_some() { 2.0 } else { 1.0 };
        let needed = signed_rank::fewest(call / halved);
        if self.baseline.as_ref().is_some_and(|known| known.rounds < needed) {
            return Further::Baseline;
        }
        let missing = needed.saturating_sub(self.run.rounds);
        if missing > 0 {
            return Further::Rounds(missing as u32);
        }
        let known_middle = self.baseline.as_ref().and_then(Side::middle).unwrap_or(0.0);
        let Some(middle) = self.run.middle().map(|run| run - known_middle) else { return Further::OutOfReach };
        let passes = middle <= self.limits.worse;
        let level = if passes { pass } else { call } / halved;
        let (Some(run), known) = (self.run.at(level), self.baseline.as_ref().and_then(|known| known.at(level))) else {
            return Further::OutOfReach;
        };
        // Towards the margin: the upper end of what would pass, the lower end of what would fail.
        let run_middle = middle + known_middle;
        let width = if passes { run.upper - run_middle } else { run_middle - run.lower };
        let known_width =
            known.map_or(0.0, |known| if passes { known_middle - known.lower } else { known.upper - known_middle });
        let room = (self.limits.worse - middle).abs() - known_width;
        if room <= 0.0 {
            return if self.baseline.is_some() { Further::Baseline } else { Further::OutOfReach };
        }
        let rounds = self.run.rounds as f64;
        let quantile = student_t::quantile(1.0 - 2.0 * level, self.run.rounds.max(2) as u32 - 1);
        let total = rounds * (width / room * (1.0 + CHANCE / quantile)).powi(2);
        let further = (total - rounds).ceil().max(1.0);
        if further <= REACH { Further::Rounds(further as u32) } else { Further::OutOfReach }
    }
}

#[cfg(test)]
mod tests;
