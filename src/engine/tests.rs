//! The engine on a fake backend: order, numbers and outcomes are exact.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::estimates::estimates;
use super::fake::{Behaviour, Fake, Noise};
use super::ranking::rankings;
use super::validations::validations;
use super::{Findings, RunPlan, run};
use crate::catalog::kind::Interface;
use crate::catalog::{Catalog, Role};
use crate::record::{Estimate, FactsVerdict, GateOutcome, MetricVerdict, RoundOutcome, RoundRecord, Verdict};
use crate::scenario::compare_versions;
use crate::scenario::model::{
    Against, App, Backend, Check, CheckRequest, Comparison, Driver, Expectation, Gate, Http, Load, Metric, OnErrors,
    Placement, Relocate, Rounds, Scenario, Server, Stack, TextRule, TextTemplate, TextTemplatePart, Version, Volatile,
    Warmup,
};
use crate::snapshot::comparison::RunResults;
use crate::snapshot::gate::{self, GateContext, RunValues};
use crate::snapshot::ratios::Ratios;
use crate::snapshot::versions::VersionComparison;
use lab_load::wire::ErrorClass;
use lab_stats::decision::Looks;

mod confirmation;
mod driven_stacks;
mod growth;
mod hopeless;
mod interim_records;
mod past;

fn stack(name: &str) -> Stack {
    Stack {
        name: name.to_owned(),
        proxy: None,
        server: Server::new(Catalog::builtin().choose(Role::Server, "lab").unwrap()),
        backend: Backend::Process,
        app: Interface::Native,
        apps: App::Native("hello".to_owned()),
        reference: name == "direct",
        measured: true,
        is_optional: false,
        impossible: None,
        version: None,
    }
}

fn scenario(blocks: u32) -> Scenario {
    let pong = TextTemplate { parts: vec![TextTemplatePart::Text("Pong!".to_owned())] };
    let request = CheckRequest::get("/pong");
    Scenario {
        name: "s".to_owned(),
        title: None,
        file: PathBuf::new(),
        root: PathBuf::new(),
        sha256: String::new(),
        relocate: Relocate::default(),
        app: App::Native("hello".to_owned()),
        stacks: vec![stack("direct"), stack("proxied")],
        checks: vec![Check {
            name: "it responds".to_owned(),
            stacks: None,
            needs: Vec::new(),
            request,
            expect: Expectation { body: Some(TextRule::Equal(pong)), ..Expectation::default() },
            sequence: None,
            extract: Vec::new(),
        }],
        loads: vec![Load {
            name: "load".to_owned(),
            driver: Driver::Goose { users: NonZeroU32::MIN, steps: Vec::new() },
            path: "/pong".to_owned(),
            tls: None,
            http: Http::OneOne,
            duration: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            errors: OnErrors::Fail,
            validates: None,
            stacks: None,
            blocks: None,
        }],
        rounds: Rounds {
            looks: vec![NonZeroU32::new(blocks).unwrap()],
            warmup: Warmup::Fixed(Duration::ZERO),
            seed: 2011,
        },
        placement: Placement::Auto,
        context: None,
        quick: None,
        is_short: false,
        kept_runs: Scenario::KEPT_RUNS,
        access_logs: false,
        comparison: None,
        volatile: Volatile::default(),
        gate: Gate {
            against: Against::Snapshot,
            margins: [(Metric::CpuPerRequest, 0.05), (Metric::Throughput, 0.05)].into(),
            ..Gate::default()
        },
    }
}

/// `proxied` does half the work of `direct` at twice the cost.
fn fake() -> Fake {
    let proxied = Behaviour { ok: 500, service_us: 2000, ..Behaviour::default() };
    let stacks = [("direct".to_owned(), Behaviour::default()), ("proxied".to_owned(), proxied)].into();
    Fake { stacks, ..Fake::default() }
}

fn findings(scenario: &Scenario, fake: &mut Fake) -> Findings {
    continued(scenario, fake, Vec::new(), &mut |_, _| true)
}

/// Continues a run after the `earlier` rounds, with `is_decided` at every look but the last.
fn continued(
    scenario: &Scenario,
    fake: &mut Fake,
    earlier: Vec<RoundRecord>,
    is_decided: &mut dyn FnMut(&[RoundRecord], usize) -> bool,
) -> Findings {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let repeats_checks = scenario.comparison.is_some();
    let plan = RunPlan { checks_only: false, repeats_checks, earlier, is_decided, confirmation: None };
    runtime.block_on(run(scenario, plan, fake, &mut ()))
}

fn estimate<'a>(estimates: &'a [Estimate], stack: &str, metric: Metric) -> &'a Estimate {
    estimates.iter().find(|estimate| estimate.stack == stack && estimate.metric == metric.name()).unwrap()
}

#[test]
fn checks_come_first_and_visits_start_fresh() {
    let mut fake = fake();
    findings(&scenario(1), &mut fake);
    let (checks, rounds) = fake.log.split_at(6);
    assert_eq!(
        checks,
        ["start checks/direct", "probe direct", "stop direct", "start checks/proxied", "probe proxied", "stop proxied"]
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
fn stack_that_fails_checks_is_not_measured() {
    let mut fake = fake();
    fake.stacks.get_mut("proxied").unwrap().body = "Ping?".to_owned();
    let findings = findings(&scenario(2), &mut fake);
    assert!(findings.stacks[0].passed() && !findings.stacks[1].passed());
    assert!(findings.rounds.iter().all(|round| round.stack == "direct"));
    assert_eq!(findings.rounds.len(), 2);
    assert_eq!(findings.differences[0].differences[0].difference.field, "body");
}

#[test]
fn failed_start_leaves_other_stacks_running() {
    let mut fake = fake();
    fake.stacks.get_mut("direct").unwrap().failing_starts = vec![0];
    let findings = findings(&scenario(1), &mut fake);
    assert_eq!(findings.stacks[0].error.as_deref(), Some("the server is not available: it will not start"));
    assert!(findings.stacks[1].passed());
    assert_eq!(findings.rounds.len(), 1);
}

#[test]
fn load_without_driver_has_a_row() {
    let mut scenario = scenario(3);
    scenario.loads.push(Load { name: "elsewhere".to_owned(), ..scenario.loads[0].clone() });
    let mut fake = Fake { unavailable: Some("elsewhere".to_owned()), ..fake() };
    let findings = findings(&scenario, &mut fake);
    let by_load = |load: &str| findings.rounds.iter().filter(|round| round.load == load).collect::<Vec<_>>();
    assert_eq!(by_load("load").len(), 6, "as planned, without repetitions");
    let [one, other] = by_load("elsewhere")[..] else { panic!("{:?}", findings.rounds) };
    assert_eq!(BTreeSet::from([&*one.stack, &*other.stack]), BTreeSet::from(["direct", "proxied"]));
    for round in [one, other] {
        let RoundOutcome::Unavailable { missing } = &round.outcome else { panic!("{round:?}") };
        assert_eq!(missing, "elsewhere is not installed");
    }
}

#[test]
fn cross_validating_load_ranks_no_stack() {
    let mut scenario = scenario(3);
    let validates = Some(scenario.loads[0].name.clone());
    let stacks = Some(vec!["direct".to_owned()]);
    let by = Load { name: "by".to_owned(), validates, stacks, blocks: NonZeroU32::new(1), ..scenario.loads[0].clone() };
    scenario.loads.push(by);
    let findings = findings(&scenario, &mut fake());
    let by: Vec<_> = findings.rounds.iter().filter(|round| round.load == "by").collect();
    assert_eq!(by.iter().map(|round| (round.block, &*round.stack)).collect::<Vec<_>>(), [(0, "direct")]);
    assert_eq!(findings.rounds.len(), 6 + 1);
    assert!(estimates(&scenario, &findings.rounds).iter().all(|estimate| estimate.load != "by"));
    assert!(rankings(&scenario, &findings.rounds).iter().all(|ranking| ranking.load != "by"));
    let [validation] = &validations(&scenario, &findings.rounds)[..] else { panic!("{findings:?}") };
    let [stack] = &validation.stacks[..] else { panic!("{validation:?}") };
    assert_eq!((&*validation.load, &*stack.stack), (&*scenario.loads[0].name, "direct"));
    assert!(stack.own_per_s.is_some() && stack.other_per_s.is_some(), "{stack:?}");

    let mut missing = Fake { unavailable: Some("by".to_owned()), ..fake() };
    let rounds = self::findings(&scenario, &mut missing).rounds;
    let validation = &validations(&scenario, &rounds)[0];
    assert_eq!(validation.missing.as_deref(), Some("by is not installed"));
}

#[test]
fn invalid_round_is_replaced_not_averaged() {
    let scenario = scenario(6);
    let mut fake = fake();
    fake.stacks.get_mut("proxied").unwrap().invalid_drives = vec![1];
    let findings = findings(&scenario, &mut fake);
    let invalid: Vec<u32> =
        findings.rounds.iter().filter(|round| round.valid().is_none()).map(|round| round.block).collect();
    assert_eq!(invalid, [1]);
    assert_eq!(findings.rounds.len(), 13, "repeated in the same block");
    assert_eq!(findings.rounds.iter().filter(|round| round.block == 1).count(), 3);
    let estimates = estimates(&scenario, &findings.rounds);
    let ratio = estimate(&estimates, "proxied", Metric::Throughput).ratio.as_ref().unwrap();
    assert_eq!(ratio.log_ratios.len(), 6);
    assert!((ratio.ratio - 0.5).abs() < 1e-9);
}

#[test]
fn replacement_block_visits_lacking_stacks_and_reference() {
    let mut scenario = scenario(6);
    scenario.stacks.push(stack("third"));
    let mut fake = fake();
    fake.stacks.insert("third".to_owned(), Behaviour::default());
    fake.stacks.get_mut("proxied").unwrap().invalid_drives = (0..100).collect();
    let rounds = findings(&scenario, &mut fake).rounds;
    let rounds_of = |stack: &str| rounds.iter().filter(|round| round.stack == stack).count();
    assert_eq!(
        (rounds_of("direct"), rounds_of("proxied"), rounds_of("third")),
        (9, 18, 6),
        "half as many additional blocks, without the third stack"
    );
    // An interruption in such a block does not change the rest.
    for cut in [24, 27] {
        let mut again = self::fake();
        again.stacks = fake.stacks.clone();
        let continued = continued(&scenario, &mut again, rounds[..cut].to_vec(), &mut |_, _| true);
        let order = |rounds: &[RoundRecord]| -> Vec<_> { rounds.iter().map(|r| (r.block, r.stack.clone())).collect() };
        assert_eq!(order(&continued.rounds), order(&rounds), "{cut}");
    }
}

#[test]
fn run_ends_although_every_round_is_invalid() {
    let scenario = scenario(4);
    let mut fake = fake();
    fake.stacks.get_mut("direct").unwrap().invalid_drives = (0..100).collect();
    let findings = findings(&scenario, &mut fake);
    assert_eq!(findings.rounds.len(), 18, "half as many additional blocks, with two attempts in each");
    let estimates = estimates(&scenario, &findings.rounds);
    assert_eq!(estimate(&estimates, "direct", Metric::Throughput).median, None);
    assert_eq!(estimate(&estimates, "proxied", Metric::Throughput).ratio, None);
}

#[test]
fn round_that_cannot_start_is_recorded() {
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
    assert_eq!(failed, ["the server is not available: it will not start"]);
    assert_eq!(findings.rounds.len(), 3, "it is repeated");
}

#[test]
fn errors_are_classified_and_not_throughput() {
    let scenario = scenario(1);
    let mut fake = fake();
    let proxied = fake.stacks.get_mut("proxied").unwrap();
    proxied.failed = [(ErrorClass::Status5xx, 100)].into();
    proxied.ok = 400;
    let findings = findings(&scenario, &mut fake);
    let estimates = estimates(&scenario, &findings.rounds);
    assert_eq!(estimate(&estimates, "proxied", Metric::Throughput).median, Some(400.0));
    let text = crate::snapshot::facts::render(&findings.stacks, &findings.rounds, &[]);
    assert!(text.contains("load on direct: none\nload on proxied: status-5xx"), "{text}");
}

/// From rounds to verdicts: at a margin of 5 %, 3 % more CPU time passes and 10 % fails.
#[test]
fn gate_fails_only_beyond_margin() {
    let scenario = scenario(8);
    let measured = |cpu_us| {
        let mut fake = fake();
        fake.stacks.get_mut("proxied").unwrap().cpu_us = cpu_us;
        estimates(&scenario, &findings(&scenario, &mut fake).rounds)
    };
    let committed = Ratios::from_estimates("a machine".to_owned(), &scenario.loads, &measured(100_000));
    let verdict = |cpu_us| {
        let judged = evaluate(&scenario, &measured(cpu_us), 1, Some(&committed));
        assert_eq!(judged.len(), 2);
        assert_eq!(judged.iter().find(|v| v.metric == "throughput").unwrap().verdict, Verdict::Pass);
        judged.iter().find(|v| v.metric == "cpu_per_request").unwrap().verdict
    };
    assert_eq!(verdict(100_000), Verdict::Pass);
    assert_eq!(verdict(103_000), Verdict::Pass);
    assert_eq!(verdict(110_000), Verdict::Fail);
    assert_eq!(verdict(90_000), Verdict::Improved);
}

fn evaluate(
    scenario: &Scenario,
    estimates: &[Estimate],
    made: usize,
    committed: Option<&Ratios>,
) -> Vec<MetricVerdict> {
    let looks = Looks::new(scenario.rounds.looks.iter().map(|look| look.get()).collect()).unwrap();
    let context =
        GateContext { gate: &scenario.gate, ungated: &scenario.ungated_stacks(), looks: &looks, made, cells: None };
    let now = Ratios::from_estimates(String::new(), &scenario.loads, estimates);
    gate::judge(context, RunValues { estimates, now: &now, committed, limited: &[], past: &[] }).metrics
}

/// Whether a further look could decide something.
fn is_open(verdicts: &[MetricVerdict]) -> bool {
    verdicts.iter().any(|metric| metric.verdict == Verdict::Inconclusive)
}

/// Compares `proxied` with `direct`; the two differ only by `change`.
fn comparison(looks: &[u32], margins: &[(Metric, f64)], change: impl FnOnce(&mut Behaviour)) -> (Scenario, Fake) {
    let mut scenario = scenario(1);
    scenario.rounds.looks = looks.iter().map(|look| NonZeroU32::new(*look).unwrap()).collect();
    scenario.gate = Gate { against: Against::Reference, margins: margins.iter().copied().collect(), ..Gate::default() };
    let mut fake = Fake { noise: Some(Noise { seed: 4, scatter: 0.02 }), ..fake() };
    let mut proxied = Behaviour::default();
    change(&mut proxied);
    fake.stacks.insert("proxied".to_owned(), proxied);
    (scenario, fake)
}

/// Runs until decided or the looks are used up.
fn decided(scenario: &Scenario, fake: &mut Fake) -> (Findings, Vec<MetricVerdict>) {
    let mut is_decided =
        |rounds: &[RoundRecord], made| !is_open(&evaluate(scenario, &estimates(scenario, rounds), made, None));
    let findings = continued(scenario, fake, Vec::new(), &mut is_decided);
    let judged = evaluate(scenario, &estimates(scenario, &findings.rounds), findings.looks_made, None);
    (findings, judged)
}

const MARGINS: [(Metric, f64); 3] = [(Metric::Throughput, 0.05), (Metric::CpuPerRequest, 0.05), (Metric::P50, 0.05)];

#[test]
fn self_comparison_passes_or_is_inconclusive() {
    for seed in 0..20 {
        let (scenario, mut fake) = comparison(&[20], &MARGINS, |_| {});
        fake.noise = Some(Noise { seed, scatter: 0.02 });
        let (findings, judged) = decided(&scenario, &mut fake);
        assert_eq!((findings.rounds.len(), judged.len()), (40, 3));
        for metric in judged {
            assert!(matches!(metric.verdict, Verdict::Pass | Verdict::Inconclusive), "seed {seed}: {metric:?}");
        }
    }
}

#[test]
fn additional_millisecond_fails() {
    let slower = |proxied: &mut Behaviour| {
        // Half the pace, at the same cost per request.
        proxied.service_us += 1000;
        proxied.ok /= 2;
        proxied.cpu_us /= 2;
    };
    let (scenario, mut fake) = comparison(&[20], &MARGINS, slower);
    let (_, judged) = decided(&scenario, &mut fake);
    let verdicts: Vec<_> = judged.iter().map(|metric| (metric.metric.as_str(), metric.verdict)).collect();
    assert_eq!(verdicts, [("throughput", Verdict::Fail), ("cpu_per_request", Verdict::Pass), ("p50", Verdict::Fail)]);
}

/// 3 % more CPU time at a margin of 1 %: the first look is inconclusive and predicts the rounds that are needed, and
/// these rounds find it.
#[test]
fn predicted_rounds_find_small_regression() {
    let costlier = |proxied: &mut Behaviour| proxied.cpu_us = proxied.cpu_us * 103 / 100;
    let margins = [(Metric::CpuPerRequest, 0.01)];
    let (scenario, mut fake) = comparison(&[6], &margins, costlier);
    let (_, judged) = decided(&scenario, &mut fake);
    assert_eq!((judged[0].verdict, judged[0].rounds), (Verdict::Inconclusive, 6));
    let further = judged[0].further_rounds.unwrap();
    assert!((1..60).contains(&further), "{further}");
    let (scenario, mut fake) = comparison(&[6 + further], &margins, costlier);
    let (_, judged) = decided(&scenario, &mut fake);
    assert_eq!(judged[0].verdict, Verdict::Fail, "{judged:?}");
}

#[test]
fn run_ends_when_everything_is_decided() {
    let (scenario, mut fake) = comparison(&[8, 16, 24], &MARGINS, |_| {});
    fake.noise = None;
    let (findings, judged) = decided(&scenario, &mut fake);
    assert_eq!((findings.looks_made, findings.rounds.len()), (1, 16));
    assert!(judged.iter().all(|metric| (metric.verdict, metric.look) == (Verdict::Pass, Some(1))), "{judged:?}");

    let (scenario, mut fake) =
        comparison(&[8, 16, 24], &[(Metric::CpuPerRequest, 0.02)], |proxied| proxied.cpu_us = 102_000);
    fake.noise = Some(Noise { seed: 7, scatter: 0.1 });
    let (findings, judged) = decided(&scenario, &mut fake);
    assert_eq!((findings.looks_made, findings.rounds.len()), (3, 48), "all looks used");
    assert_eq!((judged[0].verdict, judged[0].look, judged[0].rounds), (Verdict::Inconclusive, None, 24));
}

#[test]
fn look_waits_for_replacement_block() {
    let (scenario, mut fake) = comparison(&[6, 12], &[], |proxied| proxied.invalid_drives = vec![2, 3]);
    let mut looked_at = Vec::new();
    continued(&scenario, &mut fake, Vec::new(), &mut |rounds, look| {
        looked_at.push((look, rounds.len()));
        false
    });
    assert_eq!(looked_at, [(1, 15)], "seven blocks for six; nothing is decided at the last look");
}

#[test]
fn interrupted_run_continues_and_replaces_its_block() {
    let scenario = scenario(6);
    let whole = findings(&scenario, &mut fake()).rounds;
    let order = |rounds: &[RoundRecord]| -> Vec<(u32, String)> {
        rounds.iter().map(|round| (round.block, round.stack.clone())).collect()
    };
    // Interrupted between two blocks: the rest is unchanged.
    let mut second = fake();
    let continued_at_six = continued(&scenario, &mut second, whole[..6].to_vec(), &mut |_, _| true);
    assert_eq!(order(&continued_at_six.rounds), order(&whole));
    assert_eq!(second.log.iter().filter(|line| line.starts_with("drive")).count(), 6);
    // Interrupted within a block: its round is invalid, and a seventh block replaces it.
    let continued_at_seven = continued(&scenario, &mut fake(), whole[..7].to_vec(), &mut |_, _| true);
    assert_eq!(continued_at_seven.rounds.len(), 13);
    let cut = &continued_at_seven.rounds[6];
    assert!(cut.valid().is_none());
    assert_eq!(continued_at_seven.rounds.iter().filter(|round| round.block == cut.block).count(), 1);
    assert_eq!(continued_at_seven.rounds.last().unwrap().block, 6);
    let estimates = estimates(&scenario, &continued_at_seven.rounds);
    assert_eq!(estimate(&estimates, "proxied", Metric::Throughput).ratio.as_ref().unwrap().log_ratios.len(), 6);
}

#[test]
fn indistinguishable_stacks_share_a_rank() {
    let (scenario, mut fake) = comparison(&[12], &[], |proxied| proxied.cpu_us *= 2);
    let (findings, _) = decided(&scenario, &mut fake);
    let rankings = rankings(&scenario, &findings.rounds);
    let ranks = |metric: Metric| {
        let ranking = rankings.iter().find(|ranking| ranking.metric == metric.name()).unwrap();
        ranking.ranks.iter().map(|rank| (rank.stack.as_str(), rank.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(ranks(Metric::CpuPerRequest), [("direct", "1".to_owned()), ("proxied", "2".to_owned())]);
    assert!(ranks(Metric::Throughput).iter().all(|(_, rank)| rank == "1–2"));
}

#[test]
fn saturated_driver_bounds_ratios_except_cpu_time() {
    let scenario = scenario(6);
    let mut fake = fake();
    fake.stacks.get_mut("direct").unwrap().driver_cpu = Duration::from_millis(950);
    let estimates = estimates(&scenario, &findings(&scenario, &mut fake).rounds);
    let bound = |metric| &estimate(&estimates, "proxied", metric).ratio.as_ref().unwrap().driver_bound;
    assert_eq!(bound(Metric::Throughput), &["direct"]);
    assert_eq!(bound(Metric::P99), &["direct"]);
    assert_eq!(bound(Metric::CpuPerRequest), &[] as &[String]);
}

#[test]
fn doubtful_rounds_have_warnings() {
    let (scenario, mut fake) = comparison(&[1], &[], |proxied| {
        proxied.read_over_us = 1_100_000;
        proxied.stolen_us = 22_000;
        proxied.drops = 3;
        proxied.unexpected_connections = 4;
    });
    let (findings, _) = decided(&scenario, &mut fake);
    let proxied = findings.rounds.iter().find(|round| round.stack == "proxied").unwrap();
    let messages: Vec<&str> = proxied.valid().unwrap().issues.iter().map(|issue| issue.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "the resource use of the stack was read over a time +10 % off the window; its cost is equally uncertain",
            "the hypervisor took 2 % of a core's time; every number is affected",
            "the server dropped 3 connections because its accept queue was full; clients retry after a second",
            "the server accepted 5 connections, but the driver opened 1"
        ]
    );
    let direct = findings.rounds.iter().find(|round| round.stack == "direct").unwrap();
    assert_eq!(direct.valid().unwrap().issues, []);
}

#[test]
fn window_that_lab_did_not_watch_is_void() {
    let seconds = Duration::from_secs;
    for (gap, read_over_us, is_void) in
        [(seconds(1), 1_000_000, false), (seconds(2), 1_000_000, true), (seconds(0), 6_500_000, true)]
    {
        let (scenario, mut fake) = comparison(&[1], &[], |proxied| {
            proxied.interference.longest_gap = gap;
            proxied.interference.other_runs = vec!["default (process 42)".to_owned()];
            proxied.read_over_us = read_over_us;
        });
        let (findings, _) = decided(&scenario, &mut fake);
        let proxied = findings.rounds.iter().find(|round| round.stack == "proxied").unwrap();
        assert_eq!(proxied.valid().is_none(), is_void, "{gap:?} {read_over_us}");
        let RoundOutcome::Measured(measured) = &proxied.outcome else { panic!("{proxied:?}") };
        let other = measured.issues.iter().find(|issue| issue.kind == "other-runs").unwrap();
        assert_eq!(other.message, "another run was going on, default (process 42); the figures of both suffer");
    }
}

#[test]
fn warm_up_ends_when_steady_or_is_unsteady() {
    let mut scenario = scenario(1);
    scenario.rounds.warmup = Warmup::Auto { max: Duration::from_secs(12) };
    let mut fake = fake();
    fake.stacks.get_mut("direct").unwrap().cold_drives = 1;
    fake.stacks.get_mut("proxied").unwrap().cold_drives = 9;
    let findings = findings(&scenario, &mut fake);
    let warm_up_of = |stack: &str| {
        let round = findings.rounds.iter().find(|round| round.stack == stack).unwrap();
        let measured = round.valid().unwrap();
        let messages: Vec<&str> = measured.issues.iter().map(|issue| issue.message.as_str()).collect();
        (measured.warmup.lasted_us, measured.warmup.is_steady, measured.warmup.seconds.len(), messages)
    };
    // Five cold seconds, five similar ones, and one for the measuring driver's connections.
    assert_eq!(warm_up_of("direct"), (11_000_000, Some(true), 10, vec![]));
    let unsteady = "no steady state within 11 s: the last 5 seconds varied or drifted";
    assert_eq!(warm_up_of("proxied"), (11_000_000, Some(false), 10, vec![unsteady]));
    assert_eq!(fake.log.iter().filter(|line| line.starts_with("drive direct")).count(), 3);
}

/// The scenario's stacks beside themselves as they were, all of which behave alike.
fn versions(blocks: u32) -> (Scenario, Fake) {
    let head = scenario(blocks);
    let version = |name: &str| Version { name: name.to_owned(), commit: None, is_modified: false, lab: None };
    let comparison = Comparison { base: version("main"), head: version("now"), notes: Vec::new() };
    let compared = compare_versions(&head, &head, comparison);
    let stacks = compared.stacks.iter().map(|stack| (stack.name.clone(), Behaviour::default())).collect();
    (compared, Fake { stacks, ..Fake::default() })
}

#[test]
fn versions_are_compared_pair_by_pair() {
    let (scenario, mut fake) = versions(2);
    fake.stacks.get_mut("proxied").unwrap().cpu_us = 120_000;
    let findings = findings(&scenario, &mut fake);
    assert_eq!(findings.rounds.len(), 8);
    let compared: Vec<(&str, &str)> =
        findings.differences.iter().map(|found| (found.stack.as_str(), found.reference.as_str())).collect();
    assert_eq!(compared, [("direct", "direct@base"), ("proxied", "proxied@base")]);
    let estimates = estimates(&scenario, &findings.rounds);
    let cpu = estimates.iter().filter(|estimate| estimate.metric == Metric::CpuPerRequest.name());
    let ratios: Vec<_> = cpu.map(|estimate| (estimate.stack.as_str(), estimate.ratio.as_ref())).collect();
    let ratios: Vec<_> = ratios
        .into_iter()
        .map(|(stack, ratio)| (stack, ratio.map(|ratio| (ratio.reference.as_str(), (ratio.ratio * 100.0).round()))))
        .collect();
    let expected = [
        ("direct@base", None),
        ("direct", Some(("direct@base", 100.0))),
        ("proxied@base", None),
        ("proxied", Some(("proxied@base", 120.0))),
    ];
    assert_eq!(ratios, expected);
    assert!(rankings(&scenario, &findings.rounds).is_empty());
}

#[test]
fn earlier_version_need_not_pass_checks() {
    let visited = |failing: &str| {
        let (scenario, mut fake) = versions(1);
        fake.stacks.get_mut(failing).unwrap().body = "Pang!".to_owned();
        let findings = findings(&scenario, &mut fake);
        findings.rounds.iter().map(|round| round.stack.clone()).collect::<BTreeSet<_>>()
    };
    let all = ["direct", "direct@base", "proxied", "proxied@base"].map(str::to_owned);
    assert_eq!(visited("proxied@base"), all.clone().into());
    assert_eq!(visited("proxied"), all[..2].iter().cloned().collect());
}

#[test]
fn invalid_round_repeats_only_its_pair() {
    let (scenario, mut fake) = versions(1);
    // The round and its immediate repetition.
    fake.stacks.get_mut("proxied").unwrap().invalid_drives = vec![0, 1];
    let findings = findings(&scenario, &mut fake);
    let second: BTreeSet<&str> =
        findings.rounds.iter().filter(|round| round.block == 1).map(|round| round.stack.as_str()).collect();
    assert_eq!(second, ["proxied", "proxied@base"].into());
}

/// With noise of 2 % on every round, a stack that gets 10 % dearer fails within 16 blocks, and one that does not change
/// passes in the same run.
#[test]
fn tenth_more_cpu_time_is_found_beside_an_unchanged_stack() {
    for seed in 0..10 {
        let (mut scenario, mut fake) = versions(1);
        scenario.rounds.looks = [8, 16].map(|look| NonZeroU32::new(look).unwrap()).to_vec();
        scenario.gate.margins = [(Metric::CpuPerRequest, 0.03)].into();
        fake.noise = Some(Noise { seed, scatter: 0.02 });
        fake.stacks.get_mut("proxied").unwrap().cpu_us = 110_000;
        let versions = VersionComparison::new(&scenario, Looks::new(vec![8, 16]).unwrap());
        let mut is_decided =
            |rounds: &[RoundRecord], made| versions.is_decided(&estimates(&scenario, rounds), rounds, made);
        let findings = continued(&scenario, &mut fake, Vec::new(), &mut is_decided);
        let estimates = estimates(&scenario, &findings.rounds);
        let Findings { stacks, differences, rounds, looks_made, .. } = &findings;
        let mut gate = GateOutcome::default();
        let results = RunResults { stacks, rounds, estimates: &estimates, looks_made: *looks_made, second: None };
        versions.finish(results, differences, &mut gate);
        let verdict = |stack: &str| gate.metrics.iter().find(|metric| metric.stack == stack).unwrap().verdict;
        assert_eq!(verdict("proxied"), Verdict::Fail, "seed {seed}: {:?}", gate.metrics);
        assert_ne!(verdict("direct"), Verdict::Fail, "seed {seed}: {:?}", gate.metrics);
        assert_eq!((gate.metrics.len(), gate.facts), (2, FactsVerdict::Same));
    }
}
