//! Complete reports of constructed records.

mod narrow;

use std::collections::BTreeMap;

use super::render;
use crate::check::diff::Difference;
use crate::check::evaluate::CheckFinding;
use crate::check::observed::Observed;
use crate::measure::contention::Contention;
use crate::measure::footprint::{Memory, Peaks};
use crate::measure::machine::Machine;
use crate::measure::resources::ResourceUse;
use crate::record::{
    CheckOutcome, CheckRecord, ComponentRecord, ComponentUse, DifferenceRecord, Distribution, DriverUse, Estimate,
    GateOutcome, LoadRanking, LooksRecord, Measured, Provenance, RankRange, Ratio, RatioInterval, Record, RoundIssue,
    RoundOutcome, RoundRecord, SCHEMA, StackDifferences, StackRecord, Unit, WarmupRecord,
};
use crate::stack::Role;

const LOAD: &str = "pingpong";
const MIB: u64 = 1024 * 1024;

/// A stack of the record: its name, its requests per second if it was measured, and a change to its record.
struct Stack {
    name: &'static str,
    per_s: Option<f64>,
    record: Change,
}

type Change = fn(StackRecord) -> StackRecord;

fn check(agrees: bool) -> CheckRecord {
    let finding = CheckFinding {
        field: "status".to_owned(),
        expected: "200".to_owned(),
        observed: if agrees { "200" } else { "400" }.to_owned(),
        agrees,
    };
    let observed = Observed {
        status: 200,
        reason: String::new(),
        headers: Vec::new(),
        body: String::new(),
        is_binary: false,
        framing_error: None,
        conditional: Vec::new(),
    };
    let outcome = CheckOutcome::Evaluated { findings: vec![finding], observed };
    CheckRecord {
        name: "it responds".to_owned(),
        request: "GET /".to_owned(),
        outcome,
        received: None,
        app: None,
        logs: Vec::new(),
    }
}

fn measured(per_s: f64) -> Measured {
    let mut times = hdrhistogram::Histogram::<u64>::new(3).unwrap();
    times.record_n((1e6 / per_s) as u64, per_s as u64).unwrap();
    let late = RoundIssue {
        kind: "client-saturated".to_owned(),
        invalidates: false,
        message: format!(
            "the driver was busy for {:.0} % of the window; the stack may be faster than shown",
            per_s / 100.0
        ),
    };
    Measured {
        warmup: WarmupRecord::default(),
        window_us: 1_000_000,
        ok: per_s as u64,
        failed: if per_s < 5000.0 { serde_json::from_str(r#"{"status-5xx":3}"#).unwrap() } else { BTreeMap::new() },
        unfinished: 0,
        answered: per_s as u64,
        possibly_cut: 0,
        body_bytes: None,
        connections_opened: None,
        throughput_per_s: per_s,
        service_time: Distribution::from_histogram(&times),
        failed_time: None,
        open: None,
        seconds: Vec::new(),
        steps: Vec::new(),
        components: vec![ComponentUse {
            growth: None,
            role: Role::Server,
            used: ResourceUse { cpu_us: 500_000, voluntary_context_switches: 1000, ..ResourceUse::default() },
            at_rest: Some(Memory { rss_bytes: 20 * MIB, pss_bytes: Some(8 * MIB) }),
            peaks: Peaks { peak_rss_bytes: 30 * MIB, peak_pss_bytes: Some(12 * MIB), ..Peaks::default() },
            accept_queue_drops: None,
            accepted_connections: None,
            curve: Vec::new(),
        }],
        machine: Contention::default(),
        driver: DriverUse { cpu_us: 0, cpu_user_us: 0, cpu_system_us: 0, unclassified: Vec::new() },
        shared: None,
        issues: if per_s > 8000.0 { vec![late] } else { Vec::new() },
    }
}

fn difference(field: &str, reference: Option<&str>, other: Option<&str>) -> DifferenceRecord {
    let owned = |value: Option<&str>| value.map(str::to_owned);
    let difference = Difference { field: field.to_owned(), reference: owned(reference), other: owned(other) };
    DifferenceRecord { check: "it responds".to_owned(), checks: 1, difference }
}

/// A record of `stacks`, the first of them the reference, after `blocks` blocks.
fn record(stacks: &[Stack], blocks: u32) -> Record {
    let reference = stacks[0].name;
    let stack_record = |stack: &Stack| StackRecord {
        name: stack.name.to_owned(),
        reference: stack.name == reference,
        components: vec![ComponentRecord { role: Role::Server, version: format!("{} 1.2", stack.name), image: None }],
        topology: None,
        error: None,
        unavailable: None,
        is_optional: true,
        published: Vec::new(),
        checks: vec![check(true)],
        varying: Vec::new(),
    };
    let measured_stacks: Vec<(&str, f64)> =
        stacks.iter().filter_map(|stack| Some((stack.name, stack.per_s?))).collect();
    let differs = |name: &str, per_s: f64| match per_s {
        per_s if per_s > 9000.0 => Vec::new(),
        _ => vec![
            difference("headers.Server", None, Some(name)),
            difference("headers.Connection", Some("close"), if per_s < 5000.0 { None } else { Some("keep-alive") }),
        ],
    };
    let ratio = |value: f64| Ratio {
        reference: reference.to_owned(),
        ratio: value,
        log_ratios: vec![value.ln(); blocks as usize],
        interval: (blocks >= 6).then_some(RatioInterval { lower: value * 0.9, upper: value * 1.1, confidence: 0.969 }),
        t_interval: None,
        driver_bound: if value > 0.8 { vec![reference.to_owned()] } else { Vec::new() },
    };
    let estimate = |name: &str, metric: &str, value: f64, of_reference: f64| Estimate {
        load: LOAD.to_owned(),
        stack: name.to_owned(),
        metric: metric.to_owned(),
        unit: if metric == "throughput" { Unit::PerS } else { Unit::Us },
        rounds: blocks as usize,
        median: Some(value),
        ratio: (name != reference).then(|| ratio(value / of_reference)),
    };
    let fastest = measured_stacks[0].1;
    let mut by_rate = measured_stacks.clone();
    by_rate.sort_by(|one, other| other.1.total_cmp(&one.1));
    let names: Vec<String> = by_rate.iter().map(|(name, _)| (*name).to_owned()).collect();
    let is_enough = blocks >= 6;
    // Two neighbours at a time cannot be told apart.
    let rank = |at: usize| {
        let (best, worst) =
            if is_enough { (at / 2 * 2 + 1, (at / 2 * 2 + 2).min(names.len())) } else { (1, names.len()) };
        RankRange { stack: names[at].clone(), best, worst, better_than: names[worst..].to_vec() }
    };
    let ranking = |metric: &str| LoadRanking {
        load: LOAD.to_owned(),
        metric: metric.to_owned(),
        ranks: (0..names.len()).map(rank).collect(),
        unranked: Vec::new(),
        blocks_needed: (!is_enough).then_some(6),
    };
    Record {
        schema: SCHEMA,
        comparison: None,
        left_out: Vec::new(),
        validations: Vec::new(),
        provenance: Provenance {
            run: "20261124T000000Z-1".to_owned(),
            started: String::new(),
            resumed: Vec::new(),
            ended: String::new(),
            command: Vec::new(),
            lab: "0.1.0".to_owned(),
            scenario: "servers".to_owned(),
            title: None,
            is_short: false,
            file: "servers.toml".to_owned(),
            sha256: String::new(),
            configurations: BTreeMap::new(),
            seed: 1,
            load_cores: vec![1],
            stack_cores: vec![0],
            machine: Machine {
                kernel: "Linux 6".to_owned(),
                cpu: "CPU".to_owned(),
                cores: 2,
                memory_bytes: 1,
                governor: None,
                nodes: Vec::new(),
            },
            paths: Vec::new(),
        },
        stacks: stacks.iter().map(|stack| (stack.record)(stack_record(stack))).collect(),
        volatile_line: None,
        growth: Vec::new(),
        confirmation: None,
        differences: measured_stacks[1..]
            .iter()
            .map(|(name, per_s)| StackDifferences {
                stack: (*name).to_owned(),
                reference: reference.to_owned(),
                differences: differs(name, *per_s),
            })
            .collect(),
        rounds: (0..blocks)
            .flat_map(|block| measured_stacks.iter().map(move |(name, per_s)| (block, *name, *per_s)))
            .map(|(block, name, per_s)| RoundRecord {
                confirms: false,
                block,
                load: LOAD.to_owned(),
                stack: name.to_owned(),
                outcome: RoundOutcome::Measured(Box::new(measured(per_s))),
            })
            .collect(),
        estimates: measured_stacks
            .iter()
            .flat_map(|(name, per_s)| {
                let cost = |per_s: f64| 5e5 / per_s;
                [
                    estimate(name, "throughput", *per_s, fastest),
                    estimate(name, "cpu_per_request", cost(*per_s), cost(fastest)),
                ]
            })
            .collect(),
        rankings: vec![ranking("throughput"), ranking("cpu_per_request")],
        looks: LooksRecord { declared: vec![blocks], made: 1 },
        below_noise_floor: None,
        gate: GateOutcome::default(),
    }
}

fn stack(name: &'static str, per_s: f64) -> Stack {
    Stack { name, per_s: Some(per_s), record: |record| record }
}

fn many() -> Vec<Stack> {
    let mut stacks = vec![
        stack("reference", 9000.0),
        stack("slow", 1000.0),
        stack("fast", 9500.0),
        stack("middling", 6000.0),
        stack("also-middling", 5900.0),
    ];
    let unmeasured: [(&str, Change); 4] = [
        ("gone", |stack| StackRecord { unavailable: Some("it has no release\nany more".to_owned()), ..stack }),
        ("broken", |stack| StackRecord { error: Some("it was not ready\n  | its log".to_owned()), ..stack }),
        ("wrong", |stack| StackRecord { checks: vec![check(false)], ..stack }),
        ("wrong-too", |stack| StackRecord { checks: vec![check(false)], ..stack }),
    ];
    stacks.extend(unmeasured.map(|(name, record)| Stack { name, per_s: None, record }));
    stacks
}

fn plain(record: &Record) -> String {
    anstream::adapter::strip_str(&render(record, usize::MAX)).to_string()
}

#[test]
fn two_stacks_have_a_line_each() {
    insta::assert_snapshot!(plain(&record(&[stack("direct", 9000.0), stack("proxied", 4000.0)], 6)));
}

#[test]
fn many_stacks_share_tables() {
    insta::assert_snapshot!(plain(&record(&many(), 6)));
}

#[test]
fn one_block_notes_its_limits_once() {
    let text = plain(&record(&many(), 1));
    assert_eq!(text.matches("no interval from 1 block").count(), 1, "{text}");
    assert_eq!(text.matches("no ranks: telling stacks apart takes 6 blocks, and this run has 1").count(), 1, "{text}");
    assert!(!text.contains(" rank "), "{text}");
}

#[test]
fn older_record_has_one_memory_column() {
    let mut record = record(&[stack("direct", 9000.0), stack("proxied", 4000.0)], 1);
    for round in &mut record.rounds {
        let RoundOutcome::Measured(measured) = &mut round.outcome else { continue };
        measured.components[0].at_rest = None;
    }
    let text = plain(&record);
    assert!(text.contains("… server    memory  switches/req") && !text.contains("at rest"), "{text}");
}
