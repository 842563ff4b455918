//! The engine on a fake backend: order, numbers and outcomes are exact.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use super::estimates::estimates;
use super::fake::{Behaviour, Fake};
use super::{Findings, run};
use crate::load::ledger::ErrorClass;
use crate::record::{Estimate, RoundOutcome, Verdict};
use crate::scenario::model::{
    App, Check, CheckRequest, Driver, Expectation, Gate, Load, Metric, Placement, Rounds, Scenario, Server, ServerKind,
    Stack, Template, TemplatePart, TextRule,
};
use crate::snapshot::gate;
use crate::snapshot::ratios::Ratios;

fn stack(name: &str) -> Stack {
    let server = Server { kind: ServerKind::Lab, workers: NonZeroU16::MIN };
    Stack { name: name.to_owned(), proxy: None, server, reference: name == "direct" }
}

fn scenario(blocks: u32) -> Scenario {
    let pong = Template { parts: vec![TemplatePart::Text("Pong!".to_owned())] };
    let request = CheckRequest::Composed {
        method: "GET".to_owned(),
        target: "/pong".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    Scenario {
        name: "s".to_owned(),
        title: None,
        file: PathBuf::new(),
        root: PathBuf::new(),
        sha256: String::new(),
        app: App { native: "hello".to_owned() },
        stacks: vec![stack("direct"), stack("proxied")],
        checks: vec![Check {
            name: "it answers".to_owned(),
            stacks: None,
            request,
            expect: Expectation { body: Some(TextRule::Equal(pong)), ..Expectation::default() },
        }],
        loads: vec![Load {
            name: "load".to_owned(),
            driver: Driver::Goose { users: NonZeroU32::MIN, steps: Vec::new() },
            path: "/pong".to_owned(),
            duration: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
        }],
        rounds: Rounds { count: NonZeroU32::new(blocks).unwrap(), warmup: Duration::ZERO, seed: 2011 },
        placement: Placement::Auto,
        gate: Gate { margins: [(Metric::CpuPerRequest, 0.05), (Metric::Throughput, 0.05)].into() },
    }
}

/// `proxied` does half the work of `direct` at twice the cost.
fn fake() -> Fake {
    let proxied = Behaviour { ok: 500, service_us: 2000, ..Behaviour::default() };
    let stacks = [("direct".to_owned(), Behaviour::default()), ("proxied".to_owned(), proxied)].into();
    Fake { stacks, ..Fake::default() }
}

fn findings(scenario: &Scenario, fake: &mut Fake) -> Findings {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(run(scenario, false, fake, &mut ()))
}

fn estimate<'a>(estimates: &'a [Estimate], stack: &str, metric: Metric) -> &'a Estimate {
    estimates.iter().find(|estimate| estimate.stack == stack && estimate.metric == metric.name()).unwrap()
}

#[test]
fn checks_come_first_and_every_visit_is_freshly_started_and_stopped() {
    let mut fake = fake();
    findings(&scenario(1), &mut fake);
    let (checks, rounds) = fake.log.split_at(6);
    assert_eq!(
        checks,
        ["start checks/direct", "ask direct", "stop direct", "start checks/proxied", "ask proxied", "stop proxied"]
    );
    for visit in rounds.chunks(3) {
        let stack = visit[2].strip_prefix("stop ").unwrap();
        assert_eq!(visit[0], format!("start rounds/001-load-{stack}"));
        assert_eq!(visit[1], format!("drive {stack} with load"));
    }
    assert_eq!(rounds.len(), 6);
}

#[test]
fn ratios_are_exact() {
    let scenario = scenario(6);
    let estimates = estimates(&scenario, &findings(&scenario, &mut fake()).rounds);
    let cases = [
        (Metric::Throughput, 1000.0, 500.0, 0.5),
        (Metric::CpuPerRequest, 100.0, 200.0, 2.0),
        (Metric::P50, 1000.0, 2000.0, 2.0),
    ];
    for (metric, direct, proxied, ratio) in cases {
        assert_eq!(estimate(&estimates, "direct", metric).median, Some(direct));
        assert_eq!(estimate(&estimates, "direct", metric).ratio, None);
        let estimate = estimate(&estimates, "proxied", metric);
        assert_eq!((estimate.median, estimate.rounds), (Some(proxied), 6));
        let found = estimate.ratio.as_ref().unwrap();
        let interval = found.interval.unwrap();
        for value in [found.ratio, interval.lower, interval.upper] {
            assert!((value - ratio).abs() < 1e-9, "{metric:?}: {value}");
        }
        assert_eq!(interval.confidence, 1.0 - 2.0 / 64.0);
    }
}

#[test]
fn a_stack_that_fails_its_checks_is_not_measured() {
    let mut fake = fake();
    fake.stacks.get_mut("proxied").unwrap().body = "Ping?".to_owned();
    let findings = findings(&scenario(2), &mut fake);
    assert!(findings.stacks[0].passed() && !findings.stacks[1].passed());
    assert!(findings.rounds.iter().all(|round| round.stack == "direct"));
    assert_eq!(findings.rounds.len(), 2);
    assert_eq!(findings.differences[0].differences[0].difference.field, "body");
}

#[test]
fn a_stack_that_does_not_start_is_an_error_and_the_others_go_on() {
    let mut fake = fake();
    fake.stacks.get_mut("direct").unwrap().failing_starts = vec![0];
    let findings = findings(&scenario(1), &mut fake);
    assert_eq!(findings.stacks[0].error.as_deref(), Some("it will not start"));
    assert!(findings.stacks[1].passed());
    assert_eq!(findings.rounds.len(), 1);
}

#[test]
fn an_invalid_round_is_shown_and_its_block_replaced_and_never_averaged() {
    let scenario = scenario(6);
    let mut fake = fake();
    fake.stacks.get_mut("proxied").unwrap().spoilt_drives = vec![1];
    let findings = findings(&scenario, &mut fake);
    let spoilt: Vec<u32> =
        findings.rounds.iter().filter(|round| round.valid().is_none()).map(|round| round.block).collect();
    assert_eq!(spoilt, [1]);
    assert_eq!(findings.rounds.iter().map(|round| round.block).max(), Some(6), "one block more");
    assert_eq!(findings.rounds.len(), 14);
    let estimates = estimates(&scenario, &findings.rounds);
    let ratio = estimate(&estimates, "proxied", Metric::Throughput).ratio.as_ref().unwrap();
    assert_eq!(ratio.log_ratios.len(), 6);
    assert!((ratio.ratio - 0.5).abs() < 1e-9);
}

#[test]
fn a_machine_on_which_every_round_is_invalid_ends_all_the_same() {
    let scenario = scenario(4);
    let mut fake = fake();
    fake.stacks.get_mut("direct").unwrap().spoilt_drives = (0..100).collect();
    let findings = findings(&scenario, &mut fake);
    assert_eq!(findings.rounds.len(), 12, "half as many blocks again, and no more");
    let estimates = estimates(&scenario, &findings.rounds);
    assert_eq!(estimate(&estimates, "direct", Metric::Throughput).median, None);
    assert_eq!(estimate(&estimates, "proxied", Metric::Throughput).ratio, None);
}

#[test]
fn a_round_that_cannot_start_is_a_row_with_its_error() {
    let mut fake = fake();
    fake.stacks.get_mut("direct").unwrap().failing_starts = vec![1];
    let findings = findings(&scenario(1), &mut fake);
    let failed: Vec<&str> = findings
        .rounds
        .iter()
        .filter_map(|round| match &round.outcome {
            RoundOutcome::Failed { error } => Some(error.as_str()),
            RoundOutcome::Measured(_) | RoundOutcome::Unavailable { .. } => None,
        })
        .collect();
    assert_eq!(failed, ["it will not start"]);
    assert_eq!(findings.rounds.len(), 4, "the block is repeated");
}

#[test]
fn errors_under_load_are_counted_by_class_and_are_no_throughput() {
    let scenario = scenario(1);
    let mut fake = fake();
    let proxied = fake.stacks.get_mut("proxied").unwrap();
    proxied.failed = [(ErrorClass::Status5xx, 100)].into();
    proxied.ok = 400;
    let findings = findings(&scenario, &mut fake);
    let estimates = estimates(&scenario, &findings.rounds);
    assert_eq!(estimate(&estimates, "proxied", Metric::Throughput).median, Some(400.0));
    let text = crate::snapshot::facts::render(&findings.stacks, &findings.rounds);
    assert!(text.contains("load on direct: none\nload on proxied: status-5xx"), "{text}");
}

/// The whole way from rounds to verdicts: three per cent more CPU time is no failure at a margin of five, and ten are.
#[test]
fn the_gate_finds_a_regression_and_only_that() {
    let scenario = scenario(6);
    let ratios = |cpu_us| {
        let mut fake = fake();
        fake.stacks.get_mut("proxied").unwrap().cpu_us = cpu_us;
        let estimates = estimates(&scenario, &findings(&scenario, &mut fake).rounds);
        Ratios::of("a machine".to_owned(), &estimates)
    };
    let committed = ratios(100_000);
    let verdict = |run: &Ratios| {
        let verdicts = gate::judge_ratios(&scenario.gate, run, Some(&committed));
        assert_eq!(verdicts.len(), 2);
        assert_eq!(verdicts.iter().find(|v| v.metric == "throughput").unwrap().verdict, Verdict::Pass);
        verdicts.iter().find(|v| v.metric == "cpu_per_request").unwrap().verdict
    };
    assert_eq!(verdict(&ratios(100_000)), Verdict::Pass);
    assert_eq!(verdict(&ratios(103_000)), Verdict::Pass);
    assert_eq!(verdict(&ratios(110_000)), Verdict::Fail);
    assert_eq!(verdict(&ratios(90_000)), Verdict::Improved);
}
