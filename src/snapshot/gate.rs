//! The gate: a run's ratios against the committed ones and the scenario's margins. Pure.

use super::ratios::{RatioFact, Ratios};
use crate::exit::Exit;
use crate::record::{Estimate, FactsVerdict, GateOutcome, MetricVerdict, Ratio, RatioInterval, Verdict};
use crate::scenario::model::{Against, Gate, Metric};
use lab_stats::decision::{self, Looks, MetricTest, TestResult};
use lab_stats::verdict::{self, Direction, InconclusiveReason};

/// The inputs of the gate besides a run's own ratios.
#[derive(Debug, Clone, Copy)]
pub struct GateContext<'a> {
    pub gate: &'a Gate,
    /// The reference stack, which is not gated itself.
    pub reference: &'a str,
    /// All interim looks that the scenario declares.
    pub looks: &'a Looks,
    /// The number of looks made so far.
    pub made: usize,
}

/// Evaluates every ratio that has a margin. Of `now`, this run's ratios as they would be committed, only the descriptions
/// of the loads are used.
#[must_use]
pub fn evaluate(
    context: GateContext<'_>,
    estimates: &[Estimate],
    now: &Ratios,
    committed: Option<&Ratios>,
) -> Vec<MetricVerdict> {
    let GateContext { gate, reference, looks, made } = context;
    let margin = |name: &str| {
        let gated = gate.margins.iter().find(|(metric, _)| metric.name() == name);
        gated.map(|(metric, margin)| (*metric, *margin))
    };
    let mut gated: Vec<GatedRatio<'_>> = Vec::new();
    for estimate in estimates.iter().filter(|estimate| estimate.stack != reference) {
        if let Some((metric, margin)) = margin(&estimate.metric) {
            gated.push(GatedRatio::new(gate.against, metric, margin, estimate, now, committed));
        }
    }
    // Only decidable ratios belong to the family that shares the error.
    let tests: Vec<MetricTest<'_>> = gated.iter().filter_map(GatedRatio::test).collect();
    let mut results = decision::decide(&tests, looks, made).into_iter();
    let answered = |case: &GatedRatio<'_>| case.verdict(if case.obstacle.is_some() { None } else { results.next() });
    let mut verdicts: Vec<MetricVerdict> = gated.iter().map(answered).collect();
    // Report a committed ratio that the scenario no longer has.
    if gate.against == Against::Snapshot {
        let is_measured = |known: &RatioFact| {
            estimates.iter().any(|e| e.load == known.load && e.stack == known.stack && e.metric == known.metric)
        };
        for known in committed.into_iter().flat_map(|ratios| &ratios.ratios).filter(|known| !is_measured(known)) {
            if let Some((_, margin)) = margin(&known.metric) {
                verdicts.push(missing_ratio(known, margin));
            }
        }
    }
    verdicts
}

/// A ratio with a margin, and its baseline or the reason why it has none.
struct GatedRatio<'a> {
    metric: Metric,
    margin: f64,
    estimate: &'a Estimate,
    known: Option<&'a RatioFact>,
    baseline: Option<Vec<f64>>,
    obstacle: Option<(Verdict, String)>,
}

impl<'a> GatedRatio<'a> {
    fn new(
        against: Against,
        metric: Metric,
        margin: f64,
        estimate: &'a Estimate,
        now: &Ratios,
        committed: Option<&'a Ratios>,
    ) -> GatedRatio<'a> {
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
        GatedRatio { metric, margin, estimate, known, baseline, obstacle }
    }

    fn direction(&self) -> Direction {
        if self.metric.more_is_better() { Direction::HigherIsBetter } else { Direction::LowerIsBetter }
    }

    fn test(&self) -> Option<MetricTest<'_>> {
        let ratio = self.estimate.ratio.as_ref().filter(|_| self.obstacle.is_none())?;
        Some(MetricTest {
            log_ratios: &ratio.log_ratios,
            baseline: self.baseline.as_deref(),
            margin: self.margin,
            direction: self.direction(),
        })
    }

    fn verdict(&self, result: Option<TestResult>) -> MetricVerdict {
        let mut evaluated = MetricVerdict {
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
            (evaluated.verdict, evaluated.because) = (*verdict, Some(because.clone()));
        }
        if let Some(result) = result {
            evaluated.change = result.change.map(RatioInterval::from_logs);
            evaluated.look = result.look.map(|look| look + 1);
            evaluated.rounds = result.rounds;
            evaluated.verdict = match result.verdict {
                verdict::Verdict::Pass => Verdict::Pass,
                verdict::Verdict::Fail => Verdict::Fail,
                verdict::Verdict::Improved => Verdict::Improved,
                verdict::Verdict::Inconclusive(further) => {
                    (evaluated.further_rounds, evaluated.because) = in_words(further);
                    Verdict::Inconclusive
                }
            };
        }
        evaluated
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

fn in_words(reason: InconclusiveReason) -> (Option<u32>, Option<String>) {
    match reason {
        InconclusiveReason::TooFewRounds(rounds) => (Some(rounds), None),
        InconclusiveReason::OutOfReach => (None, Some("too close to the margin for any number of rounds".to_owned())),
        InconclusiveReason::WideBaseline => {
            let because = "the committed ratio itself is from too few or too scattered rounds; accept one from more";
            (None, Some(because.to_owned()))
        }
    }
}

/// The verdict on a committed ratio that the scenario no longer has.
fn missing_ratio(known: &RatioFact, margin: f64) -> MetricVerdict {
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

/// Whether another look could change anything: some verdict is inconclusive.
#[must_use]
pub fn is_open(verdicts: &[MetricVerdict]) -> bool {
    verdicts.iter().any(|metric| metric.verdict == Verdict::Inconclusive)
}

/// The exit code. A failed check fails the run with or without the gate, and so do errors under load that no snapshot has.
/// A changed fact or a *fail* verdict fails it only if `gated`, an undecided one only if also `strict`.
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
