//! Two runs of one scenario: whether their rankings agree, and how far apart their medians are.
//!
//! Two rankings agree if no pair of stacks is ordered one way in the first run and the other way in the second, and the
//! two rank ranges of every stack overlap. A pair that only one run tells apart is not a disagreement: a difference at
//! the edge of what the blocks can resolve shows up in about every second run. The number of such pairs is reported.
//! With too few blocks to tell any pair apart twice, there is no verdict.
//!
//! Ranks may agree while every stack has become slower, or one that is far behind the others slower still. So medians that are
//! further apart than a tolerance are a disagreement as well.

pub mod words;

use std::collections::BTreeMap;

use crate::record::{Estimate, LoadRanking, RankRange, Record, StackRecord};
use lab_stats::sample;

/// Two runs of one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeatability {
    pub runs: [String; 2],
    /// The conditions that differ between the runs.
    pub changed_conditions: Vec<String>,
    /// The metrics that both runs have under the same load, in the first run's order.
    pub metrics: Vec<MetricRepeatability>,
}

/// One metric under one load in two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRepeatability {
    pub load: String,
    pub metric: String,
    /// Whether one of the runs had too few blocks to tell this number of stacks apart.
    pub has_too_few_blocks: bool,
    /// The stacks with a rank in both runs, in the first run's order.
    pub stacks: Vec<StackRepeatability>,
    pub pairs: Pairs,
    /// How far apart two medians of a stack may be, as a fraction.
    pub tolerance: f64,
    /// The stacks with a rank in one run only, and the index of that run.
    pub missing: Vec<(String, usize)>,
}

/// One stack in two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct StackRepeatability {
    pub stack: String,
    /// The rank ranges in the first and in the second run.
    pub ranks: [RankRange; 2],
    /// The second median divided by the first.
    pub ratio: Option<f64>,
}

/// Pairs of stacks, by which runs tell them apart. The better stack comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Pairs that both runs order the same way.
    pub in_both: usize,
    /// Pairs that only the first run tells apart, and only the second.
    pub in_one: [Vec<(String, String)>; 2],
    /// Pairs that neither run tells apart.
    pub in_neither: usize,
    /// Pairs that the runs order in opposite ways, in the first run's order.
    pub reversed: Vec<(String, String)>,
}

impl Repeatability {
    #[must_use]
    pub fn compare(first: &Record, second: &Record, tolerance: f64) -> Repeatability {
        let metrics = first.rankings.iter().filter_map(|ranking| {
            let again = second.rankings.iter().find(|one| one.load == ranking.load && one.metric == ranking.metric)?;
            Some(MetricRepeatability::new([first, second], [ranking, again], tolerance))
        });
        Repeatability {
            runs: [first, second].map(|record| record.provenance.run.clone()),
            changed_conditions: changed_conditions(first, second),
            metrics: metrics.collect(),
        }
    }

    /// Whether all rankings agree. `None` if nothing contradicts but some metric has no verdict.
    #[must_use]
    pub fn agrees(&self) -> Option<bool> {
        let each: Vec<Option<bool>> = self.metrics.iter().map(MetricRepeatability::agrees).collect();
        match each.contains(&Some(false)) {
            true => Some(false),
            false => (!each.is_empty() && !each.contains(&None)).then_some(true),
        }
    }
}

impl MetricRepeatability {
    fn new(records: [&Record; 2], rankings: [&LoadRanking; 2], tolerance: f64) -> MetricRepeatability {
        let stack = |rank: &RankRange| {
            let [one, two] = records.map(|record| median(record, rankings[0], &rank.stack));
            Some(StackRepeatability {
                stack: rank.stack.clone(),
                ranks: [rank.clone(), rankings[1].rank(&rank.stack)?.clone()],
                ratio: one.zip(two).map(|(one, two)| two / one),
            })
        };
        let stacks: Vec<StackRepeatability> = rankings[0].ranks.iter().filter_map(stack).collect();
        let missing = [(0, 1), (1, 0)].into_iter().flat_map(|(run, other): (usize, usize)| {
            let only = rankings[run].ranks.iter().filter(move |rank| rankings[other].rank(&rank.stack).is_none());
            only.map(move |rank| (rank.stack.clone(), run))
        });
        MetricRepeatability {
            load: rankings[0].load.clone(),
            metric: rankings[0].metric.clone(),
            has_too_few_blocks: rankings.iter().any(|ranking| ranking.blocks_needed.is_some()),
            pairs: Pairs::from_stacks(&stacks),
            tolerance,
            missing: missing.collect(),
            stacks,
        }
    }

    /// Whether the rankings and the medians agree. `None` if there were too few blocks for a verdict.
    #[must_use]
    pub fn agrees(&self) -> Option<bool> {
        let has_moved = self.moved().next().is_some() || self.apart().next().is_some();
        if has_moved || !self.pairs.reversed.is_empty() || !self.missing.is_empty() {
            return Some(false);
        }
        (self.pairs.in_both > 0 || !self.has_too_few_blocks).then_some(true)
    }

    /// The stacks whose two rank ranges do not overlap.
    pub fn moved(&self) -> impl Iterator<Item = &StackRepeatability> {
        self.stacks.iter().filter(|one| {
            let [first, second] = &one.ranks;
            first.worst < second.best || second.worst < first.best
        })
    }

    /// The stacks whose medians are further apart than the tolerance, and how far, as a fraction.
    pub fn apart(&self) -> impl Iterator<Item = (&StackRepeatability, f64)> {
        let distances = self.stacks.iter().filter_map(|one| Some((one, one.ratio?.ln().abs().exp_m1())));
        distances.filter(|(_, distance)| *distance > self.tolerance)
    }

    /// The stack whose medians differ most, with their ratio.
    #[must_use]
    pub fn largest_change(&self) -> Option<(&str, f64)> {
        let ratios = self.stacks.iter().filter_map(|one| Some((one.stack.as_str(), one.ratio?)));
        ratios.max_by(|one, two| one.1.ln().abs().total_cmp(&two.1.ln().abs()))
    }

    /// The median over all stacks of the relative change, as a fraction.
    #[must_use]
    pub fn typical_change(&self) -> Option<f64> {
        let apart: Vec<f64> = self.stacks.iter().filter_map(|one| Some(one.ratio?.ln().abs())).collect();
        sample::median(&apart).map(f64::exp_m1)
    }
}

impl Pairs {
    fn from_stacks(stacks: &[StackRepeatability]) -> Pairs {
        let mut pairs = Pairs::default();
        for (n, one) in stacks.iter().enumerate() {
            for other in &stacks[n + 1..] {
                let pair = |better: &StackRepeatability, worse: &StackRepeatability| {
                    (better.stack.clone(), worse.stack.clone())
                };
                match [0, 1].map(|run| StackOrder::read(one, other, run)) {
                    [None, None] => pairs.in_neither += 1,
                    [Some(first), Some(second)] if first == second => pairs.in_both += 1,
                    [Some(StackOrder::Better), None] => pairs.in_one[0].push(pair(one, other)),
                    [Some(StackOrder::Worse), None] => pairs.in_one[0].push(pair(other, one)),
                    [None, Some(StackOrder::Better)] => pairs.in_one[1].push(pair(one, other)),
                    [None, Some(StackOrder::Worse)] => pairs.in_one[1].push(pair(other, one)),
                    [Some(StackOrder::Better), Some(_)] => pairs.reversed.push(pair(one, other)),
                    [Some(StackOrder::Worse), Some(_)] => pairs.reversed.push(pair(other, one)),
                }
            }
        }
        pairs
    }

    #[must_use]
    pub fn total(&self) -> usize {
        self.in_both + self.in_one[0].len() + self.in_one[1].len() + self.in_neither + self.reversed.len()
    }
}

/// How one stack compares with another in a run that tells them apart.
#[derive(Clone, Copy, PartialEq)]
enum StackOrder {
    Better,
    Worse,
}

impl StackOrder {
    fn read(one: &StackRepeatability, other: &StackRepeatability, run: usize) -> Option<StackOrder> {
        let is_better = |better: &StackRepeatability, worse: &StackRepeatability| {
            better.ranks[run].better_than.contains(&worse.stack)
        };
        match (is_better(one, other), is_better(other, one)) {
            (true, _) => Some(StackOrder::Better),
            (false, true) => Some(StackOrder::Worse),
            (false, false) => None,
        }
    }
}

fn median(record: &Record, ranking: &LoadRanking, stack: &str) -> Option<f64> {
    let is_same = |one: &&Estimate| one.load == ranking.load && one.metric == ranking.metric && one.stack == stack;
    record.estimates.iter().find(is_same)?.median
}

fn changed_conditions(first: &Record, second: &Record) -> Vec<String> {
    let (one, two) = (&first.provenance, &second.provenance);
    let mut changed = Vec::new();
    let mut differs = |what: &str, is_other: bool| {
        if is_other {
            changed.push(format!("{what} differs"));
        }
    };
    differs("the machine", one.machine != two.machine);
    differs("the scenario file", one.sha256 != two.sha256);
    differs("a configuration, a kind or an application", one.configurations != two.configurations);
    differs("lab's version", one.lab != two.lab);
    differs("the seed", one.seed != two.seed);
    differs("the choice of cores", (&one.load_cores, &one.stack_cores) != (&two.load_cores, &two.stack_cores));
    differs("the form (short or whole)", one.is_short != two.is_short);
    let versions = |record: &Record| -> BTreeMap<String, Vec<String>> {
        let components = |stack: &StackRecord| stack.components.iter().map(|part| part.version.clone()).collect();
        record.stacks.iter().map(|stack| (stack.name.clone(), components(stack))).collect()
    };
    let (one, two) = (versions(first), versions(second));
    for (stack, version) in &one {
        let again = two.get(stack).filter(|again| !again.is_empty() && !version.is_empty());
        differs(&format!("the version of {stack}"), again.is_some_and(|again| again != version));
    }
    changed
}
