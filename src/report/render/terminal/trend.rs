//! The history of a scenario in the terminal: a line of bars for each series, and the change points below it.

use std::fmt::Write as _;

use super::style::{BAD, GOOD, QUIET, TITLE, styled, visible_width};
use super::wrap::wrapped;
use crate::report::numbers::counted;
use crate::report::view::trend::{ChangeSize, Trend, TrendChange, TrendPoint};
use crate::report::view::verdict::amount;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The most sessions of a line. Older ones are left out of the drawing, and not of the change points.
const DRAWN: usize = 72;
/// The characters of a line beside its bars: the indentation, and marks of changes.
const BESIDE_BARS: usize = 10;

/// What precedes the first change point.
const MARK: char = '│';

/// The series under a heading for each machine, for a terminal that is `width` characters wide.
#[must_use]
pub fn render(scenario: &str, trends: &[Trend], width: usize) -> String {
    let mut text = String::new();
    let mut machine = "";
    for trend in trends {
        if trend.machine != machine {
            machine = &trend.machine;
            let _ = writeln!(text, "{}", styled(TITLE, &format!("{scenario} on {} ({machine})", trend.cpu)));
        }
        series(&mut text, trend, width);
    }
    let changed = trends.iter().filter(|trend| !trend.changes.is_empty()).count();
    let hint = format!(
        "{changed} of {} series with change points; they say where to look, and `lab compare` whether it is so",
        trends.len()
    );
    let _ = writeln!(text, "\n{}", styled(QUIET, &hint));
    wrapped(&text, width, None)
}

fn series(text: &mut String, trend: &Trend, width: usize) {
    let (first, last) = (trend.points.first(), trend.points.last());
    let Some((first, last)) = first.zip(last) else { return };
    let name = format!("{} of {} under {}", trend.metric, trend.stack, trend.load);
    let sessions = counted(trend.points.len(), "session");
    let days = format!("{} to {}", day(first), day(last));
    let _ = writeln!(text, "\n  {name}  {}", styled(QUIET, &format!("{sessions}, {days}")));
    let lowest = trend.points.iter().map(|point| point.value).fold(f64::INFINITY, f64::min);
    let highest = trend.points.iter().map(|point| point.value).fold(f64::NEG_INFINITY, f64::max);
    let [lowest_text, highest_text, last_text] =
        [lowest, highest, last.value].map(|value| amount(&trend.metric, value));
    let range = format!("{lowest_text} … {highest_text}, last {last_text}{}", interval(&trend.metric, last));
    let bars = format!("  {}", bars(trend, lowest, highest, DRAWN.min(width.saturating_sub(BESIDE_BARS))));
    let is_short = visible_width(&bars) + 2 + visible_width(&range) <= width;
    let _ = writeln!(text, "{bars}{}{}", if is_short { "  " } else { "\n    " }, styled(QUIET, &range));
    for change in &trend.changes {
        let _ = writeln!(text, "  {}", change_line(trend, change));
    }
}

fn interval(metric: &str, point: &TrendPoint) -> String {
    let interval =
        point.interval.map(|(lower, upper)| format!(" ({} … {})", amount(metric, lower), amount(metric, upper)));
    interval.unwrap_or_default()
}

/// At most `drawn` bars. The height of a bar is its place between the lowest and the highest value. A level line marks equal values.
fn bars(trend: &Trend, lowest: f64, highest: f64, drawn: usize) -> String {
    let skipped = trend.points.len().saturating_sub(drawn);
    let mut text = if skipped > 0 { "… ".to_owned() } else { String::new() };
    for (index, point) in trend.points.iter().enumerate().skip(skipped) {
        if let Some(change) = trend.changes.iter().find(|change| change.index == index) {
            text.push_str(&styled(style(change), &MARK.to_string()));
        }
        let share = if highest > lowest { (point.value - lowest) / (highest - lowest) } else { 0.0 };
        text.push(BARS[((share * 7.0).round() as usize).min(7)]);
    }
    text
}

fn change_line(trend: &Trend, change: &TrendChange) -> String {
    let (before, after) = trend.around(change);
    let ChangeSize { percentage, levels } = trend.size(change);
    let size = match percentage {
        Some(percentage) => format!("{}  {levels}", styled(style(change), &format!("{MARK} {percentage}"))),
        None => styled(style(change), &format!("{MARK} {levels}")),
    };
    let between = match (&before.revision, &after.revision) {
        (Some(one), Some(other)) if one == other => format!("both at {}", revision(before)),
        (Some(_), Some(_)) => format!("between {} and {}", revision(before), revision(after)),
        _ => format!("between {} and {}", before.ended, after.ended),
    };
    format!("{size}, {}, {between}", day(after))
}

fn style(change: &TrendChange) -> anstyle::Style {
    if change.is_worse { BAD } else { GOOD }
}

fn revision(point: &TrendPoint) -> String {
    let name = point.revision.as_deref().unwrap_or_default();
    let changes = if point.is_modified { " with uncommitted changes" } else { "" };
    format!("{}{changes}", name.get(..12).unwrap_or(name))
}

fn day(point: &TrendPoint) -> &str {
    point.ended.split('T').next().unwrap_or_default()
}
