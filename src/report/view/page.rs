//! The page of a run, or of several side by side: every section of the report as data for templates, and the charts as data
//! for the browser. All of it comes from the same views as the other reports.

mod figures;
mod run_page;
mod table;

use std::collections::BTreeMap;

use serde::Serialize;

use self::figures::Chart;
pub use self::run_page::RunPage;
use super::check_matrix::CellDetails;
use super::provenance::title;
use super::repeatability::{Repeatability, words};
use crate::record::Record;

/// How far apart two medians may be before two runs disagree, as in `lab report --against`.
const TOLERANCE: f64 = 0.5;

#[derive(Debug, Serialize)]
pub struct Page {
    pub title: String,
    /// Whether the run goes on.
    pub is_live: bool,
    /// lab's version.
    pub lab: &'static str,
    /// The stacks of all runs, each once.
    pub stacks: Vec<String>,
    pub runs: Vec<RunPage>,
    /// Whether two runs of one scenario agree, in sentences.
    pub agreement: Vec<String>,
}

/// The data of a page that its script reads.
#[derive(Debug, Serialize)]
pub struct PageData<'a> {
    stacks: &'a [String],
    /// By the id of their figure.
    charts: BTreeMap<&'a str, &'a Chart>,
    /// By the id of their figure: those with the same name share their scales.
    scales: BTreeMap<&'a str, &'a str>,
    /// The details of checks, by run.
    details: Vec<&'a [CellDetails]>,
}

impl Page {
    #[must_use]
    pub fn new(records: &[Record]) -> Page {
        let mut stacks: Vec<String> = Vec::new();
        for stack in records.iter().flat_map(|record| &record.stacks) {
            if !stacks.contains(&stack.name) {
                stacks.push(stack.name.clone());
            }
        }
        let mut titles: Vec<&str> = records.iter().map(|record| title(&record.provenance)).collect();
        titles.dedup();
        Page {
            title: titles.join(" · "),
            is_live: false,
            lab: env!("CARGO_PKG_VERSION"),
            stacks,
            runs: records.iter().enumerate().map(|(index, record)| RunPage::new(record, index)).collect(),
            agreement: agreement(records),
        }
    }

    /// The page of a run that goes on, without sections until something is established.
    #[must_use]
    pub fn live(title: &str, record: Option<&Record>) -> Page {
        let runs = record.map_or(&[][..], std::slice::from_ref);
        Page { title: title.to_owned(), is_live: true, ..Page::new(runs) }
    }

    #[must_use]
    pub fn data(&self) -> PageData<'_> {
        let figures = || self.runs.iter().flat_map(RunPage::figures);
        PageData {
            stacks: &self.stacks,
            charts: figures().filter_map(|figure| Some((figure.id.as_str(), figure.chart.as_ref()?))).collect(),
            scales: figures().map(|figure| (figure.id.as_str(), figure.scale.as_str())).collect(),
            details: self.runs.iter().map(RunPage::details).collect(),
        }
    }
}

fn agreement(records: &[Record]) -> Vec<String> {
    let [first, second] = records else { return Vec::new() };
    if first.provenance.scenario != second.provenance.scenario {
        return Vec::new();
    }
    let compared = Repeatability::compare(first, second, TOLERANCE);
    let metrics = compared
        .metrics
        .iter()
        .map(|one| format!("{} under {}: {}{}", one.metric, one.load, words::verdict(one), words::distance(one)));
    let conditions = compared.changed_conditions.iter().map(|condition| format!("conditions differ: {condition}"));
    metrics.chain(conditions).collect()
}
