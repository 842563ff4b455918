//! Two runs of one scenario beside each other: do the places agree, and how far apart are the medians?
//!
//! Places agree where no two stacks are told apart in opposite orders, and every stack's places in the first run have
//! some in common with those in the second. That a pair is told apart in one run only is no disagreement: with a
//! difference at the edge of what so many blocks can tell, it is told in every second run. How many there are is
//! counted. Where the blocks were too few to tell anything apart twice, nothing can be said. Pure.

use std::collections::BTreeMap;

use crate::record::{LoadRanking, RankRange, Record};
use lab_stats::stats;

/// Two runs beside each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeated {
    /// The names of the runs.
    pub runs: [String; 2],
    /// What makes the two runs less alike than two runs of one thing.
    pub unlike: Vec<String>,
    /// Each metric under each load that both runs have, in the first run's order.
    pub metrics: Vec<MetricRepeated>,
}

/// One metric under one load in two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRepeated {
    /// The load.
    pub load: String,
    /// The metric's name.
    pub metric: String,
    /// Whether one of the runs had too few blocks to tell so many stacks apart.
    pub is_too_short: bool,
    /// The stacks that have a place in both runs, in the first run's order.
    pub stacks: Vec<StackRepeated>,
    /// What the two runs say of every two of these.
    pub pairs: Pairs,
    /// Stacks with a place in one of the runs only, and which of the two it is: 0 or 1.
    pub missing: Vec<(String, usize)>,
}

/// One stack in two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct StackRepeated {
    /// The stack.
    pub stack: String,
    /// Its place in the first run, and in the second.
    pub places: [RankRange; 2],
    /// The second run's median as a multiple of the first's.
    pub ratio: Option<f64>,
}

/// Pairs of stacks, by what two runs say of them. The better one stands first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    /// How many were told apart in the same order twice.
    pub in_both: usize,
    /// Those told apart in the first run only, and in the second only.
    pub in_one: [Vec<(String, String)>; 2],
    /// How many were told apart in neither.
    pub in_neither: usize,
    /// Those told apart in opposite orders; the order is the first run's.
    pub reversed: Vec<(String, String)>,
}

impl Repeated {
    /// Compares a second run with a first one.
    #[must_use]
    pub fn of(first: &Record, second: &Record) -> Repeated {
        let metrics = first.rankings.iter().filter_map(|placed| {
            let again = second.rankings.iter().find(|one| one.load == placed.load && one.metric == placed.metric)?;
            Some(MetricRepeated::of([first, second], [placed, again]))
        });
        Repeated {
            runs: [first, second].map(|record| record.provenance.run.clone()),
            unlike: unlike(first, second),
            metrics: metrics.collect(),
        }
    }

    /// Whether all places agree; `None` where nothing contradicts, and too little is told to say that anything agrees.
    #[must_use]
    pub fn agrees(&self) -> Option<bool> {
        let each: Vec<Option<bool>> = self.metrics.iter().map(MetricRepeated::agrees).collect();
        match each.contains(&Some(false)) {
            true => Some(false),
            false => (!each.is_empty() && !each.contains(&None)).then_some(true),
        }
    }
}

impl MetricRepeated {
    fn of(records: [&Record; 2], placed: [&LoadRanking; 2]) -> MetricRepeated {
        let stack = |place: &RankRange| {
            let [one, two] = records.map(|record| median(record, placed[0], &place.stack));
            Some(StackRepeated {
                stack: place.stack.clone(),
                places: [place.clone(), placed[1].rank(&place.stack)?.clone()],
                ratio: one.zip(two).map(|(one, two)| two / one),
            })
        };
        let stacks: Vec<StackRepeated> = placed[0].ranks.iter().filter_map(stack).collect();
        let missing = [(0, 1), (1, 0)].into_iter().flat_map(|(run, other): (usize, usize)| {
            let only = placed[run].ranks.iter().filter(move |place| placed[other].rank(&place.stack).is_none());
            only.map(move |place| (place.stack.clone(), run))
        });
        MetricRepeated {
            load: placed[0].load.clone(),
            metric: placed[0].metric.clone(),
            is_too_short: placed.iter().any(|placed| placed.blocks_needed.is_some()),
            pairs: Pairs::of(&stacks),
            missing: missing.collect(),
            stacks,
        }
    }

    /// Whether the places agree; `None` where the blocks were too few for either run to tell what the other does.
    #[must_use]
    pub fn agrees(&self) -> Option<bool> {
        if !(self.pairs.reversed.is_empty() && self.missing.is_empty() && self.moved().next().is_none()) {
            return Some(false);
        }
        (self.pairs.in_both > 0 || !self.is_too_short).then_some(true)
    }

    /// Stacks whose places in the two runs have none in common.
    pub fn moved(&self) -> impl Iterator<Item = &StackRepeated> {
        self.stacks.iter().filter(|one| {
            let [first, second] = &one.places;
            first.worst < second.best || second.worst < first.best
        })
    }

    /// The stack whose median differs most, and its ratio.
    #[must_use]
    pub fn farthest(&self) -> Option<(&str, f64)> {
        let ratios = self.stacks.iter().filter_map(|one| Some((one.stack.as_str(), one.ratio?)));
        ratios.max_by(|one, two| one.1.ln().abs().total_cmp(&two.1.ln().abs()))
    }

    /// The median of how far the medians differ, as a fraction.
    #[must_use]
    pub fn typical(&self) -> Option<f64> {
        let apart: Vec<f64> = self.stacks.iter().filter_map(|one| Some(one.ratio?.ln().abs())).collect();
        stats::median(&apart).map(f64::exp_m1)
    }
}

impl Pairs {
    fn of(stacks: &[StackRepeated]) -> Pairs {
        let mut pairs = Pairs::default();
        for (n, one) in stacks.iter().enumerate() {
            for other in &stacks[n + 1..] {
                let named = |better: &StackRepeated, worse: &StackRepeated| (better.stack.clone(), worse.stack.clone());
                match [0, 1].map(|run| Order::of(one, other, run)) {
                    [None, None] => pairs.in_neither += 1,
                    [Some(first), Some(second)] if first == second => pairs.in_both += 1,
                    [Some(Order::Better), None] => pairs.in_one[0].push(named(one, other)),
                    [Some(Order::Worse), None] => pairs.in_one[0].push(named(other, one)),
                    [None, Some(Order::Better)] => pairs.in_one[1].push(named(one, other)),
                    [None, Some(Order::Worse)] => pairs.in_one[1].push(named(other, one)),
                    [Some(Order::Better), Some(_)] => pairs.reversed.push(named(one, other)),
                    [Some(Order::Worse), Some(_)] => pairs.reversed.push(named(other, one)),
                }
            }
        }
        pairs
    }

    /// How many there are.
    #[must_use]
    pub fn all(&self) -> usize {
        self.in_both + self.in_one[0].len() + self.in_one[1].len() + self.in_neither + self.reversed.len()
    }
}

/// How one stack stands to another that it was told from.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Better,
    Worse,
}

impl Order {
    fn of(one: &StackRepeated, other: &StackRepeated, run: usize) -> Option<Order> {
        let is_better =
            |better: &StackRepeated, worse: &StackRepeated| better.places[run].better_than.contains(&worse.stack);
        match (is_better(one, other), is_better(other, one)) {
            (true, _) => Some(Order::Better),
            (false, true) => Some(Order::Worse),
            (false, false) => None,
        }
    }
}

fn estimate<'a>(record: &'a Record, of: &LoadRanking, stack: &str) -> Option<&'a crate::record::Estimate> {
    record.estimates.iter().find(|one| one.load == of.load && one.metric == of.metric && one.stack == stack)
}

fn median(record: &Record, of: &LoadRanking, stack: &str) -> Option<f64> {
    estimate(record, of, stack)?.median
}

fn unlike(first: &Record, second: &Record) -> Vec<String> {
    let (one, two) = (&first.provenance, &second.provenance);
    let mut unlike = Vec::new();
    let mut differs = |what: &str, is_other: bool| {
        if is_other {
            unlike.push(format!("{what} differs"));
        }
    };
    differs("the machine", one.machine != two.machine);
    differs("the scenario's file", one.sha256 != two.sha256);
    differs("a configuration, a kind or an application", one.configurations != two.configurations);
    differs("lab's version", one.lab != two.lab);
    differs("the seed", one.seed != two.seed);
    differs("which cores are used", (&one.load_cores, &one.stack_cores) != (&two.load_cores, &two.stack_cores));
    differs("the form, short or whole,", one.is_short != two.is_short);
    let versions = |record: &Record| -> BTreeMap<String, Vec<String>> {
        let of =
            |stack: &crate::record::StackRecord| stack.components.iter().map(|part| part.version.clone()).collect();
        record.stacks.iter().map(|stack| (stack.name.clone(), of(stack))).collect()
    };
    let (one, two) = (versions(first), versions(second));
    for (stack, version) in &one {
        let again = two.get(stack).filter(|again| !again.is_empty() && !version.is_empty());
        differs(&format!("the version of {stack}"), again.is_some_and(|again| again != version));
    }
    unlike
}
