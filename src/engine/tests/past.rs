//! Each stack against its own past.

use std::collections::BTreeMap;

use super::*;
use crate::record::{SESSION_LINE_SCHEMA, SessionFigure, SessionLine, Unit};
use crate::snapshot::past::Past;
use crate::snapshot::past_metrics::past_metrics;
use crate::snapshot::ratios::load_description;

const MACHINE: &str = "this machine";

/// A session in which the CPU time per request of `direct` was `cpu_us`.
fn session(number: usize, cpu_us: f64, load: &Load) -> SessionLine {
    SessionLine {
        schema: SESSION_LINE_SCHEMA,
        run: format!("{number:02}"),
        ended: format!("{number:02}"),
        revision: None,
        is_modified: false,
        lab: "0.1.0".to_owned(),
        machine: MACHINE.to_owned(),
        cpu: String::new(),
        scenario_sha256: String::new(),
        loads: [(load.name.clone(), load_description(load))].into(),
        facts: None,
        figures: vec![SessionFigure {
            load: load.name.clone(),
            stack: "direct".to_owned(),
            metric: Metric::CpuPerRequest.name().to_owned(),
            unit: Unit::Us,
            value: cpu_us,
            lower: None,
            upper: None,
            confidence: None,
            rounds: 12,
        }],
    }
}

/// Sessions that scatter around 100 µs by up to 1 %.
fn sessions(count: usize, load: &Load) -> Vec<SessionLine> {
    let scatter = [0.3, -1.0, 0.1, 0.8, -0.4, -0.7, 1.0, 0.2];
    (0..count).map(|number| session(number, 100.0 + scatter[number % scatter.len()], load)).collect()
}

/// A scenario of `direct` alone, whose CPU time may grow by 5 %.
fn alone() -> Scenario {
    let mut scenario = scenario(12);
    scenario.stacks.truncate(1);
    scenario.gate.margins = [(Metric::CpuPerRequest, 0.05)].into();
    scenario
}

/// The verdicts on twelve rounds of a scenario in which a request to `direct` takes `cpu_us`.
fn judged(scenario: &Scenario, sessions: &[SessionLine], cpu_us: u64) -> Vec<MetricVerdict> {
    let mut fake = fake();
    fake.noise = Some(Noise { seed: 7, scatter: 0.005 });
    fake.stacks.get_mut("direct").unwrap().cpu_us = cpu_us * 1000;
    let rounds = findings(scenario, &mut fake).rounds;
    let estimates = estimates(scenario, &rounds);
    let past = past_metrics(scenario, &rounds, &Past::new(scenario, sessions, MACHINE));
    let ungated = scenario.ungated_stacks();
    let looks = Looks::new(vec![12]).unwrap();
    let context = GateContext { gate: &scenario.gate, ungated: &ungated, looks: &looks, made: 1, cells: None };
    let now = Ratios::from_estimates(String::new(), &scenario.loads, &estimates);
    let run = RunValues { estimates: &estimates, now: &now, committed: None, limited: &[], past: &past };
    gate::judge(context, run).metrics
}

#[test]
fn past_judges_a_stack_alone() {
    let scenario = alone();
    let sessions = sessions(8, &scenario.loads[0]);
    for (cpu_us, verdict) in
        [(100, Verdict::Pass), (105, Verdict::Inconclusive), (112, Verdict::Fail), (85, Verdict::Improved)]
    {
        let [found] = &judged(&scenario, &sessions, cpu_us)[..] else { panic!("one metric") };
        assert_eq!(found.verdict, verdict, "{cpu_us}: {found:?}");
        let past = found.past.as_ref().unwrap();
        assert_eq!(past.sessions, 8);
        assert!((past.level.unwrap() - 100.0).abs() < 0.1 && (0.005..0.01).contains(&past.scatter.unwrap()));
        assert!((found.ratio.unwrap() - cpu_us as f64 / 100.0).abs() < 0.01, "{found:?}");
    }
}

#[test]
fn scatter_of_the_past_is_in_the_interval() {
    let scenario = alone();
    let load = &scenario.loads[0];
    // No number of rounds tells 12 % from sessions that lie 30 % apart.
    let wide: Vec<SessionLine> =
        (0..10).map(|number| session(number, [85.0, 115.0, 100.0][number % 3], load)).collect();
    let [found] = &judged(&scenario, &wide, 112)[..] else { panic!("one metric") };
    assert_eq!((found.verdict, found.further_rounds), (Verdict::Inconclusive, None));
    let because = found.because.as_deref().unwrap();
    assert!(because.starts_with("its accepted sessions scatter by 1"), "{because}");
}

#[test]
fn other_sessions_are_no_past() {
    let scenario = alone();
    let load = &scenario.loads[0];
    let incomparable = |sessions: &[SessionLine]| {
        let [found] = &judged(&scenario, sessions, 100)[..] else { panic!("one metric") };
        assert_eq!(found.verdict, Verdict::Incomparable, "{found:?}");
        found.because.clone().unwrap()
    };
    assert_eq!(incomparable(&sessions(7, load)), "its past on this machine has 7 of 8 sessions");
    let mut elsewhere = sessions(8, load);
    elsewhere.iter_mut().for_each(|session| session.machine = "another".to_owned());
    assert_eq!(incomparable(&elsewhere), "its past on this machine has 0 of 8 sessions");
    let mut under_another_load = sessions(8, load);
    under_another_load[3].loads = BTreeMap::from([(load.name.clone(), "goose, 64 users, /".to_owned())]);
    assert_eq!(incomparable(&under_another_load), "its past on this machine has 7 of 8 sessions");
    // Lines without descriptions count if the scenario file has not changed.
    let mut old = sessions(8, load);
    old.iter_mut().for_each(|session| session.loads.clear());
    assert_eq!(judged(&scenario, &old, 100)[0].verdict, Verdict::Pass);
}

#[test]
fn past_starts_after_its_last_change() {
    let scenario = alone();
    let load = &scenario.loads[0];
    let mut shifted = sessions(20, load);
    for session in &mut shifted[..10] {
        session.figures[0].value *= 0.8;
    }
    let [found] = &judged(&scenario, &shifted, 100)[..] else { panic!("one metric") };
    assert_eq!((found.verdict, found.past.as_ref().unwrap().sessions), (Verdict::Pass, 10));
}

#[test]
fn past_and_reference_both_judge() {
    let mut scenario = scenario(12);
    scenario.gate.against = Against::Reference;
    scenario.gate.margins = [(Metric::CpuPerRequest, 1.5)].into();
    let sessions = sessions(9, &scenario.loads[0]);
    let kinds = |metrics: &[MetricVerdict]| -> Vec<(String, bool)> {
        metrics.iter().map(|metric| (metric.stack.clone(), metric.past.is_some())).collect()
    };
    let both = judged(&scenario, &sessions, 100);
    assert_eq!(kinds(&both), [("proxied".to_owned(), false), ("direct".to_owned(), true)]);
    // A short past is no news where a ratio judges.
    assert_eq!(kinds(&judged(&scenario, &sessions[..7], 100)), [("proxied".to_owned(), false)]);
    scenario.gate.uses_past = false;
    assert_eq!(kinds(&judged(&scenario, &sessions, 100)), [("proxied".to_owned(), false)]);
}
