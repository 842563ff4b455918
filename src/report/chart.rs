//! A record as a chart: for each load the servers by place, with the requests they answered in a second and what one
//! cost. SVG, for pages with a light or a dark ground, 880 pixels wide.

use super::against::PLACES;
use super::numbers::{grouped, micros};
use super::standing::{Spread, Standing, loads, not_measured, standings};
use super::svg::{Anchor, Drawing, Scale};
use super::terminal::counted;
use crate::record::{Provenance, Record};
use crate::scenario::model::Metric;

const WIDTH: u32 = 880;
const MARGIN: f64 = 24.0;
const RIGHT: f64 = WIDTH as f64 - MARGIN;
const ROW: f64 = 20.0;
const BAR: f64 = 11.0;
/// Where names begin; to the left of them are the places.
const NAMES: f64 = 70.0;
/// The bars, with room for the figure after the longest.
const BARS: [f64; 2] = [248.0, 548.0];
/// The dots; their figures are at the right margin.
const DOTS: [f64; 2] = [640.0, 790.0];
/// From the base line of a text to the middle of its small letters.
const HALF_LETTER: f64 = 4.0;
/// So many letters of the caption fit into a line.
const CAPTION_LETTERS: usize = 136;
/// So many of a stack's name.
const NAME_LETTERS: usize = 24;

const STYLE: &str = "\
text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; font-size: 12px; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; } .load { font-size: 14px; font-weight: 600; } .reference { font-weight: 600; }
.quiet { fill: #59636e; font-size: 11px; } .ground { fill: #ffffff; stroke: #d1d9e0; } .band { fill: #f2f5f8; }
.grid { stroke: #d8dee4; } .axis { stroke: #818b98; }
.bar { fill: #5b8fd6; } .dot { fill: #d9822b; } .whisker { stroke: #1f2328; } .cost { stroke: #d9822b; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .ground { fill: #0d1117; stroke: #3d444d; } .band { fill: #171d25; }
.grid { stroke: #2b323b; } .axis { stroke: #656c76; } .bar { fill: #3f74bd; } .dot { fill: #e8a15a; }
.whisker { stroke: #f0f6fc; } .cost { stroke: #e8a15a; }
}
";

/// The chart.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut drawing = Drawing::new(WIDTH);
    let provenance = &record.provenance;
    let title = provenance.title.as_deref().unwrap_or(&provenance.scenario);
    let mut y = MARGIN + 14.0;
    drawing.text("title", [MARGIN, y], Anchor::Start, title);
    for load in loads(record) {
        y = panel(&mut drawing, record, load, y + 34.0);
    }
    y += 12.0;
    for line in caption(record).iter().flat_map(|text| wrapped(text, CAPTION_LETTERS)) {
        y += 16.0;
        drawing.text("quiet", [MARGIN, y], Anchor::Start, &line);
    }
    drawing.finish(y + MARGIN - 6.0, title, STYLE)
}

/// One load from `top` downwards; where it ends.
fn panel(drawing: &mut Drawing, record: &Record, load: &str, top: f64) -> f64 {
    let standings = standings(record, load);
    let is_ramp = standings.iter().flat_map(|one| &one.rounds).any(|round| round.peak_per_s().is_some());
    let throughput: Vec<Option<Spread>> = standings.iter().map(|one| one.spread(Metric::Throughput)).collect();
    let cost: Vec<Option<Spread>> = standings.iter().map(|one| one.spread(Metric::CpuPerRequest)).collect();
    let most = |spreads: &[Option<Spread>]| spreads.iter().flatten().map(|one| one.most).fold(0.0, f64::max);
    let least_cost = cost.iter().flatten().map(|one| one.least).fold(f64::INFINITY, f64::min);
    let bars = Scale::linear(most(&throughput), BARS);
    let dots = match least_cost.is_finite() && least_cost > 0.0 {
        true => Scale::logarithmic(least_cost, most(&cost), DOTS),
        false => Scale::linear(1.0, DOTS),
    };

    let answers = if is_ramp { "most good answers per second, at any rate" } else { "good answers per second" };
    drawing.text("load", [MARGIN, top], Anchor::Start, load);
    let heads = top + 20.0;
    drawing.text("quiet", [MARGIN, heads], Anchor::Start, "place");
    drawing.text("quiet", [NAMES, heads], Anchor::Start, "server");
    drawing.text("quiet", [BARS[0], heads], Anchor::Start, answers);
    drawing.text("quiet", [DOTS[0], heads], Anchor::Start, "CPU time per request (log scale)");

    let first = heads + 9.0;
    let bottom = first + standings.len() as f64 * ROW;
    bands(drawing, &standings, first);
    for (scale, form) in [(&bars, grouped as fn(f64) -> String), (&dots, axis_micros)] {
        for tick in &scale.ticks {
            let x = scale.at(*tick);
            drawing.line("grid", [x, first], [x, bottom + 4.0]);
            drawing.text("quiet", [x, bottom + 17.0], Anchor::Middle, &form(*tick));
        }
    }
    drawing.line("axis", [BARS[0], first], [BARS[0], bottom + 4.0]);
    for (row, standing) in standings.iter().enumerate() {
        let middle = first + (row as f64 + 0.5) * ROW;
        name(drawing, standing, middle);
        match throughput[row] {
            Some(spread) => bar(drawing, &bars, spread, middle),
            None => {
                let why = "no valid round";
                drawing.text("quiet", [BARS[0] + 6.0, middle + HALF_LETTER], Anchor::Start, why);
            }
        }
        if let Some(spread) = cost[row] {
            let y = middle;
            drawing.line("cost", [dots.at(spread.least), y], [dots.at(spread.most), y]);
            drawing.dot("dot", [dots.at(spread.median), y], 4.0);
            drawing.text("", [RIGHT, y + HALF_LETTER], Anchor::End, &micros(spread.median));
        }
    }
    bottom + 20.0
}

/// A label of the axis: whole numbers, for ticks are powers of ten.
fn axis_micros(us: f64) -> String {
    match us {
        us if us < 1_000.0 => format!("{us} µs"),
        us if us < 1_000_000.0 => format!("{} ms", us / 1_000.0),
        us => format!("{} s", us / 1_000_000.0),
    }
}

/// Before each row its place, and behind every second group a band. A group ends where the places of all before end
/// ahead of those of all after.
fn bands(drawing: &mut Drawing, standings: &[Standing<'_>], first: f64) {
    let ends_before = |row: usize| {
        let before = standings[..row].iter().map(|one| one.place.map(|place| place.worst));
        let after = standings[row..].iter().map(|one| one.place.map_or(usize::MAX, |place| place.best));
        before.map(|worst| worst.unwrap_or(usize::MAX)).max() < after.min()
    };
    let mut is_shaded = true;
    for (row, standing) in standings.iter().enumerate() {
        is_shaded ^= ends_before(row);
        let top = first + row as f64 * ROW;
        if is_shaded {
            drawing.rectangle("band", [MARGIN - 6.0, top, RIGHT - MARGIN + 12.0, ROW], 0.0);
        }
        drawing.text("", [NAMES - 10.0, top + ROW / 2.0 + HALF_LETTER], Anchor::End, &standing.place_in_words());
    }
}

fn name(drawing: &mut Drawing, standing: &Standing<'_>, middle: f64) {
    let class = if standing.stack.reference { "reference" } else { "" };
    let name = &standing.stack.name;
    // One part's kind is its stack's name in a matrix: its version is what is new.
    let version = match standing.stack.components.as_slice() {
        [only] => only.version.rsplit(' ').next().unwrap_or_default(),
        _ => "",
    };
    let base = middle + HALF_LETTER;
    drawing.text(class, [NAMES, base], Anchor::Start, &shortened(name, NAME_LETTERS));
    if name.chars().count() + version.chars().count() < NAME_LETTERS + 6 {
        drawing.text("quiet", [BARS[0] - 8.0, base], Anchor::End, version);
    }
}

/// A bar, the spread over its rounds, and its figure.
fn bar(drawing: &mut Drawing, scale: &Scale, spread: Spread, middle: f64) {
    let [zero, median, least, most] = [0.0, spread.median, spread.least, spread.most].map(|value| scale.at(value));
    drawing.rectangle("bar", [zero, middle - BAR / 2.0, (median - zero).max(0.5), BAR], 1.0);
    drawing.line("whisker", [least, middle], [most, middle]);
    for end in [least, most] {
        drawing.line("whisker", [end, middle - 3.0], [end, middle + 3.0]);
    }
    drawing.text("", [median.max(most) + 7.0, middle + HALF_LETTER], Anchor::Start, &grouped(spread.median));
}

fn caption(record: &Record) -> Vec<String> {
    let provenance = &record.provenance;
    let mut said = vec![
        format!("Bars and dots: medians over the valid rounds; lines: from the least to the most; {PLACES}."),
        made_by(record),
    ];
    if provenance.is_short {
        said.push("The short form of the scenario: a first look.".to_owned());
    }
    let mut without: Vec<&str> =
        loads(record).into_iter().flat_map(|load| not_measured(record, load)).map(|(stack, _)| stack).collect();
    without.sort_unstable();
    without.dedup();
    if !without.is_empty() {
        said.push(format!("Not measured: {}.", without.join(", ")));
    }
    said
}

fn made_by(record: &Record) -> String {
    let Provenance { machine, started, lab, scenario, .. } = &record.provenance;
    let day = started.split('T').next().unwrap_or(started);
    let mut blocks: Vec<u32> = record.rounds.iter().map(|round| round.block).collect();
    blocks.sort_unstable();
    blocks.dedup();
    format!(
        "{scenario}, {day}, {} of {}, {}, {}; lab {lab}.",
        counted(machine.cores, "core"),
        machine.cpu,
        machine.kernel,
        counted(blocks.len(), "block"),
    )
}

fn shortened(text: &str, letters: usize) -> String {
    match text.chars().count() > letters {
        true => text.chars().take(letters - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Lines of at most so many letters, broken between words.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
