//! The gate: a run's ratios against their baseline and the scenario's margins, its values against the limits and against each
//! stack's past. Pure.

use super::limits::LimitedMetric;
use super::metric_change::MetricChange;
use super::past_metrics::PastMetric;
use super::ratios::{RatioFact, Ratios};
use crate::exit::Exit;
use crate::record::{
    Cell, Estimate, FactsVerdict, GateOutcome, LimitVerdict, MetricVerdict, OUT_OF_REACH, Ratio, Verdict,
};
use crate::scenario::model::{Against, Gate, Metric};
use lab_stats::decision::{self, Baseline, Looks, MetricTest, TestResult};
use lab_stats::verdict::Direction;

/// The inputs of the gate besides a run's own values.
#[derive(Debug, Clone, Copy)]
pub struct GateContext<'a> {
    pub gate: &'a Gate,
    /// The stacks that are compared with no other one, such as the reference.
    pub ungated: &'a [&'a str],
    /// All interim looks that the scenario declares.
    pub looks: &'a Looks,
    /// The number of looks made so far.
    pub made: usize,
    /// All that is judged, in a second sample; `None` is everything.
    pub cells: Option<&'a [Cell]>,
}

/// What a run measured, and what its ratios are compared with.
#[derive(Debug, Clone, Copy)]
pub struct RunValues<'a> {
    pub estimates: &'a [Estimate],
    /// This run's ratios as they would be committed, of which only the descriptions of the loads are used.
    pub now: &'a Ratios,
    pub committed: Option<&'a Ratios>,
    pub limited: &'a [LimitedMetric],
    pub past: &'a [PastMetric],
}

/// The verdicts on everything that the gate judges by intervals.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    pub metrics: Vec<MetricVerdict>,
    pub limits: Vec<LimitVerdict>,
}

impl Judgement {
    /// Whether another look could change anything: some verdict is inconclusive, and not because of what it is compared with.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let could_be_decided = |metric: &MetricVerdict| {
            let because = metric.because.as_deref();
            metric.verdict == Verdict::Inconclusive && because.is_none_or(|because| because == OUT_OF_REACH)
        };
        let mut limits = self.limits.iter().map(|limit| limit.verdict);
        self.metrics.iter().any(could_be_decided) || limits.any(|verdict| verdict == Verdict::Inconclusive)
    }
}

/// Judges every ratio that has a margin, every value that has a limit, and every value that has a margin and a past.
#[must_use]
pub fn judge(context: GateContext<'_>, run: RunValues<'_>) -> Judgement {
    let GateContext { gate, ungated, looks, made, cells } = context;
    let is_judged = |load: &str, stack: &str, metric: &str| {
        cells.is_none_or(|cells| cells.iter().any(|cell| cell.is(load, stack, metric)))
    };
    let RunValues { estimates, now, committed, limited, past } = run;
    let margin = |name: &str| {
        let gated = gate.margins.iter().find(|(metric, _)| metric.name() == name);
        gated.map(|(metric, margin)| (*metric, *margin))
    };
    let mut gated: Vec<GatedRatio<'_>> = Vec::new();
    let is_gated = |estimate: &&Estimate| !ungated.contains(&estimate.stack.as_str());
    let estimates_judged = estimates.iter().filter(is_gated);
    for estimate in estimates_judged.filter(|one| is_judged(&one.load, &one.stack, &one.metric)) {
        if let Some((metric, margin)) = margin(&estimate.metric) {
            gated.push(GatedRatio::new(gate.against, metric, margin, estimate, now, committed));
        }
    }
    let limited: Vec<&LimitedMetric> = limited.iter().filter(|one| one.is_judged(&is_judged)).collect();
    let past: Vec<&PastMetric> = past.iter().filter(|one| one.is_judged(&is_judged)).collect();
    // What can be decided is one family, which shares the error.
    let tests = gated.iter().filter_map(GatedRatio::test).chain(limited.iter().filter_map(|limit| limit.test()));
    let tests: Vec<MetricTest<'_>> = tests.chain(past.iter().filter_map(|metric| metric.test())).collect();
    let mut results = decision::decide(&tests, looks, made, gate.correction).into_iter();
    let mut answered =
        |case: &GatedRatio<'_>| case.verdict(if case.obstacle.is_some() { None } else { results.next() });
    let mut metrics: Vec<MetricVerdict> = gated.iter().map(&mut answered).collect();
    let limits = limited.iter().map(|limit| limit.verdict(limit.test().and_then(|_| results.next()))).collect();
    metrics.extend(past.iter().map(|metric| metric.verdict(metric.test().and_then(|_| results.next()))));
    // Report a committed ratio that the scenario no longer has.
    if gate.against == Against::Snapshot && cells.is_none() {
        let is_measured = |known: &RatioFact| {
            estimates.iter().any(|e| e.load == known.load && e.stack == known.stack && e.metric == known.metric)
        };
        for known in committed.into_iter().flat_map(|ratios| &ratios.ratios).filter(|known| !is_measured(known)) {
            if let Some((_, margin)) = margin(&known.metric) {
                metrics.push(missing_ratio(known, margin));
            }
        }
    }
    Judgement { metrics, limits }
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
            baseline: self.baseline.as_deref().map_or(Baseline::NoChange, Baseline::Rounds),
            margin: self.margin,
            direction: self.direction(),
        })
    }

    fn verdict(&self, result: Option<TestResult>) -> MetricVerdict {
        let change = match result {
            Some(result) => MetricChange::decided(result, || WIDE_COMMITTED_RATIO.to_owned()),
            None => MetricChange::impossible(self.obstacle.clone()),
        };
        let Estimate { load, stack, metric, ratio, .. } = self.estimate;
        change.verdict(MetricVerdict {
            margin: self.margin,
            ratio: ratio.as_ref().map(|ratio| ratio.ratio),
            committed: self.known.map(|known| known.ratio),
            rounds: ratio.as_ref().map_or(0, |ratio| ratio.log_ratios.len()),
            ..MetricVerdict::unjudged(load.clone(), stack.clone(), metric.clone())
        })
    }
}

const WIDE_COMMITTED_RATIO: &str =
    "the committed ratio itself is from too few or too scattered rounds; accept one from more";

const NO_COMMITTED_RATIO: &str = "no committed ratio";

/// Whether a gated ratio of this run lacks its committed counterpart.
#[must_use]
pub fn lacks_baseline(verdicts: &[MetricVerdict]) -> bool {
    verdicts.iter().any(|metric| metric.because.as_deref() == Some(NO_COMMITTED_RATIO))
}

/// Why a ratio cannot be compared with the committed one, if so.
fn incomparable(
    ratio: &Ratio,
    estimate: &Estimate,
    known: Option<&RatioFact>,
    now: &Ratios,
    committed: Option<&Ratios>,
) -> Option<String> {
    let (Some(known), Some(committed)) = (known, committed) else { return Some(NO_COMMITTED_RATIO.to_owned()) };
    if known.reference != ratio.reference {
        return Some(format!("the committed ratio is to {}, this one to {}", known.reference, ratio.reference));
    }
    let load = |ratios: &Ratios| ratios.loads.get(&estimate.load).cloned().unwrap_or_default();
    let (then, now) = (load(committed), load(now));
    (then != now).then(|| format!("the load was `{then}`, and is `{now}` now"))
}

/// The verdict on a committed ratio that the scenario no longer has.
fn missing_ratio(known: &RatioFact, margin: f64) -> MetricVerdict {
    MetricVerdict {
        margin,
        committed: Some(known.ratio),
        verdict: Verdict::Incomparable,
        because: Some("the scenario no longer has this stack or load".to_owned()),
        ..MetricVerdict::unjudged(known.load.clone(), known.stack.clone(), known.metric.clone())
    }
}

/// The exit code. A failed check fails the run with or without the gate, and so do errors under load that no snapshot has.
/// A changed fact, a *fail* verdict or a missing snapshot fails it only if `gated`, an undecided one only if also `strict`.
#[must_use]
pub fn exit(outcome: &GateOutcome, gated: bool, strict: bool) -> Exit {
    let is = |verdict: Verdict| {
        let limits = outcome.limits.iter().map(|limit| limit.verdict);
        outcome.metrics.iter().map(|metric| metric.verdict).chain(limits).any(|one| one == verdict)
    };
    // Errors that were reviewed and committed are facts like any other.
    let unreviewed_errors = outcome.errors_under_load > 0 && outcome.facts != FactsVerdict::Same;
    if outcome.failed_checks > 0 || unreviewed_errors {
        return Exit::Failed;
    }
    if outcome.could_not_run > 0 || outcome.without_valid_rounds > 0 {
        return Exit::CouldNotRun;
    }
    // A comparison with nothing is no success. A snapshot that was never committed must not keep CI green.
    let is_missing = !outcome.missing_snapshots.is_empty();
    if gated && (outcome.facts == FactsVerdict::Changed || is(Verdict::Fail) || is_missing) {
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
#[cfg(test)]
mod whole_table_tests;
