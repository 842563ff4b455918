//! The promise of the gate over a whole table: 24 stacks under 2 loads by 4 metrics. The figures are simulated, and judged as
//! those of a run are.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use super::*;
use crate::record::Unit;
use crate::scenario::model::Correction;
use lab_stats::estimate::estimate;

const STACKS: usize = 24;
const LOADS: [&str; 2] = ["pages", "files"];
const BLOCKS: u32 = 20;
const SESSIONS: u64 = 200;
/// The standard deviations of a round's logarithm, by metric.
const NOISE: [(Metric, f64); 4] =
    [(Metric::Throughput, 0.01), (Metric::CpuPerRequest, 0.01), (Metric::P50, 0.02), (Metric::P99, 0.06)];

/// Normal noise (Box and Muller).
struct Normal(ChaCha8Rng);

impl Normal {
    fn next(&mut self) -> f64 {
        let mut uniform = || (f64::from(self.0.next_u32()) + 0.5) / 4_294_967_296.0;
        (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
    }
}

/// The estimates of a session whose stacks are all alike, but for `change`: the logarithm by which the CPU time of the changed
/// stacks under one load differs. All ratios refer to the first stack, so its noise is in each of them.
fn session(seed: u64, change: f64, is_changed: impl Fn(usize) -> bool) -> Vec<Estimate> {
    let mut normal = Normal(ChaCha8Rng::seed_from_u64(seed));
    let mut estimates = Vec::new();
    for load in LOADS {
        for (metric, scatter) in NOISE {
            let mut series = || -> Vec<f64> { (0..BLOCKS).map(|_| scatter * normal.next()).collect() };
            let reference = series();
            for stack in 1..STACKS {
                let is_shifted = load == LOADS[0] && metric == Metric::CpuPerRequest && is_changed(stack);
                let shift = if is_shifted { change } else { 0.0 };
                let log_ratios =
                    series().iter().zip(&reference).map(|(own, reference)| own - reference + shift).collect();
                let ratio = Ratio {
                    reference: "0".to_owned(),
                    ratio: 1.0,
                    log_ratios,
                    interval: None,
                    t_interval: None,
                    driver_bound: Vec::new(),
                };
                estimates.push(Estimate {
                    load: load.to_owned(),
                    stack: stack.to_string(),
                    metric: metric.name().to_owned(),
                    unit: Unit::Us,
                    rounds: BLOCKS as usize,
                    median: Some(1.0),
                    ratio: Some(ratio),
                });
            }
        }
    }
    estimates
}

/// The verdicts after looks at 10 and 20 blocks.
fn judged(estimates: &[Estimate], margin: f64, correction: Correction) -> Vec<MetricVerdict> {
    let margins = NOISE.map(|(metric, _)| (metric, margin)).into();
    let gate = Gate { against: Against::Reference, correction, margins, ..Gate::default() };
    let looks = Looks::new(vec![BLOCKS / 2, BLOCKS]).unwrap();
    let context = GateContext { gate: &gate, ungated: &[], looks: &looks, made: 2, cells: None };
    let now = Ratios::from_estimates(String::new(), &[], &[]);
    judge(context, RunValues { estimates, now: &now, committed: None, limited: &[], past: &[] }).metrics
}

/// The least count that a binomial variable of `trials` and `probability` exceeds in at most one case of a thousand.
fn binomial_bound(trials: u64, probability: f64) -> u64 {
    let mut at = (1.0 - probability).powf(trials as f64);
    let mut cumulative = at;
    let mut count = 0;
    while cumulative < 0.999 {
        at *= (trials - count) as f64 / (count + 1) as f64 * probability / (1.0 - probability);
        count += 1;
        cumulative += at;
    }
    count
}

/// Without a margin, any difference is an alarm.
#[test]
fn false_alarms_are_bounded_over_the_whole_table() {
    let is_alarm = |metric: &MetricVerdict| matches!(metric.verdict, Verdict::Fail | Verdict::Improved);
    let mut alarms = [0; 2];
    let mut alone = 0;
    for seed in 0..SESSIONS {
        let estimates = session(seed, 0.0, |_| false);
        for (alarms, correction) in alarms.iter_mut().zip([Correction::Holm, Correction::FalseDiscoveryRate]) {
            let verdicts = judged(&estimates, 0.0, correction);
            assert_eq!(verdicts.len(), (STACKS - 1) * LOADS.len() * NOISE.len());
            *alarms += u64::from(verdicts.iter().any(is_alarm));
        }
        // Each ratio by its own interval of 95 %, as if it were the only one.
        let excludes_one = |one: &Estimate| {
            let log_ratios = &one.ratio.as_ref().unwrap().log_ratios;
            let interval = estimate(log_ratios, 0.95).unwrap().signed_rank.exact().unwrap();
            interval.lower > 0.0 || interval.upper < 0.0
        };
        alone += u64::from(seed < 20 && estimates.iter().any(excludes_one));
    }
    let bound = binomial_bound(SESSIONS, 0.05);
    assert_eq!(bound, 21);
    assert!(alarms.iter().all(|alarms| *alarms <= bound), "{alarms:?} of {SESSIONS} sessions had an alarm");
    assert!(alone >= 18, "one by one, {alone} of 20 sessions have an alarm: the bound is no matter of course");
}

/// 3 % more CPU time at a margin of half a per cent, with noise of 1 % in every round.
#[test]
fn small_change_is_found_in_the_whole_table() {
    let mut found = 0;
    for seed in 0..SESSIONS {
        let changed = session(SESSIONS + seed, 0.03_f64.ln_1p(), |stack| stack == 7);
        let verdicts = judged(&changed, 0.005, Correction::Holm);
        let failed: Vec<_> = verdicts.iter().filter(|metric| metric.verdict == Verdict::Fail).collect();
        let is_found = |metric: &&&MetricVerdict| {
            (&*metric.stack, &*metric.load, &*metric.metric) == ("7", "pages", "cpu_per_request")
        };
        found += u64::from(failed.iter().any(|metric| is_found(&metric)));
    }
    assert!(found * 10 >= SESSIONS * 9, "found in {found} of {SESSIONS} sessions");
}

/// Half of the stacks take 1.5 % more CPU time, and everything else is unchanged. There is no margin, so that any other call is
/// a false one. The ratios depend on each other, because each contains the noise of the reference.
#[test]
fn share_of_false_discoveries_is_bounded() {
    const SESSIONS: u64 = 60;
    let is_changed = |stack: usize| stack.is_multiple_of(2);
    let is_true = |metric: &MetricVerdict| {
        let stack: usize = metric.stack.parse().unwrap();
        metric.load == LOADS[0] && metric.metric == "cpu_per_request" && is_changed(stack)
    };
    let mut found = [0; 2];
    let mut false_shares = [0.0; 2];
    for seed in 0..SESSIONS {
        let estimates = session(1000 + seed, 0.015_f64.ln_1p(), is_changed);
        for (index, correction) in [Correction::Holm, Correction::FalseDiscoveryRate].into_iter().enumerate() {
            let verdicts = judged(&estimates, 0.0, correction);
            let failed: Vec<_> = verdicts.iter().filter(|metric| metric.verdict == Verdict::Fail).collect();
            let truly = failed.iter().filter(|metric| is_true(metric)).count();
            found[index] += truly;
            false_shares[index] += (failed.len() - truly) as f64 / failed.len().max(1) as f64 / SESSIONS as f64;
        }
    }
    // Three standard errors of the mean of 60 shares, of which one in five is about one twelfth.
    assert!(false_shares[1] <= decision::ALPHA + 0.013, "{false_shares:?}");
    assert!(found[1] as f64 > 1.1 * found[0] as f64, "{found:?}: it finds more than Holm's procedure");
}
