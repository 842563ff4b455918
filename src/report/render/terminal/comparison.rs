//! How does it compare with the reference stack?

use std::fmt::Write as _;

use super::style::{LIST_WIDTH, QUIET, UNSURE, rendered, styled, wrapped_list};
use crate::record::{Estimate, Ratio, Record};
use crate::report::numbers::counted;
use crate::report::view::comparison::{ComparisonView, RANK_RANGE_NOTE};
use crate::report::view::provenance::has_many_stacks;
use crate::report::view::versions;

/// The ratios and rankings of a load: a line each, or a table if there are many stacks.
pub(super) fn section(text: &mut String, record: &Record, load: &str, stacks: &[&str], width: usize) {
    if record.comparison.is_some() {
        if let Some(view) = versions::table(record, load) {
            let rows = rendered(&view, 2..6, width);
            let _ = writeln!(text, "  {}\n{rows}", styled(QUIET, &view.title));
        }
        return;
    }
    if has_many_stacks(record) {
        if let Some(view) = ComparisonView::new(record, load, stacks) {
            comparison_table(text, &view, width);
        }
        return;
    }
    for estimate in record.estimates.iter().filter(|estimate| estimate.load == load) {
        if let Some(ratio) = &estimate.ratio {
            let _ = writeln!(text, "  {}", ratio_line(estimate, ratio));
        }
    }
    rankings(text, record, load);
}

fn comparison_table(text: &mut String, view: &ComparisonView<'_>, width: usize) {
    let rows = rendered(&view.table, 1..view.table.header.len(), width);
    let _ = writeln!(text, "  {}\n{rows}", styled(QUIET, &view.table.title));
    if view.has_ratios {
        let _ = writeln!(text, "  {}", styled(QUIET, "ratios of p50 and p99 are in the record"));
    }
    if view.has_ranks {
        let _ = writeln!(text, "  {}", styled(QUIET, RANK_RANGE_NOTE));
    }
    if let Some(note) = &view.blocks_note {
        let _ = writeln!(text, "  {}", styled(QUIET, note));
    }
    if !view.driver_bound.is_empty() {
        let stacks = wrapped_list(&view.driver_bound, LIST_WIDTH).replace('\n', "\n      ");
        let _ = writeln!(text, "  {}", styled(UNSURE, &format!("the driver limited the throughput of {stacks}")));
    }
}

fn ratio_line(estimate: &Estimate, ratio: &Ratio) -> String {
    let interval = match ratio.interval {
        Some(interval) => format!(
            "{:.2} … {:.2} ({:.1} % confidence, {} blocks)",
            interval.lower,
            interval.upper,
            interval.confidence * 100.0,
            ratio.log_ratios.len()
        ),
        None => format!("no interval from {}", counted(ratio.log_ratios.len(), "block")),
    };
    let what = format!("{} of {}", estimate.metric, estimate.stack);
    let mut line = format!("{what:<28} {:.2} × {}   {}", ratio.ratio, ratio.reference, styled(QUIET, &interval));
    if !ratio.driver_bound.is_empty() {
        let bound = format!("the driver limited the throughput of {}", ratio.driver_bound.join(" and "));
        let _ = write!(line, "  {}", styled(UNSURE, &bound));
    }
    line
}

fn rankings(text: &mut String, record: &Record, load: &str) {
    for ranking in record.rankings.iter().filter(|ranking| ranking.load == load) {
        let mut ranks: Vec<String> = ranking.ranks.iter().map(|rank| format!("{rank}: {}", rank.stack)).collect();
        ranks.extend(ranking.unranked.iter().map(|stack| format!("unranked: {stack}")));
        let needed = ranking.blocks_needed.map(|blocks| format!("   telling them apart takes {blocks} blocks"));
        let what = format!("ranks by {}", ranking.metric);
        let _ = writeln!(text, "  {what:<28} {}{}", ranks.join("   "), styled(QUIET, &needed.unwrap_or_default()));
    }
}
