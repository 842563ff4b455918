//! Figures that others have published.

use std::fmt::Write as _;

use super::table::{escaped, table};
use crate::record::{PublishedFigure, Record};
use crate::report::numbers::grouped;

pub(super) fn section(text: &mut String, record: &Record) {
    let all: Vec<(&str, &PublishedFigure)> =
        record.stacks.iter().flat_map(|stack| stack.published.iter().map(|one| (stack.name.as_str(), one))).collect();
    if all.is_empty() {
        return;
    }
    let row = |(stack, one): &(&str, &PublishedFigure)| {
        let figure = format!("{} {}", grouped(one.figure as f64), one.unit);
        let source = format!("[{}]({})", escaped(host(&one.source)), one.source.replace([' ', ')'], ""));
        let cells = [escaped(stack), escaped(&figure), escaped(&one.what), one.year.to_string(), source];
        [&cells[..], &[escaped(&one.conditions)]].concat()
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let header = ["server", "figure", "what", "year", "source", "conditions and caveats"];
    let _ = writeln!(
        text,
        "## Published figures\n\nThese come from other machines, other versions and other methods, so they are ranked neither \
         with the figures above nor with each other. The comparison of March 2010 gave the method (one application, \
         several requests on each connection, rates up to past saturation), but none of its numbers are used here.\n\n{}\n",
        table(&header, &rows)
    );
}

/// The host of a URL, as the text of a link.
fn host(address: &str) -> &str {
    let rest = address.strip_prefix("https://").unwrap_or(address);
    rest.split('/').next().unwrap_or(rest)
}
