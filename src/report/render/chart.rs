//! A chart as SVG: for each load the servers by rank, with their throughput and the CPU time of a request. It is 880
//! pixels wide and fits light and dark pages.

mod drawing;
mod scale;

use self::drawing::{Anchor, Drawing};
use self::scale::Scale;
use crate::record::{Provenance, Record};
use crate::report::numbers::{counted, grouped, micros};
use crate::report::view::comparison::RANK_RANGE_NOTE;
use crate::report::view::provenance::title;
use crate::report::view::stack_summary::{MinMedianMax, StackSummary, driven_loads, summaries, unmeasured};
use crate::scenario::model::Metric;

const WIDTH: u32 = 880;
const MARGIN: f64 = 24.0;
const RIGHT: f64 = WIDTH as f64 - MARGIN;
const ROW: f64 = 20.0;
const BAR: f64 = 11.0;
/// The names start here; the ranks are to the left.
const NAMES: f64 = 70.0;
/// The bars, with room for the figure after the longest.
const BARS: [f64; 2] = [248.0, 548.0];
/// The dots; their figures are at the right margin.
const DOTS: [f64; 2] = [640.0, 790.0];
/// Half the x-height, which centres text vertically.
const HALF_LETTER: f64 = 4.0;
/// The characters of the caption that fit a line.
const CAPTION_LETTERS: usize = 136;
/// The characters of a stack's name that fit.
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

/// The chart of a run.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut drawing = Drawing::new(WIDTH);
    let provenance = &record.provenance;
    let title = title(provenance);
    let mut y = MARGIN + 14.0;
    drawing.text("title", [MARGIN, y], Anchor::Start, title);
    for load in driven_loads(record) {
        y = panel(&mut drawing, record, load, y + 34.0);
    }
    y += 12.0;
    for line in caption(record).iter().flat_map(|text| wrapped(text, CAPTION_LETTERS)) {
        y += 16.0;
        drawing.text("quiet", [MARGIN, y], Anchor::Start, &line);
    }
    drawing.finish(y + MARGIN - 6.0, title, STYLE)
}

/// Draws one load below `top` and returns its bottom.
fn panel(drawing: &mut Drawing, record: &Record, load: &str, top: f64) -> f64 {
    let summaries = summaries(record, load);
    let is_ramp = summaries.iter().flat_map(|one| &one.rounds).any(|round| round.peak_per_s().is_some());
    let throughput: Vec<Option<MinMedianMax>> = summaries.iter().map(|one| one.metric(Metric::Throughput)).collect();
    let cost: Vec<Option<MinMedianMax>> = summaries.iter().map(|one| one.metric(Metric::CpuPerRequest)).collect();
    let most = |values: &[Option<MinMedianMax>]| values.iter().flatten().map(|one| one.max).fold(0.0, f64::max);
    let least_cost = cost.iter().flatten().map(|one| one.min).fold(f64::INFINITY, f64::min);
    let bars = Scale::linear(most(&throughput), BARS);
    let dots = match least_cost.is_finite() && least_cost > 0.0 {
        true => Scale::logarithmic(least_cost, most(&cost), DOTS),
        false => Scale::linear(1.0, DOTS),
    };

    let heading = if is_ramp { "most successes per second at any rate" } else { "successes per second" };
    drawing.text("load", [MARGIN, top], Anchor::Start, load);
    let heads = top + 20.0;
    drawing.text("quiet", [MARGIN, heads], Anchor::Start, "rank");
    drawing.text("quiet", [NAMES, heads], Anchor::Start, "server");
    drawing.text("quiet", [BARS[0], heads], Anchor::Start, heading);
    drawing.text("quiet", [DOTS[0], heads], Anchor::Start, "CPU time per request (log scale)");

    let first = heads + 9.0;
    let bottom = first + summaries.len() as f64 * ROW;
    bands(drawing, &summaries, first);
    for (scale, form) in [(&bars, grouped as fn(f64) -> String), (&dots, axis_micros)] {
        for tick in &scale.ticks {
            let x = scale.at(*tick);
            drawing.line("grid", [x, first], [x, bottom + 4.0]);
            drawing.text("quiet", [x, bottom + 17.0], Anchor::Middle, &form(*tick));
        }
    }
    drawing.line("axis", [BARS[0], first], [BARS[0], bottom + 4.0]);
    for (row, summary) in summaries.iter().enumerate() {
        let middle = first + (row as f64 + 0.5) * ROW;
        name(drawing, summary, middle);
        match throughput[row] {
            Some(value) => bar(drawing, &bars, value, middle),
            None => {
                let why = "no valid round";
                drawing.text("quiet", [BARS[0] + 6.0, middle + HALF_LETTER], Anchor::Start, why);
            }
        }
        if let Some(value) = cost[row] {
            let y = middle;
            drawing.line("cost", [dots.at(value.min), y], [dots.at(value.max), y]);
            drawing.dot("dot", [dots.at(value.median), y], 4.0);
            drawing.text("", [RIGHT, y + HALF_LETTER], Anchor::End, &micros(value.median));
        }
    }
    bottom + 20.0
}

/// An axis label. Ticks are powers of ten, so the numbers are whole.
fn axis_micros(us: f64) -> String {
    match us {
        us if us < 1_000.0 => format!("{us} µs"),
        us if us < 1_000_000.0 => format!("{} ms", us / 1_000.0),
        us => format!("{} s", us / 1_000_000.0),
    }
}

/// The rank of each row, and a band behind every second group. A group ends where every rank above is better than every
/// rank below.
fn bands(drawing: &mut Drawing, summaries: &[StackSummary<'_>], first: f64) {
    let starts_group = |row: usize| {
        let before = summaries[..row].iter().map(|one| one.rank.map(|rank| rank.worst));
        let after = summaries[row..].iter().map(|one| one.rank.map_or(usize::MAX, |rank| rank.best));
        before.map(|worst| worst.unwrap_or(usize::MAX)).max() < after.min()
    };
    let mut is_shaded = true;
    for (row, summary) in summaries.iter().enumerate() {
        is_shaded ^= starts_group(row);
        let top = first + row as f64 * ROW;
        if is_shaded {
            drawing.rectangle("band", [MARGIN - 6.0, top, RIGHT - MARGIN + 12.0, ROW], 0.0);
        }
        drawing.text("", [NAMES - 10.0, top + ROW / 2.0 + HALF_LETTER], Anchor::End, &summary.rank_cell());
    }
}

fn name(drawing: &mut Drawing, summary: &StackSummary<'_>, middle: f64) {
    let class = if summary.stack.reference { "reference" } else { "" };
    let name = &summary.stack.name;
    // In a matrix a stack of one component is named after its kind, so only the version adds information.
    let version = match summary.stack.components.as_slice() {
        [only] => only.version.rsplit(' ').next().unwrap_or_default(),
        _ => "",
    };
    let base = middle + HALF_LETTER;
    drawing.text(class, [NAMES, base], Anchor::Start, &shortened(name, NAME_LETTERS));
    if name.chars().count() + version.chars().count() < NAME_LETTERS + 6 {
        drawing.text("quiet", [BARS[0] - 8.0, base], Anchor::End, version);
    }
}

/// A bar with whiskers for the range over its rounds, and its value.
fn bar(drawing: &mut Drawing, scale: &Scale, value: MinMedianMax, middle: f64) {
    let [zero, median, least, most] = [0.0, value.median, value.min, value.max].map(|value| scale.at(value));
    drawing.rectangle("bar", [zero, middle - BAR / 2.0, (median - zero).max(0.5), BAR], 1.0);
    drawing.line("whisker", [least, middle], [most, middle]);
    for end in [least, most] {
        drawing.line("whisker", [end, middle - 3.0], [end, middle + 3.0]);
    }
    drawing.text("", [median.max(most) + 7.0, middle + HALF_LETTER], Anchor::Start, &grouped(value.median));
}

fn caption(record: &Record) -> Vec<String> {
    let provenance = &record.provenance;
    let mut sentences = vec![
        format!("Bars and dots: medians over the valid rounds; lines: minimum to maximum; {RANK_RANGE_NOTE}."),
        origin(record),
    ];
    if provenance.is_short {
        sentences.push("The short form of the scenario: a first look.".to_owned());
    }
    let mut without: Vec<&str> =
        driven_loads(record).into_iter().flat_map(|load| unmeasured(record, load)).map(|(stack, _)| stack).collect();
    without.sort_unstable();
    without.dedup();
    if !without.is_empty() {
        sentences.push(format!("Not measured: {}.", without.join(", ")));
    }
    sentences
}

fn origin(record: &Record) -> String {
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

/// Lines of at most `letters` characters, broken between words.
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
