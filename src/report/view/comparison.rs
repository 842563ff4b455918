//! Each stack against the reference under one load: ratios, and the rank ranges of stacks that can be told apart.

use super::text_table::{TextTable, owned_cells};
use crate::record::{LoadRanking, Ratio, Record};
use crate::scenario::model::Metric;

/// Explains a rank range.
pub const RANK_RANGE_NOTE: &str = "a rank range starts after all stacks that are significantly better, and ends before all that are significantly worse";

/// The metrics that a table of many stacks shows.
const METRICS: [Metric; 2] = [Metric::Throughput, Metric::CpuPerRequest];

const NO_RATIO: &str = "·";

/// Many stacks in one table.
pub struct ComparisonView<'a> {
    pub table: TextTable,
    pub has_ratios: bool,
    pub has_ranks: bool,
    /// The number of blocks that would tell more stacks apart, in words.
    pub blocks_note: Option<String>,
    /// The stacks whose throughput the driver limited.
    pub driver_bound: Vec<&'a str>,
}

impl<'a> ComparisonView<'a> {
    /// A row for each of `stacks`, in their order. `None` if there is nothing to compare.
    #[must_use]
    pub fn new(record: &'a Record, load: &'a str, stacks: &[&str]) -> Option<ComparisonView<'a>> {
        let data = ComparisonData::new(record, load, stacks);
        if data.ratios.is_empty() && !data.has_ranks {
            return None;
        }
        let mut driver_bound: Vec<&str> =
            data.ratios.iter().flat_map(|ratio| &ratio.driver_bound).map(String::as_str).collect();
        driver_bound.sort_unstable();
        driver_bound.dedup();
        Some(ComparisonView {
            table: TextTable {
                title: match data.ratios.first() {
                    Some(ratio) => format!("against {} ({})", ratio.reference, certainty(&data.ratios)),
                    None => "ranks".to_owned(),
                },
                header: owned_cells(&data.header()),
                rows: stacks.iter().map(|stack| data.row(stack)).collect(),
            },
            has_ratios: !data.ratios.is_empty(),
            has_ranks: data.has_ranks,
            blocks_note: data.blocks_note(),
            driver_bound,
        })
    }
}

struct ComparisonData<'a> {
    record: &'a Record,
    load: &'a str,
    ratios: Vec<&'a Ratio>,
    rankings: [Option<&'a LoadRanking>; METRICS.len()],
    has_intervals: bool,
    has_ranks: bool,
}

impl<'a> ComparisonData<'a> {
    fn new(record: &'a Record, load: &'a str, stacks: &[&str]) -> ComparisonData<'a> {
        let ratios: Vec<&Ratio> = stacks
            .iter()
            .flat_map(|stack| METRICS.into_iter().filter_map(|metric| ratio(record, load, stack, metric)))
            .collect();
        let rankings = METRICS.map(|metric| {
            record.rankings.iter().find(|ranking| ranking.load == load && ranking.metric == metric.name())
        });
        ComparisonData {
            record,
            load,
            has_intervals: ratios.iter().any(|ratio| ratio.interval.is_some()),
            has_ranks: rankings
                .iter()
                .flatten()
                .any(|ranking| ranking.ranks.iter().any(|rank| !rank.better_than.is_empty())),
            ratios,
            rankings,
        }
    }

    fn header(&self) -> Vec<&'static str> {
        let mut header = vec!["stack"];
        for name in ["throughput", "CPU/req"] {
            header.extend(self.has_ranks.then_some("rank"));
            header.push(name);
            header.extend(self.has_intervals.then_some("interval"));
        }
        header
    }

    fn row(&self, stack: &str) -> Vec<String> {
        let none = || NO_RATIO.to_owned();
        let reference = self.ratios.first().map(|ratio| ratio.reference.as_str());
        let mut row = vec![stack.to_owned()];
        for (metric, ranking) in METRICS.into_iter().zip(&self.rankings) {
            let ratio = ratio(self.record, self.load, stack, metric);
            if self.has_ranks {
                let rank = ranking.and_then(|ranking| ranking.rank(stack));
                row.push(rank.map_or_else(none, ToString::to_string));
            }
            row.push(match ratio {
                Some(ratio) => format!("{:.2} ×", ratio.ratio),
                None if Some(stack) == reference => "1".to_owned(),
                None => none(),
            });
            if self.has_intervals {
                let interval = ratio.and_then(|ratio| ratio.interval);
                row.push(interval.map_or_else(none, |i| format!("{:.2} … {:.2}", i.lower, i.upper)));
            }
        }
        row
    }

    fn blocks_note(&self) -> Option<String> {
        let blocks = self.rankings.iter().flatten().filter_map(|ranking| ranking.blocks_needed).max()?;
        let subject = if self.has_ranks { "telling more stacks apart" } else { "no ranks: telling stacks apart" };
        let made = self.ratios.iter().map(|ratio| ratio.log_ratios.len()).max().unwrap_or(0);
        Some(if made < blocks {
            format!("{subject} takes {blocks} blocks, and this run has {made}")
        } else {
            format!("{subject} takes {blocks} blocks in common for every pair, and some pairs have fewer")
        })
    }
}

fn ratio<'a>(record: &'a Record, load: &str, stack: &str, metric: Metric) -> Option<&'a Ratio> {
    let estimate =
        record.estimates.iter().find(|one| one.load == load && one.stack == stack && one.metric == metric.name());
    estimate?.ratio.as_ref()
}

/// The confidence of the intervals and the number of blocks behind them.
fn certainty(ratios: &[&Ratio]) -> String {
    let range = |values: &[f64], format: &dyn Fn(f64) -> String| {
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (min, max) = (format(min), format(max));
        if min == max { min } else { format!("{min} to {max}") }
    };
    let blocks: Vec<f64> = ratios.iter().map(|ratio| ratio.log_ratios.len() as f64).collect();
    let is_one_block = blocks.iter().all(|count| *count < 1.5);
    let blocks = range(&blocks, &|count| format!("{count:.0}")) + if is_one_block { " block" } else { " blocks" };
    let confidences: Vec<f64> = ratios.iter().filter_map(|ratio| Some(ratio.interval?.confidence)).collect();
    if confidences.is_empty() {
        return format!("no interval from {blocks}");
    }
    let confidence = range(&confidences, &|confidence| format!("{:.1}", confidence * 100.0));
    format!("intervals of {confidence} % confidence, {blocks}")
}
