//! The gate: a run's facts against the committed ones, and the scenario's margins. Pure.

use super::ratios::{RatioFact, Ratios};
use crate::exit::Exit;
use crate::measure::signed_rank::{Interval, SignedRankInterval};
use crate::measure::stats::Estimate;
use crate::measure::verdict::{self, Better};
use crate::record::{FactsVerdict, GateOutcome, MetricVerdict, RatioInterval, Verdict};
use crate::scenario::model::{Gate, Metric};

/// Judges every ratio that has a margin.
#[must_use]
pub fn judge_ratios(gate: &Gate, run: &Ratios, committed: Option<&Ratios>) -> Vec<MetricVerdict> {
    let mut verdicts = Vec::new();
    for fact in &run.ratios {
        let Some((metric, margin)) = gate.margins.iter().find(|(metric, _)| metric.name() == fact.metric) else {
            continue;
        };
        let known = committed.and_then(|ratios| ratios.find(fact));
        let (change, verdict) = match known {
            Some(known) => compare(*metric, *margin, fact, known),
            None => (None, Verdict::Incomparable),
        };
        verdicts.push(MetricVerdict {
            load: fact.load.clone(),
            stack: fact.stack.clone(),
            metric: fact.metric.clone(),
            margin: *margin,
            ratio: Some(fact.ratio),
            committed: known.map(|known| known.ratio),
            change,
            verdict,
        });
    }
    // A committed ratio that this run has no valid rounds for must not vanish in silence.
    let missing = committed.into_iter().flat_map(|ratios| &ratios.ratios).filter(|known| run.find(known).is_none());
    for known in missing {
        let margin = gate.margins.iter().find(|(metric, _)| metric.name() == known.metric).map(|(_, margin)| *margin);
        if let Some(margin) = margin {
            verdicts.push(MetricVerdict {
                load: known.load.clone(),
                stack: known.stack.clone(),
                metric: known.metric.clone(),
                margin,
                ratio: None,
                committed: Some(known.ratio),
                change: None,
                verdict: Verdict::Invalid,
            });
        }
    }
    verdicts
}

/// The change between two ratios. Its interval runs from the worst of one against the best of the other, which holds
/// at least as often as both intervals do.
fn compare(metric: Metric, margin: f64, run: &RatioFact, known: &RatioFact) -> (Option<RatioInterval>, Verdict) {
    let (Some(run_interval), Some(known_interval)) = (run.interval, known.interval) else {
        return (None, Verdict::Inconclusive);
    };
    let change = RatioInterval {
        lower: run_interval.lower / known_interval.upper,
        upper: run_interval.upper / known_interval.lower,
        confidence: run_interval.confidence.min(known_interval.confidence),
    };
    let (lower, upper) = (change.lower.ln(), change.upper.ln());
    let signed_rank = SignedRankInterval::Exact(Interval { lower, upper, confidence: change.confidence });
    let log_ratio = (run.ratio / known.ratio).ln();
    let estimate = Estimate { rounds: run.rounds, log_ratio, signed_rank, t: None };
    let better = if metric.more_is_better() { Better::More } else { Better::Less };
    let verdict = match verdict::judge(&estimate, margin, better) {
        verdict::Verdict::Pass => Verdict::Pass,
        verdict::Verdict::Fail => Verdict::Fail,
        verdict::Verdict::Improved => Verdict::Improved,
        verdict::Verdict::Inconclusive { .. } => Verdict::Inconclusive,
    };
    (Some(change), verdict)
}

/// The exit code. A failed check fails with or without the gate; a changed fact and a *fail* verdict only when
/// `gated`; what is undecided only when `strict` as well.
#[must_use]
pub fn exit(outcome: &GateOutcome, gated: bool, strict: bool) -> Exit {
    let is = |verdict: Verdict| outcome.metrics.iter().any(|metric| metric.verdict == verdict);
    if outcome.failed_checks > 0 {
        return Exit::Failed;
    }
    if outcome.could_not_run > 0 {
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
mod tests {
    use super::*;

    fn fact(metric: &str, ratio: f64, half_width: f64) -> RatioFact {
        RatioFact {
            load: "l".to_owned(),
            stack: "s".to_owned(),
            reference: "r".to_owned(),
            metric: metric.to_owned(),
            ratio,
            interval: Some(RatioInterval {
                lower: ratio / (1.0 + half_width),
                upper: ratio * (1.0 + half_width),
                confidence: 0.9688,
            }),
            rounds: 6,
        }
    }

    fn ratios(fact: RatioFact) -> Ratios {
        Ratios { machine: String::new(), ratios: vec![fact] }
    }

    fn verdict(metric: Metric, committed: f64, run: f64, half_width: f64) -> Verdict {
        let gate = Gate { margins: [(metric, 0.10)].into() };
        let committed = ratios(fact(metric.name(), committed, half_width));
        let run = ratios(fact(metric.name(), run, half_width));
        judge_ratios(&gate, &run, Some(&committed))[0].verdict
    }

    #[test]
    fn each_direction_has_its_own_worse() {
        use Metric::{CpuPerRequest, Throughput};
        assert_eq!(verdict(CpuPerRequest, 2.0, 2.0, 0.01), Verdict::Pass);
        assert_eq!(verdict(CpuPerRequest, 2.0, 2.4, 0.01), Verdict::Fail);
        assert_eq!(verdict(CpuPerRequest, 2.0, 1.6, 0.01), Verdict::Improved);
        assert_eq!(verdict(Throughput, 0.5, 0.5, 0.01), Verdict::Pass);
        assert_eq!(verdict(Throughput, 0.5, 0.4, 0.01), Verdict::Fail);
        assert_eq!(verdict(Throughput, 0.5, 0.6, 0.01), Verdict::Improved);
        assert_eq!(verdict(Throughput, 0.5, 0.45, 0.05), Verdict::Inconclusive);
    }

    #[test]
    fn without_a_margin_nothing_is_judged_and_without_a_snapshot_nothing_can_be() {
        let run = ratios(fact("p99", 1.0, 0.1));
        assert_eq!(judge_ratios(&Gate::default(), &run, None), []);
        let gate = Gate { margins: [(Metric::P99, 0.1)].into() };
        assert_eq!(judge_ratios(&gate, &run, None)[0].verdict, Verdict::Incomparable);
    }

    #[test]
    fn a_committed_ratio_without_a_counterpart_is_invalid_and_not_forgotten() {
        let gate = Gate { margins: [(Metric::P99, 0.1)].into() };
        let none = Ratios { machine: String::new(), ratios: vec![] };
        let verdicts = judge_ratios(&gate, &none, Some(&ratios(fact("p99", 1.0, 0.1))));
        assert_eq!(verdicts[0].verdict, Verdict::Invalid);
    }

    #[test]
    fn exit_codes_are_as_documented() {
        let metric = |verdict| {
            let change = None;
            let (load, stack, metric) = (String::new(), String::new(), String::new());
            MetricVerdict { load, stack, metric, margin: 0.1, ratio: Some(1.0), committed: None, change, verdict }
        };
        let with = |facts, verdict| GateOutcome { facts, metrics: vec![metric(verdict)], ..GateOutcome::default() };
        let cases = [
            (with(FactsVerdict::Same, Verdict::Pass), [Exit::Ok, Exit::Ok, Exit::Ok]),
            (with(FactsVerdict::Same, Verdict::Improved), [Exit::Ok, Exit::Ok, Exit::Ok]),
            (with(FactsVerdict::Changed, Verdict::Pass), [Exit::Ok, Exit::Failed, Exit::Failed]),
            (with(FactsVerdict::Same, Verdict::Fail), [Exit::Ok, Exit::Failed, Exit::Failed]),
            (with(FactsVerdict::Same, Verdict::Inconclusive), [Exit::Ok, Exit::Ok, Exit::Inconclusive]),
            (with(FactsVerdict::New, Verdict::Incomparable), [Exit::Ok, Exit::Ok, Exit::Inconclusive]),
            (GateOutcome { failed_checks: 1, could_not_run: 1, ..GateOutcome::default() }, [Exit::Failed; 3]),
            (GateOutcome { could_not_run: 1, ..GateOutcome::default() }, [Exit::CouldNotRun; 3]),
        ];
        for (outcome, expected) in cases {
            let exits = [exit(&outcome, false, false), exit(&outcome, true, false), exit(&outcome, true, true)];
            assert_eq!(exits, expected, "{outcome:?}");
        }
    }
}
