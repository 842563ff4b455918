//! The engine on a fake backend: order, numbers and outcomes are exact.

use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use super::estimates::estimates;
use super::fake::{Behaviour, Fake, Noise};
use super::ranking::rankings;
use super::validations::validations;
use super::{Findings, RunPlan, run};
use crate::catalog::kind::Interface;
use crate::catalog::{Catalog, Role};
use crate::record::{Estimate, MetricVerdict, RoundOutcome, RoundRecord, Verdict};
use crate::scenario::model::{
    Against, App, Backend, Check, CheckRequest, Driver, Expectation, Gate, Http, Load, Metric, OnErrors, Placement,
    Rounds, Scenario, Server, Stack, TextRule, TextTemplate, TextTemplatePart, Warmup,
};
use crate::snapshot::gate::{self, GateContext};
use crate::snapshot::ratios::Ratios;
use lab_load::wire::ErrorClass;
use lab_stats::decision::Looks;

fn stack(name: &str) -> Stack {
    Stack {
        name: name.to_owned(),
        proxy: None,
        server: Server::new(Catalog::builtin().choose(Role::Server, "lab").unwrap()),
        backend: Backend::Process,
        app: Interface::Native,
        reference: name == "direct",
        measured: true,
        is_optional: false,
        impossible: None,
    }
}

fn scenario(blocks: u32) -> Scenario {
    let pong = TextTemplate { parts: vec![TextTemplatePart::Text("Pong!".to_owned())] };
    let request = CheckRequest::Composed {
        method: "GET".to_owned(),
        target: "/pong".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        times: NonZeroU16::MIN,
        within: Duration::from_secs(10),
        slow: None,
    };
    Scenario {
        name: "s".to_owned(),
        title: None,
        file: PathBuf::new(),
        root: PathBuf::new(),
        sha256: String::new(),
        app: App::Native("hello".to_owned()),
        stacks: vec![stack("direct"), stack("proxied")],
        checks: vec![Check {
            name: "it answers".to_owned(),
            stacks: None,
            needs: Vec::new(),
            request,
            expect: Expectation { body: Some(TextRule::Equal(pong)), ..Expectation::default() },
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
        quick: None,
        is_short: false,
        gate: Gate {
            against: Against::Snapshot,
            margins: [(Metric::CpuPerRequest, 0.05), (Metric::Throughput, 0.05)].into(),
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

/// A run that goes on from `earlier` rounds and asks `is_decided` at every look but the last.
fn continued(
    scenario: &Scenario,
    fake: &mut Fake,
    earlier: Vec<RoundRecord>,
    is_decided: &mut dyn FnMut(&[RoundRecord], usize) -> bool,
) -> Findings {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let plan = RunPlan { checks_only: false, earlier, is_decided };
    runtime.block_on(run(scenario, plan, fake, &mut ()))
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
    assert_eq!(findings.stacks[0].error.as_deref(), Some("the server is not to be had: it will not start"));
    assert!(findings.stacks[1].passed());
    assert_eq!(findings.rounds.len(), 1);
}

#[test]
fn a_load_whose_driver_is_missing_has_a_row_and_holds_up_no_other() {
    let mut scenario = scenario(3);
    scenario.loads.push(Load { name: "elsewhere".to_owned(), ..scenario.loads[0].clone() });
    let mut fake = Fake { unavailable: Some("elsewhere".to_owned()), ..fake() };
    let findings = findings(&scenario, &mut fake);
    let of = |load: &str| findings.rounds.iter().filter(|round| round.load == load).collect::<Vec<_>>();
    assert_eq!(of("load").len(), 6, "as planned, and nothing repeated");
    let [one, other] = of("elsewhere")[..] else { panic!("{:?}", findings.rounds) };
    assert_eq!(BTreeSet::from([&*one.stack, &*other.stack]), BTreeSet::from(["direct", "proxied"]));
    for round in [one, other] {
        let RoundOutcome::Unavailable { missing } = &round.outcome else { panic!("{round:?}") };
        assert_eq!(missing, "elsewhere is not installed");
    }
}

#[test]
fn a_load_that_validates_another_is_driven_where_it_says_and_ranks_nobody() {
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
    assert!(rankings(&scenario, &findings.rounds).iter().all(|placed| placed.load != "by"));
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
fn an_invalid_round_is_shown_and_replaced_and_never_averaged() {
    let scenario = scenario(6);
    let mut fake = fake();
    fake.stacks.get_mut("proxied").unwrap().invalid_drives = vec![1];
    let findings = findings(&scenario, &mut fake);
    let invalid: Vec<u32> =
        findings.rounds.iter().filter(|round| round.valid().is_none()).map(|round| round.block).collect();
    assert_eq!(invalid, [1]);
    assert_eq!(findings.rounds.len(), 13, "made again in the same block");
    assert_eq!(findings.rounds.iter().filter(|round| round.block == 1).count(), 3);
    let estimates = estimates(&scenario, &findings.rounds);
    let ratio = estimate(&estimates, "proxied", Metric::Throughput).ratio.as_ref().unwrap();
    assert_eq!(ratio.log_ratios.len(), 6);
    assert!((ratio.ratio - 0.5).abs() < 1e-9);
}

#[test]
fn a_block_that_replaces_visits_the_stacks_that_lack_a_round_and_the_reference() {
    let mut scenario = scenario(6);
    scenario.stacks.push(stack("third"));
    let mut fake = fake();
    fake.stacks.insert("third".to_owned(), Behaviour::default());
    fake.stacks.get_mut("proxied").unwrap().invalid_drives = (0..100).collect();
    let rounds = findings(&scenario, &mut fake).rounds;
    let of = |stack: &str| rounds.iter().filter(|round| round.stack == stack).count();
    assert_eq!((of("direct"), of("proxied"), of("third")), (9, 18, 6), "half as many blocks again, without the third");
    // What comes after an interruption in such a block is as it would have been.
    for cut in [24, 27] {
        let mut again = self::fake();
        again.stacks = fake.stacks.clone();
        let continued = continued(&scenario, &mut again, rounds[..cut].to_vec(), &mut |_, _| true);
        let order = |rounds: &[RoundRecord]| -> Vec<_> { rounds.iter().map(|r| (r.block, r.stack.clone())).collect() };
        assert_eq!(order(&continued.rounds), order(&rounds), "{cut}");
    }
}

#[test]
fn a_machine_on_which_every_round_is_invalid_ends_all_the_same() {
    let scenario = scenario(4);
    let mut fake = fake();
    fake.stacks.get_mut("direct").unwrap().invalid_drives = (0..100).collect();
    let findings = findings(&scenario, &mut fake);
    assert_eq!(findings.rounds.len(), 18, "half as many blocks again, a second chance in each, and no more");
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
    assert_eq!(failed, ["the server is not to be had: it will not start"]);
    assert_eq!(findings.rounds.len(), 3, "it is made again");
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
    let text = crate::snapshot::facts::render(&findings.stacks, &findings.rounds, &[]);
    assert!(text.contains("load on direct: none\nload on proxied: status-5xx"), "{text}");
}

/// The whole way from rounds to verdicts: three per cent more CPU time is no failure at a margin of five, and ten are.
#[test]
fn the_gate_finds_a_regression_and_only_that() {
    let scenario = scenario(8);
    let measured = |cpu_us| {
        let mut fake = fake();
        fake.stacks.get_mut("proxied").unwrap().cpu_us = cpu_us;
        estimates(&scenario, &findings(&scenario, &mut fake).rounds)
    };
    let committed = Ratios::of("a machine".to_owned(), &scenario.loads, &measured(100_000));
    let verdict = |cpu_us| {
        let judged = judge(&scenario, &measured(cpu_us), 1, Some(&committed));
        assert_eq!(judged.len(), 2);
        assert_eq!(judged.iter().find(|v| v.metric == "throughput").unwrap().verdict, Verdict::Pass);
        judged.iter().find(|v| v.metric == "cpu_per_request").unwrap().verdict
    };
    assert_eq!(verdict(100_000), Verdict::Pass);
    assert_eq!(verdict(103_000), Verdict::Pass);
    assert_eq!(verdict(110_000), Verdict::Fail);
    assert_eq!(verdict(90_000), Verdict::Improved);
}

fn judge(scenario: &Scenario, estimates: &[Estimate], made: usize, committed: Option<&Ratios>) -> Vec<MetricVerdict> {
    let looks = Looks::new(scenario.rounds.looks.iter().map(|look| look.get()).collect()).unwrap();
    let rules = GateContext { gate: &scenario.gate, reference: &scenario.reference().name, looks: &looks, made };
    gate::evaluate(rules, estimates, &Ratios::of(String::new(), &scenario.loads, estimates), committed)
}

/// `proxied` against `direct` itself, both the same but for what `change` does to the first; looks as given.
fn comparison(looks: &[u32], margins: &[(Metric, f64)], change: impl FnOnce(&mut Behaviour)) -> (Scenario, Fake) {
    let mut scenario = scenario(1);
    scenario.rounds.looks = looks.iter().map(|look| NonZeroU32::new(*look).unwrap()).collect();
    scenario.gate = Gate { against: Against::Reference, margins: margins.iter().copied().collect() };
    let mut fake = Fake { noise: Some(Noise { seed: 4, scatter: 0.02 }), ..fake() };
    let mut proxied = Behaviour::default();
    change(&mut proxied);
    fake.stacks.insert("proxied".to_owned(), proxied);
    (scenario, fake)
}

/// Runs until decided or the looks are used up.
fn decided(scenario: &Scenario, fake: &mut Fake) -> (Findings, Vec<MetricVerdict>) {
    let mut is_decided =
        |rounds: &[RoundRecord], made| !gate::is_open(&judge(scenario, &estimates(scenario, rounds), made, None));
    let findings = continued(scenario, fake, Vec::new(), &mut is_decided);
    let judged = judge(scenario, &estimates(scenario, &findings.rounds), findings.looks_made, None);
    (findings, judged)
}

const MARGINS: [(Metric, f64); 3] = [(Metric::Throughput, 0.05), (Metric::CpuPerRequest, 0.05), (Metric::P50, 0.05)];

#[test]
fn a_stack_against_itself_passes_or_is_inconclusive() {
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
fn a_stack_with_a_millisecond_more_fails() {
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

/// Three per cent more CPU time at a margin of one: the first look is inconclusive and asks for more rounds, and the
/// rounds it asks for find it.
#[test]
fn three_per_cent_more_cpu_are_found_with_the_rounds_that_were_asked_for() {
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
fn a_run_ends_with_the_first_look_that_leaves_nothing_undecided() {
    let (scenario, mut fake) = comparison(&[8, 16, 24], &MARGINS, |_| {});
    fake.noise = None;
    let (findings, judged) = decided(&scenario, &mut fake);
    assert_eq!((findings.looks_made, findings.rounds.len()), (1, 16));
    assert!(judged.iter().all(|metric| (metric.verdict, metric.look) == (Verdict::Pass, Some(1))), "{judged:?}");

    let (scenario, mut fake) =
        comparison(&[8, 16, 24], &[(Metric::CpuPerRequest, 0.02)], |proxied| proxied.cpu_us = 102_000);
    fake.noise = Some(Noise { seed: 7, scatter: 0.1 });
    let (findings, judged) = decided(&scenario, &mut fake);
    assert_eq!((findings.looks_made, findings.rounds.len()), (3, 48), "used up");
    assert_eq!((judged[0].verdict, judged[0].look, judged[0].rounds), (Verdict::Inconclusive, None, 24));
}

#[test]
fn a_look_waits_for_the_block_that_replaces_an_invalid_one() {
    let (scenario, mut fake) = comparison(&[6, 12], &[], |proxied| proxied.invalid_drives = vec![2, 3]);
    let mut looked_at = Vec::new();
    continued(&scenario, &mut fake, Vec::new(), &mut |rounds, look| {
        looked_at.push((look, rounds.len()));
        false
    });
    assert_eq!(looked_at, [(1, 15)], "seven blocks for six; the last look is not asked about");
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped_and_repeats_the_block_it_was_cut_in() {
    let scenario = scenario(6);
    let whole = findings(&scenario, &mut fake()).rounds;
    let order = |rounds: &[RoundRecord]| -> Vec<(u32, String)> {
        rounds.iter().map(|round| (round.block, round.stack.clone())).collect()
    };
    // Between two blocks: the rest is made as it would have been.
    let mut second = fake();
    let continued_at_six = continued(&scenario, &mut second, whole[..6].to_vec(), &mut |_, _| true);
    assert_eq!(order(&continued_at_six.rounds), order(&whole));
    assert_eq!(second.log.iter().filter(|line| line.starts_with("drive")).count(), 6);
    // Within a block: its round is shown and not used, and a seventh block takes its place.
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
fn stacks_that_cannot_be_told_apart_share_a_place() {
    let (scenario, mut fake) = comparison(&[12], &[], |proxied| proxied.cpu_us *= 2);
    let (findings, _) = decided(&scenario, &mut fake);
    let rankings = rankings(&scenario, &findings.rounds);
    let shown = |metric: Metric| {
        let ranking = rankings.iter().find(|ranking| ranking.metric == metric.name()).unwrap();
        ranking.ranks.iter().map(|rank| (rank.stack.as_str(), rank.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(shown(Metric::CpuPerRequest), [("direct", "1".to_owned()), ("proxied", "2".to_owned())]);
    assert!(shown(Metric::Throughput).iter().all(|(_, place)| place == "1–2"));
}

#[test]
fn a_driver_without_time_left_bounds_every_ratio_but_that_of_cpu_time() {
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
fn late_readings_stolen_time_and_a_full_accept_queue_are_warnings_and_no_more() {
    let (scenario, mut fake) = comparison(&[1], &[], |proxied| {
        proxied.read_over_us = 1_100_000;
        proxied.stolen_us = 22_000;
        proxied.drops = 3;
        proxied.unexpected_connections = 4;
    });
    let (findings, _) = decided(&scenario, &mut fake);
    let proxied = findings.rounds.iter().find(|round| round.stack == "proxied").unwrap();
    let said: Vec<&str> = proxied.valid().unwrap().issues.iter().map(|issue| issue.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "what the stack used was read over a time +10 % off the window; its cost is as uncertain",
            "the hypervisor gave 2 % of a core's time to others; every number suffers",
            "the server turned 3 connections away for a full accept queue; clients try again after a second",
            "the server accepted 5 connections, but the driver opened 1"
        ]
    );
    let direct = findings.rounds.iter().find(|round| round.stack == "direct").unwrap();
    assert_eq!(direct.valid().unwrap().issues, []);
}

#[test]
fn a_warm_up_ends_with_the_seconds_that_are_alike_or_is_said_to_be_unsteady() {
    let mut scenario = scenario(1);
    scenario.rounds.warmup = Warmup::Auto { most: Duration::from_secs(12) };
    let mut fake = fake();
    fake.stacks.get_mut("direct").unwrap().cold_drives = 1;
    fake.stacks.get_mut("proxied").unwrap().cold_drives = 9;
    let findings = findings(&scenario, &mut fake);
    let of = |stack: &str| {
        let round = findings.rounds.iter().find(|round| round.stack == stack).unwrap();
        let measured = round.valid().unwrap();
        let said: Vec<&str> = measured.issues.iter().map(|issue| issue.message.as_str()).collect();
        (measured.warmup.lasted_us, measured.warmup.is_steady, measured.warmup.seconds.len(), said)
    };
    // Five cold seconds, five that are alike, and one for the measuring driver's connections.
    assert_eq!(of("direct"), (11_000_000, Some(true), 10, vec![]));
    let unsteady = "no steady state within 11 s: the last 5 seconds scattered or drifted";
    assert_eq!(of("proxied"), (11_000_000, Some(false), 10, vec![unsteady]));
    assert_eq!(fake.log.iter().filter(|line| line.starts_with("drive direct")).count(), 3);
}
