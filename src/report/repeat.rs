//! Two runs of one scenario beside each other: are the tiers the same, and how far apart are the medians?
//!
//! Tiers are the same where every two stacks that have a place in both runs stand to each other as before: apart in the
//! same order, or sharing a place. A stack has moved where it stands otherwise to at least one other; so a place that
//! splits in two moves those in it, and nobody beneath. Pure.

use std::collections::BTreeMap;

use crate::measure::stats;
use crate::record::{Placed, RatioInterval, Record};

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
    /// How many tiers either run has.
    pub tiers: [usize; 2],
    /// Whether one of the runs had too few blocks to tell so many stacks apart.
    pub is_too_short: bool,
    /// Stacks that have a place in both runs, and stand otherwise to at least one other.
    pub moved: Vec<Moved>,
    /// Stacks with a place in one of the runs only, and which of the two it is: 0 or 1.
    pub missing: Vec<(String, usize)>,
    /// The second run's median as a multiple of the first's, by stack, in the first run's order of places.
    pub ratios: Vec<(String, f64)>,
}

/// A stack that moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// The stack.
    pub stack: String,
    /// To whom it stands otherwise.
    pub past: Vec<Changed>,
    /// Whether the intervals of its ratio to the reference stack overlap; `None` where one of the runs has none.
    pub overlaps: Option<bool>,
}

/// How a stack stands to another in two runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The other.
    pub other: String,
    /// In the first run, and in the second.
    pub stands: [Stands; 2],
}

/// How one stack stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// In a better tier.
    Above,
    /// In the same one.
    Beside,
    /// In a worse one.
    Below,
}

impl Repeated {
    /// Compares a second run with a first one.
    #[must_use]
    pub fn of(first: &Record, second: &Record) -> Repeated {
        let metrics = first.places.iter().filter_map(|placed| {
            let again = second.places.iter().find(|one| one.load == placed.load && one.metric == placed.metric)?;
            Some(MetricRepeated::of([first, second], [placed, again]))
        });
        Repeated {
            runs: [first, second].map(|record| record.provenance.run.clone()),
            unlike: unlike(first, second),
            metrics: metrics.collect(),
        }
    }

    /// Whether there is something to compare, and all tiers are the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        !self.metrics.is_empty() && self.metrics.iter().all(MetricRepeated::is_same)
    }
}

impl MetricRepeated {
    fn of(records: [&Record; 2], placed: [&Placed; 2]) -> MetricRepeated {
        let [first, second] = placed.map(tier_of);
        let in_order: Vec<&str> = placed[0].tiers.iter().flatten().map(String::as_str).collect();
        let both: Vec<&str> = in_order.iter().copied().filter(|stack| second.contains_key(stack)).collect();
        let moved = both.iter().filter_map(|stack| {
            let past = both.iter().filter(|other| *other != stack).filter_map(|other| {
                let stands = [stand(first[stack], first[other]), stand(second[stack], second[other])];
                (stands[0] != stands[1]).then(|| Changed { other: (*other).to_owned(), stands })
            });
            let past: Vec<Changed> = past.collect();
            let [one, two] = records.map(|record| interval(record, placed[0], stack));
            let overlaps = one.zip(two).map(|(one, two)| one.lower <= two.upper && two.lower <= one.upper);
            (!past.is_empty()).then(|| Moved { stack: (*stack).to_owned(), past, overlaps })
        });
        let only = |has: &BTreeMap<&str, usize>, lacks: &BTreeMap<&str, usize>, run: usize| {
            let only = has.keys().filter(|stack| !lacks.contains_key(*stack));
            only.map(|stack| ((*stack).to_owned(), run)).collect::<Vec<_>>()
        };
        let ratios = both.iter().filter_map(|stack| {
            let [one, two] = records.map(|record| median(record, placed[0], stack));
            Some(((*stack).to_owned(), two? / one?))
        });
        MetricRepeated {
            load: placed[0].load.clone(),
            metric: placed[0].metric.clone(),
            tiers: placed.map(|placed| placed.tiers.len()),
            is_too_short: placed.iter().any(|placed| placed.blocks_needed.is_some()),
            moved: moved.collect(),
            missing: [only(&first, &second, 0), only(&second, &first, 1)].concat(),
            ratios: ratios.collect(),
        }
    }

    /// Whether the tiers are the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.moved.is_empty() && self.missing.is_empty()
    }

    /// Pairs that were told apart in both runs, in opposite orders: what tiers promise not to happen. Each pair once.
    #[must_use]
    pub fn reversed(&self) -> Vec<(&str, &str)> {
        let pairs = self.moved.iter().flat_map(|moved| moved.past.iter().map(move |past| (moved, past)));
        let was_above = pairs.filter(|(_, past)| past.stands == [Stands::Above, Stands::Below]);
        was_above.map(|(moved, past)| (moved.stack.as_str(), past.other.as_str())).collect()
    }

    /// The stack whose median differs most, and its ratio.
    #[must_use]
    pub fn farthest(&self) -> Option<&(String, f64)> {
        self.ratios.iter().max_by(|one, two| one.1.ln().abs().total_cmp(&two.1.ln().abs()))
    }

    /// The median of how far the medians differ, as a fraction.
    #[must_use]
    pub fn typical(&self) -> Option<f64> {
        let apart: Vec<f64> = self.ratios.iter().map(|(_, ratio)| ratio.ln().abs()).collect();
        stats::median(&apart).map(f64::exp_m1)
    }
}

fn tier_of(placed: &Placed) -> BTreeMap<&str, usize> {
    let tiers = placed.tiers.iter().enumerate();
    tiers.flat_map(|(tier, stacks)| stacks.iter().map(move |stack| (stack.as_str(), tier))).collect()
}

fn stand(own: usize, other: usize) -> Stands {
    match own.cmp(&other) {
        std::cmp::Ordering::Less => Stands::Above,
        std::cmp::Ordering::Equal => Stands::Beside,
        std::cmp::Ordering::Greater => Stands::Below,
    }
}

fn estimate<'a>(record: &'a Record, of: &Placed, stack: &str) -> Option<&'a crate::record::Estimate> {
    record.estimates.iter().find(|one| one.load == of.load && one.metric == of.metric && one.stack == stack)
}

fn interval(record: &Record, of: &Placed, stack: &str) -> Option<RatioInterval> {
    estimate(record, of, stack)?.ratio.as_ref()?.interval
}

fn median(record: &Record, of: &Placed, stack: &str) -> Option<f64> {
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
