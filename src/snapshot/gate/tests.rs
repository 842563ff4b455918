//! Tests the gate on hand-written estimates. The decision itself is tested in `lab_stats::decision`.

use super::*;
use crate::record::Unit;

/// Ten rounds at and around `ratio`.
fn estimate(metric: Metric, ratio: f64) -> Estimate {
    let log_ratios: Vec<f64> = (0..10).map(|round| ratio.ln() + 0.001 * (f64::from(round) - 4.5)).collect();
    Estimate {
        load: "l".to_owned(),
        stack: "s".to_owned(),
        metric: metric.name().to_owned(),
        unit: Unit::Us,
        rounds: 10,
        median: Some(1.0),
        ratio: Some(Ratio {
            reference: "r".to_owned(),
            ratio,
            log_ratios,
            interval: None,
            t_interval: None,
            driver_bound: Vec::new(),
        }),
    }
}

fn ratios(estimates: &[Estimate]) -> Ratios {
    let mut ratios = Ratios::from_estimates(String::new(), &[], estimates);
    ratios.loads = [("l".to_owned(), "goose, 16 users, /".to_owned())].into();
    ratios
}

fn evaluate_one(against: Against, metric: Metric, estimate: &Estimate, committed: Option<&Ratios>) -> MetricVerdict {
    let gate = Gate { against, margins: [(metric, 0.10)].into(), ..Gate::default() };
    let estimates = [estimate.clone()];
    evaluate_all(&gate, &estimates, committed).remove(0)
}

/// At the only look, with `r` as the reference.
fn evaluate_all(gate: &Gate, estimates: &[Estimate], committed: Option<&Ratios>) -> Vec<MetricVerdict> {
    let looks = Looks::new(vec![10]).unwrap();
    let context = GateContext { gate, ungated: &["r"], looks: &looks, made: 1, cells: None };
    judge(context, RunValues { estimates, now: &ratios(estimates), committed, limited: &[], past: &[] }).metrics
}

#[test]
fn each_direction_has_its_own_worse() {
    use Metric::{CpuPerRequest, Throughput};
    for (metric, committed, run, verdict) in [
        (CpuPerRequest, 2.0, 2.0, Verdict::Pass),
        (CpuPerRequest, 2.0, 2.4, Verdict::Fail),
        (CpuPerRequest, 2.0, 1.6, Verdict::Improved),
        (CpuPerRequest, 2.0, 2.2, Verdict::Inconclusive),
        (Throughput, 0.5, 0.5, Verdict::Pass),
        (Throughput, 0.5, 0.4, Verdict::Fail),
        (Throughput, 0.5, 0.6, Verdict::Improved),
    ] {
        let committed = ratios(&[estimate(metric, committed)]);
        let evaluated = evaluate_one(Against::Snapshot, metric, &estimate(metric, run), Some(&committed));
        assert_eq!(evaluated.verdict, verdict, "{metric:?} {run}");
        assert_eq!((evaluated.rounds, evaluated.look.is_some()), (10, verdict != Verdict::Inconclusive));
    }
}

#[test]
fn against_the_reference_stack_nothing_committed_is_needed() {
    for (run, verdict) in [(1.0, Verdict::Pass), (1.2, Verdict::Fail), (0.8, Verdict::Improved)] {
        let evaluated = evaluate_one(Against::Reference, Metric::P99, &estimate(Metric::P99, run), None);
        assert_eq!((evaluated.verdict, evaluated.committed), (verdict, None));
    }
}

#[test]
fn what_is_something_else_is_incomparable_and_says_why() {
    let run = estimate(Metric::P99, 1.0);
    let why = |committed: Option<&Ratios>| {
        let evaluated = evaluate_one(Against::Snapshot, Metric::P99, &run, committed);
        assert_eq!(evaluated.verdict, Verdict::Incomparable);
        evaluated.because.unwrap()
    };
    assert_eq!(why(None), "no committed ratio");
    let mut other = ratios(std::slice::from_ref(&run));
    other.ratios[0].reference = "q".to_owned();
    assert_eq!(why(Some(&other)), "the committed ratio is to q, this one to r");
    let mut other = ratios(std::slice::from_ref(&run));
    other.loads = [("l".to_owned(), "goose, 64 users, /".to_owned())].into();
    assert_eq!(why(Some(&other)), "the load was `goose, 64 users, /`, and is `goose, 16 users, /` now");
}

#[test]
fn without_a_margin_nothing_is_judged_and_the_reference_never_is() {
    let run = [estimate(Metric::P99, 1.0)];
    assert_eq!(evaluate_all(&Gate::default(), &run, None), []);
    let reference = Estimate { stack: "r".to_owned(), ratio: None, ..run[0].clone() };
    let gate = Gate { against: Against::Reference, margins: [(Metric::P99, 0.1)].into(), ..Gate::default() };
    let evaluated = evaluate_all(&gate, &[reference, run[0].clone()], None);
    assert_eq!(evaluated.iter().map(|metric| metric.stack.as_str()).collect::<Vec<_>>(), ["s"]);
}

#[test]
fn a_committed_ratio_without_a_counterpart_is_not_forgotten() {
    let committed = ratios(&[estimate(Metric::P99, 1.0)]);
    let gate = Gate { against: Against::Snapshot, margins: [(Metric::P99, 0.1)].into(), ..Gate::default() };
    let evaluated = evaluate_all(&gate, &[], Some(&committed));
    assert_eq!(evaluated[0].verdict, Verdict::Incomparable);
    assert_eq!(evaluated[0].because.as_deref(), Some("the scenario no longer has this stack or load"));
    let invalid = Estimate { ratio: None, ..estimate(Metric::P99, 1.0) };
    let evaluated = evaluate_all(&gate, &[invalid], Some(&committed));
    assert_eq!((evaluated.len(), evaluated[0].verdict), (1, Verdict::Invalid));
}

#[test]
fn exit_codes_are_as_documented() {
    let metric = |verdict| MetricVerdict {
        verdict,
        ..evaluate_one(Against::Reference, Metric::P99, &estimate(Metric::P99, 1.0), None)
    };
    let with = |facts, verdict| GateOutcome { facts, metrics: vec![metric(verdict)], ..GateOutcome::default() };
    let gated = [
        (with(FactsVerdict::Same, Verdict::Pass), [Exit::Ok, Exit::Ok, Exit::Ok]),
        (with(FactsVerdict::Same, Verdict::Improved), [Exit::Ok, Exit::Ok, Exit::Ok]),
        (with(FactsVerdict::Changed, Verdict::Pass), [Exit::Ok, Exit::Failed, Exit::Failed]),
        (with(FactsVerdict::Same, Verdict::Fail), [Exit::Ok, Exit::Failed, Exit::Failed]),
        (with(FactsVerdict::Same, Verdict::Inconclusive), [Exit::Ok, Exit::Ok, Exit::Inconclusive]),
        (with(FactsVerdict::Same, Verdict::Invalid), [Exit::Ok, Exit::Ok, Exit::Inconclusive]),
        (with(FactsVerdict::New, Verdict::Incomparable), [Exit::Ok, Exit::Ok, Exit::Inconclusive]),
        (
            GateOutcome { missing_snapshots: vec!["x.snap".to_owned()], ..with(FactsVerdict::New, Verdict::Pass) },
            [Exit::Ok, Exit::Failed, Exit::Failed],
        ),
        (GateOutcome { failed_checks: 1, could_not_run: 1, ..GateOutcome::default() }, [Exit::Failed; 3]),
        (GateOutcome { could_not_run: 1, ..GateOutcome::default() }, [Exit::CouldNotRun; 3]),
        (GateOutcome { without_valid_rounds: 1, ..GateOutcome::default() }, [Exit::CouldNotRun; 3]),
        (GateOutcome { errors_under_load: 1, ..GateOutcome::default() }, [Exit::Failed; 3]),
        (GateOutcome { errors_under_load: 1, facts: FactsVerdict::New, ..GateOutcome::default() }, [Exit::Failed; 3]),
        (GateOutcome { errors_under_load: 1, facts: FactsVerdict::Same, ..GateOutcome::default() }, [Exit::Ok; 3]),
    ];
    for (outcome, expected) in gated {
        let exits = [exit(&outcome, false, false), exit(&outcome, true, false), exit(&outcome, true, true)];
        assert_eq!(exits, expected, "{outcome:?}");
    }
}
