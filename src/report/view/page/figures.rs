//! The figures of a page: a chart each, with the table behind it.

use serde::Serialize;

use super::table::PageTable;
use crate::record::Record;
use crate::report::numbers::{bytes, grouped, micros};
use crate::report::view::component_costs::{self, ComponentCost};
use crate::report::view::gate_changes::GateChange;
use crate::report::view::load_tables;
use crate::report::view::memory_curves::{MemoryCurve, MemoryCurves};
use crate::report::view::percentile_curves::{self, PercentileCurves};
use crate::report::view::ramp::{Ramp, ramps};
use crate::report::view::text_table::{NO_VALUE, TextTable, owned_cells};
use crate::report::view::value_points::{CONFIDENCE, StackPoints, ValuePoints};
use crate::report::view::verdict::label;
use crate::scenario::model::{Growth, Metric};

/// More dots are not told apart on a page.
const MAX_ROUNDS: usize = 100;

#[derive(Debug, Serialize)]
pub struct Figure {
    pub id: String,
    /// The charts of several runs with the same value share their scales.
    #[serde(skip)]
    pub scale: String,
    pub title: String,
    /// What the chart shows, in a sentence.
    pub caption: String,
    /// What is left out, and other remarks.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub chart: Option<Chart>,
    pub tables: Vec<PageTable>,
}

/// The data of a chart.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Chart {
    Points(ValuePoints),
    Percentiles(PercentileCurves),
    Ramp { ramps: Vec<Ramp> },
    Memory(MemoryCurves),
    Cost { costs: Vec<ComponentCost> },
    Gate { changes: Vec<GateChange> },
}

/// Names figures by their run, section and load.
#[derive(Debug, Clone, Copy)]
pub(super) struct FigureContext<'a> {
    pub(super) record: &'a Record,
    pub(super) run: usize,
    /// The number of the load in the scenario.
    pub(super) index: usize,
    pub(super) load: &'a str,
    pub(super) stacks: &'a [&'a str],
}

impl FigureContext<'_> {
    /// A name of a load may have any character, so the id has its position.
    fn id(&self, section: &str) -> String {
        format!("run-{}-{section}-{}", self.run + 1, self.index + 1)
    }

    fn scale(&self, section: &str) -> String {
        format!("{section} {}", self.load)
    }

    /// The median, interval and range of a metric. `None` if no round has a value.
    pub(super) fn points(&self, metric: Metric) -> Option<Figure> {
        let mut points = ValuePoints::new(self.record, self.load, metric)?;
        let table = points_table(&points);
        let mut notes = vec![format!(
            "Dots are rounds; a hollow dot is a round that was void. The line is the exact signed-rank interval of the median with at \
             least {:.0} % confidence, where there are enough rounds; the number is the rank range.",
            CONFIDENCE * 100.0
        )];
        let most = points.stacks.iter().map(|stack| stack.rounds.len()).max().unwrap_or(0);
        if most > MAX_ROUNDS {
            points.stacks.iter_mut().for_each(|stack| stack.rounds.truncate(MAX_ROUNDS));
            notes.push(format!("Thinned: the first {MAX_ROUNDS} rounds of each stack; intervals are from all."));
        }
        if points.stacks.iter().any(|stack| stack.limit.is_some()) {
            notes.push("A triangle is the limit of the gate.".to_owned());
        }
        let better = if points.more_is_better { "more is better" } else { "less is better" };
        let title = match metric {
            Metric::Throughput => format!("Throughput under {}", self.load),
            _ => format!("{} under {}", points.label, self.load),
        };
        Some(Figure {
            id: self.id(metric.name()),
            scale: self.scale(metric.name()),
            title,
            caption: format!("Every stack and round; {better}."),
            notes,
            chart: Some(Chart::Points(points)),
            tables: vec![table.into()],
        })
    }

    pub(super) fn percentiles(&self) -> Option<Figure> {
        let curves = PercentileCurves::new(self.record, self.load, self.stacks)?;
        let mut notes = Vec::new();
        if curves.is_abridged {
            notes.push("The record is abridged: its curves have the points p50, p90, p99 and p99.9.".to_owned());
        }
        Some(Figure {
            id: self.id("latency"),
            scale: self.scale("latency"),
            title: format!("Latency under {}", self.load),
            caption: "Response times count from the scheduled instant, service times from the send; all valid rounds together. \
                      Each step to the right is one more nine."
                .to_owned(),
            notes,
            chart: Some(Chart::Percentiles(curves)),
            tables: vec![percentile_curves::table(self.record, self.load, self.stacks).into()],
        })
    }

    /// `None` if the load is no ramp.
    pub(super) fn ramp(&self) -> Option<Figure> {
        let ramps = ramps(self.record, self.load, self.stacks);
        if ramps.is_empty() {
            return None;
        }
        let tables = load_tables::tables(self.record, self.load, self.stacks, true);
        Some(Figure {
            id: self.id("ramp"),
            scale: self.scale("ramp"),
            title: format!("The ramp of {}", self.load),
            caption: "Requests per second: offered against answered, and errors by class below.".to_owned(),
            notes: vec!["Rates that the driver itself could not keep up with are left out.".to_owned()],
            chart: Some(Chart::Ramp { ramps }),
            tables: tables.into_iter().map(PageTable::from).collect(),
        })
    }

    pub(super) fn memory(&self) -> Option<Figure> {
        let curves = MemoryCurves::new(self.record, self.load, self.stacks)?;
        let mut notes = Vec::new();
        if curves.is_thinned {
            notes.push("Thinned to 60 points each; the record has them all.".to_owned());
        }
        let mut tables = vec![PageTable::from(memory_table(&curves))];
        tables.extend(growth_table(self.record, self.load).map(PageTable::from));
        Some(Figure {
            id: self.id("memory"),
            scale: self.scale("memory"),
            title: format!("Memory under {}", self.load),
            caption: "Each component in the round whose peak is the median of its stack.".to_owned(),
            notes,
            chart: Some(Chart::Memory(curves)),
            tables,
        })
    }

    pub(super) fn costs(&self) -> Option<Figure> {
        let costs = component_costs::costs(self.record, self.load, self.stacks);
        if costs.is_empty() {
            return None;
        }
        Some(Figure {
            id: self.id("cost"),
            scale: self.scale("cost"),
            title: format!("Cost by component under {}", self.load),
            caption: "CPU time for each good response: medians over the valid rounds.".to_owned(),
            notes: Vec::new(),
            chart: Some(Chart::Cost { costs }),
            tables: vec![component_costs::table(self.record, self.load, self.stacks).into()],
        })
    }
}

/// A row for each stack of a chart of points.
fn points_table(points: &ValuePoints) -> TextTable {
    let format: fn(f64) -> String = if points.metric == Metric::Throughput.name() { grouped } else { micros };
    let cell = |value: Option<f64>| value.map_or_else(|| NO_VALUE.to_owned(), format);
    let row = |stack: &StackPoints| {
        let valid = || stack.rounds.iter().filter(|round| round.is_valid).map(|round| round.value);
        vec![
            stack.rank.clone().unwrap_or_else(|| NO_VALUE.to_owned()),
            stack.stack.clone(),
            cell(stack.median),
            cell(stack.interval.map(|[lower, _]| lower)),
            cell(stack.interval.map(|[_, upper]| upper)),
            cell(valid().reduce(f64::min)),
            cell(valid().reduce(f64::max)),
            format!("{}/{}", valid().count(), stack.rounds.len()),
        ]
    };
    let header = ["rank", "stack", "median", "interval from", "to", "least", "most", "valid rounds"];
    let rows = points.stacks.iter().map(row).collect();
    TextTable { title: points.label.clone(), header: owned_cells(&header), rows }
}

/// A row for each component.
fn memory_table(curves: &MemoryCurves) -> TextTable {
    let size = |bytes_held: Option<f64>| bytes_held.map_or_else(|| NO_VALUE.to_owned(), |held| bytes(held as u64));
    let row = |curve: &MemoryCurve| {
        let held = || curve.points.iter().map(|[_, held]| *held);
        let ends = [held().next(), held().next_back(), held().reduce(f64::max)];
        [vec![curve.stack.clone(), curve.role.to_string()], ends.map(size).to_vec()].concat()
    };
    let header = owned_cells(&["stack", "component", "at the start", "at the end", "peak"]);
    TextTable { title: "memory".to_owned(), header, rows: curves.curves.iter().map(row).collect() }
}

/// What the stacks hold more of with every request. `None` if the record does not say.
fn growth_table(record: &Record, load: &str) -> Option<TextTable> {
    let rows = record.growth.iter().filter(|one| one.load == load).filter_map(|one| {
        let growth = Growth::by_name(&one.metric)?;
        let ends = [one.interval.map(|interval| interval.lower), one.interval.map(|interval| interval.upper)];
        let ends = ends.map(|end| end.map_or_else(|| NO_VALUE.to_owned(), |end| growth.display(end)));
        let lead = vec![one.stack.clone(), label(&one.metric), growth.display(one.per_request)];
        Some([lead, ends.to_vec(), vec![one.rounds.to_string()]].concat())
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let header = owned_cells(&["stack", "what", "growth", "interval from", "to", "rounds"]);
    (!rows.is_empty()).then(|| TextTable { title: "growth with the requests".to_owned(), header, rows })
}
