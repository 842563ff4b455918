//! The gate: a run's facts against the committed ones, and the scenario's margins. Pure.

use super::ratios::{RatioFact, Ratios};
use crate::exit::Exit;
use crate::record::{Estimate, FactsVerdict, GateOutcome, MetricVerdict, Ratio, RatioInterval, Verdict};
use crate::scenario::model::{Against, Gate, Metric};
use lab_stats::decision::{self, Answer, Looks, Question};
use lab_stats::verdict::{self, Better, Further};

/// What a run's ratios are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The scenario's margins, and what they are against.
    pub gate: &'a Gate,
    /// The reference stack: it is not judged itself.
    pub reference: &'a str,
    /// All looks that were declared.
    pub looks: &'a Looks,
    /// How many of them have been made.
    pub made: usize,
}

/// Judges every ratio that has a margin.
///
/// `now` are this run's ratios as they would be committed, of which only what the loads were is used here.
#[must_use]
pub fn judge(rules: Rules<'_>, estimates: &[Estimate], now: &Ratios, committed: Option<&Ratios>) -> Vec<MetricVerdict> {
    let Rules { gate, reference, looks, made } = rules;
    let margin = |name: &str| {
        let gated = gate.margins.iter().find(|(metric, _)| metric.name() == name);
        gated.map(|(metric, margin)| (*metric, *margin))
    };
    let mut cases: Vec<Case<'_>> = Vec::new();
    for estimate in estimates.iter().filter(|estimate| estimate.stack != reference) {
        if let Some((metric, margin)) = margin(&estimate.metric) {
            cases.push(Case::of(gate.against, metric, margin, estimate, now, committed));
        }
    }
    // Only those that can be decided belong to the family that shares the error.
    let questions: Vec<Question<'_>> = cases.iter().filter_map(Case::question).collect();
    let mut answers = decision::decide(&questions, looks, made).into_iter();
    let answered = |case: &Case<'_>| case.verdict(if case.obstacle.is_some() { None } else { answers.next() });
    let mut verdicts: Vec<MetricVerdict> = cases.iter().map(answered).collect();
    // A committed ratio that the scenario no longer has must not vanish in silence.
    if gate.against == Against::Snapshot {
        let is_judged = |known: &RatioFact| {
            estimates.iter().any(|e| e.load == known.load && e.stack == known.stack && e.metric == known.metric)
        };
        for known in committed.into_iter().flat_map(|ratios| &ratios.ratios).filter(|known| !is_judged(known)) {
            if let Some((_, margin)) = margin(&known.metric) {
                verdicts.push(gone(known, margin));
            }
        }
    }
    verdicts
}

/// One gated ratio and what it is compared with, or why it cannot be.
struct Case<'a> {
    metric: Metric,
    margin: f64,
    estimate: &'a Estimate,
    known: Option<&'a RatioFact>,
    baseline: Option<Vec<f64>>,
    obstacle: Option<(Verdict, String)>,
}

impl<'a> Case<'a> {
    fn of(
        against: Against,
        metric: Metric,
        margin: f64,
        estimate: &'a Estimate,
        now: &Ratios,
        committed: Option<&'a Ratios>,
    ) -> Case<'a> {
        let known = committed
            .filter(|_| against == Against::Snapshot)
            .and_then(|committed| committed.find(&estimate.load, &estimate.stack, &estimate.metric));
        let obstacle = match (&estimate.ratio, against) {
            (None, _) => {
                Some((Verdict::Invalid, "no block in which it and the reference stack have valid rounds".to_owned()))
            }
            (Some(ratio), _) if !ratio.driver_bound.is_empty() => {
                let stacks = ratio.driver_bound.join(" and ");
                Some((
                    Verdict::Incomparable,
                    format!("the driver set the pace on {stacks}, so this is no ratio of stacks"),
                ))
            }
            (Some(_), Against::Reference) => None,
            (Some(ratio), Against::Snapshot) => {
                incomparable(ratio, estimate, known, now, committed).map(|why| (Verdict::Incomparable, why))
            }
        };
        let baseline = known.map(RatioFact::log_ratios);
        Case { metric, margin, estimate, known, baseline, obstacle }
    }

    fn better(&self) -> Better {
        if self.metric.more_is_better() { Better::More } else { Better::Less }
    }

    fn question(&self) -> Option<Question<'_>> {
        let ratio = self.estimate.ratio.as_ref().filter(|_| self.obstacle.is_none())?;
        Some(Question {
            log_ratios: &ratio.log_ratios,
            baseline: self.baseline.as_deref(),
            margin: self.margin,
            better: self.better(),
        })
    }

    fn verdict(&self, answer: Option<Answer>) -> MetricVerdict {
        let mut judged = MetricVerdict {
            load: self.estimate.load.clone(),
            stack: self.estimate.stack.clone(),
            metric: self.estimate.metric.clone(),
            margin: self.margin,
            ratio: self.estimate.ratio.as_ref().map(|ratio| ratio.ratio),
            committed: self.known.map(|known| known.ratio),
            change: None,
            verdict: Verdict::Invalid,
            look: None,
            rounds: self.estimate.ratio.as_ref().map_or(0, |ratio| ratio.log_ratios.len()),
            further_rounds: None,
            because: None,
        };
        if let Some((verdict, because)) = &self.obstacle {
            (judged.verdict, judged.because) = (*verdict, Some(because.clone()));
        }
        if let Some(answer) = answer {
            judged.change = answer.change.map(RatioInterval::from_logs);
            judged.look = answer.look.map(|look| look + 1);
            judged.rounds = answer.rounds;
            judged.verdict = match answer.verdict {
                verdict::Verdict::Pass => Verdict::Pass,
                verdict::Verdict::Fail => Verdict::Fail,
                verdict::Verdict::Improved => Verdict::Improved,
                verdict::Verdict::Inconclusive(further) => {
                    (judged.further_rounds, judged.because) = in_words(further);
                    Verdict::Inconclusive
                }
            };
        }
        judged
    }
}

/// Why a ratio cannot be compared with the committed one, if so.
fn incomparable(
    ratio: &Ratio,
    estimate: &Estimate,
    known: Option<&RatioFact>,
    now: &Ratios,
    committed: Option<&Ratios>,
) -> Option<String> {
    let (Some(known), Some(committed)) = (known, committed) else { return Some("no committed ratio".to_owned()) };
    if known.reference != ratio.reference {
        return Some(format!("the committed ratio is to {}, this one to {}", known.reference, ratio.reference));
    }
    let load = |ratios: &Ratios| ratios.loads.get(&estimate.load).cloned().unwrap_or_default();
    let (then, now) = (load(committed), load(now));
    (then != now).then(|| format!("the load was `{then}`, and is `{now}` now"))
}

fn in_words(further: Further) -> (Option<u32>, Option<String>) {
    match further {
        Further::Rounds(rounds) => (Some(rounds), None),
        Further::OutOfReach => (None, Some("too close to the margin for any number of rounds".to_owned())),
        Further::Baseline => {
            let because = "the committed ratio itself is from too few or too scattered rounds; accept one from more";
            (None, Some(because.to_owned()))
        }
    }
}

/// A committed ratio of something the scenario no longer has.
fn gone(known: &RatioFact, margin: f64) -> MetricVerdict {
    MetricVerdict {
        load: known.load.clone(),
        stack: known.stack.clone(),
        metric: known.metric.clone(),
        margin,
        ratio: None,
        committed: Some(known.ratio),
        change: None,
        verdict: Verdict::Incomparable,
        look: None,
        rounds: 0,
        further_rounds: None,
        because: Some("the scenario no longer has this stack or load".to_owned()),
    }
}

/// Whether another look could decide anything: something is inconclusive.
#[must_use]
pub fn is_open(verdicts: &[MetricVerdict]) -> bool {
    verdicts.iter().any(|metric| metric.verdict == Verdict::Inconclusive)
}

/// The exit code. A failed check fails with or without the gate, and so do errors under load that no snapshot knows; a changed fact and a *fail* verdict only when
/// `gated`; what is undecided only when `strict` as well.
#[must_use]
pub fn exit(outcome: &GateOutcome, gated: bool, strict: bool) -> Exit {
    let is = |verdict: Verdict| outcome.metrics.iter().any(|metric| metric.verdict == verdict);
    // Errors that were reviewed and committed are facts like any other.
    let unreviewed_errors = outcome.errors_under_load > 0 && outcome.facts != FactsVerdict::Same;
    if outcome.failed_checks > 0 || unreviewed_errors {
        return Exit::Failed;
    }
    if outcome.could_not_run > 0 || outcome.without_valid_rounds > 0 {
        return Exit::CouldNotRun;
    }
    if gated && (outcome.facts == FactsVerdict::Changed || is(Verdict::Fail)) {
        return Exit::Failed;
    }
    let new = outcome.facts == FactsVerdict::New;
    let undecided = is(Verdict::Inconclusive) || is(Verdict::Incomparable) || is(Verdict::Invalid) || new;
    if gated && strict && undecided {
        return Exit::Inconclusive;
    }
    Exit::Ok
}

#[cfg(test)]
mod tests;
