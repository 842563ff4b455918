//! One run of a page, section by section.

use serde::Serialize;

use super::figures::{Chart, Figure, FigureContext};
use super::table::PageTable;
use crate::record::{CheckOutcome, PublishedFigure, Record, RoundOutcome, StackRecord, Validation};
use crate::report::numbers::{counted, grouped};
use crate::report::view::changes::{Change, distinct_changes, value_cell};
use crate::report::view::check_matrix::{CellDetails, CheckMatrix};
use crate::report::view::checks::{Failure, distinct_failures};
use crate::report::view::comparison::{ComparisonView, RANK_RANGE_NOTE};
use crate::report::view::gate_changes::{self, VerdictRow};
use crate::report::view::guards::guards;
use crate::report::view::load_tables;
use crate::report::view::next_command::next_command;
use crate::report::view::outcome::outcome;
use crate::report::view::provenance::{command_line, facts, title};
use crate::report::view::proxy_changes::{self, ProxyChange};
use crate::report::view::round_issues;
use crate::report::view::speed::SpeedView;
use crate::report::view::stack_summary::{driven_loads, numbered_loads};
use crate::report::view::test_suites::RunContext;
use crate::report::view::text_table::{TextTable, owned_cells};
use crate::report::view::topology::{self, StackPath};
use crate::report::view::versions::{self, Answer};
use crate::report::view::{noise_floor, validation, varying};
use crate::scenario::model::{Metric, head_name};

/// A run as a page shows it, in the order of its sections.
#[derive(Debug, Serialize)]
pub struct RunPage {
    /// The position of the run on the page.
    pub index: usize,
    /// The id of the run in links.
    pub id: String,
    /// The run's name.
    pub run: String,
    pub title: String,
    /// The versions that it compares, in a sentence.
    pub versions: Option<String>,
    pub is_short: bool,
    pub answer: Answer,
    /// What failed, and where.
    pub failures: Vec<FailureLine>,
    pub verdicts: Vec<VerdictRow>,
    pub gate: Option<Figure>,
    /// The lines by which the exact facts differ from the snapshot.
    pub facts_difference: Option<String>,
    /// What the reader has to know, as sentences.
    pub remarks: Vec<String>,
    /// The command to go on with.
    pub next_command: Option<String>,
    pub paths: Vec<StackPath>,
    pub matrix: Option<CheckMatrix>,
    /// The fields in which stacks differ from the reference.
    pub differences: Option<PageTable>,
    pub loads: Vec<LoadPage>,
    pub proxies: Vec<ProxyPage>,
    pub guards: PageTable,
    /// Rounds and stacks that do not count, with the reasons.
    pub void: Option<PageTable>,
    pub validations: Vec<PageTable>,
    pub noise: Vec<String>,
    pub facts: Vec<[String; 2]>,
    /// The digests of all inputs.
    pub inputs: Vec<[String; 2]>,
    pub command: String,
    pub published: Option<PageTable>,
    /// What an abridged record omits.
    pub left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct FailureLine {
    pub name: String,
    pub stacks: Vec<String>,
    pub reasons: Vec<String>,
}

/// The figures of one load.
#[derive(Debug, Serialize)]
pub struct LoadPage {
    pub load: String,
    pub speed: PageTable,
    /// The comparison with the reference, and the tables that only some loads have.
    pub tables: Vec<PageTable>,
    pub notes: Vec<String>,
    pub points: Vec<Figure>,
    pub latency: Option<Figure>,
    pub ramp: Option<Figure>,
    pub memory: Option<Figure>,
    pub cost: Option<Figure>,
}

#[derive(Debug, Serialize)]
pub struct ProxyPage {
    #[serde(flatten)]
    pub change: ProxyChange,
    pub table: PageTable,
}

impl RunPage {
    pub(super) fn new(record: &Record, index: usize) -> RunPage {
        let provenance = &record.provenance;
        let changes = gate_changes::changes(record);
        let gate = (!changes.is_empty()).then(|| Figure {
            id: format!("run-{}-gate", index + 1),
            scale: "gate".to_owned(),
            title: "Changes against the margins".to_owned(),
            caption: "The interval of each gated change, in per cent. A change fails if its whole interval lies beyond the mark."
                .to_owned(),
            notes: Vec::new(),
            chart: Some(Chart::Gate { changes }),
            tables: Vec::new(),
        });
        let loads = numbered_loads(record);
        let loads = loads.into_iter().map(|(number, load)| LoadPage::new(record, index, number, load));
        RunPage {
            index,
            id: format!("run-{}", index + 1),
            run: provenance.run.clone(),
            title: title(provenance).to_owned(),
            versions: record.comparison.as_ref().map(versions::versions),
            is_short: provenance.is_short,
            answer: outcome(record, RunContext::from_command(record)),
            failures: failures(record),
            verdicts: gate_changes::verdicts(record),
            gate,
            facts_difference: record.gate.facts_difference.clone(),
            remarks: remarks(record),
            next_command: next_command(record),
            paths: topology::paths(record),
            matrix: CheckMatrix::new(record),
            differences: differences(record),
            loads: loads.collect(),
            proxies: proxy_changes::changes(record).into_iter().map(ProxyPage::new).collect(),
            guards: guards_table(record),
            void: void_rounds(record),
            validations: record.validations.iter().map(validation_table).collect(),
            noise: noise(record),
            facts: facts(provenance),
            inputs: provenance.configurations.iter().map(|(name, sha256)| [name.clone(), sha256.clone()]).collect(),
            command: command_line(provenance),
            published: published(record),
            left_out: record.left_out.clone(),
        }
    }

    /// Every figure with a chart.
    pub(super) fn figures(&self) -> impl Iterator<Item = &Figure> {
        let of_loads = self.loads.iter().flat_map(|load| {
            let others = [&load.latency, &load.ramp, &load.memory, &load.cost];
            load.points.iter().chain(others.into_iter().flatten())
        });
        self.gate.iter().chain(of_loads)
    }

    pub(super) fn details(&self) -> &[CellDetails] {
        self.matrix.as_ref().map_or(&[], |matrix| &matrix.details)
    }
}

impl LoadPage {
    fn new(record: &Record, run: usize, index: usize, load: &str) -> LoadPage {
        let speed = SpeedView::new(record, load);
        let context = FigureContext { record, run, index, load, stacks: &speed.stacks };
        let points =
            [Metric::Throughput, Metric::CpuPerRequest].into_iter().filter_map(|metric| context.points(metric));
        let points: Vec<Figure> = points.collect();
        let [latency, ramp, memory, cost] = [context.percentiles(), context.ramp(), context.memory(), context.costs()];
        let mut notes: Vec<String> = speed.contention.iter().cloned().collect();
        let mut tables = Vec::new();
        match &record.comparison {
            Some(_) => tables.extend(versions::table(record, load)),
            None => {
                if let Some(view) = ComparisonView::new(record, load, &speed.stacks) {
                    notes.extend(view.has_ranks.then(|| RANK_RANGE_NOTE.to_owned()));
                    notes.extend(view.blocks_note);
                    let bound = view.driver_bound.join(", ");
                    notes.extend((!bound.is_empty()).then(|| format!("the driver limited the throughput of {bound}")));
                    tables.push(view.table);
                }
            }
        }
        // The tables of a ramp are behind its chart.
        if ramp.is_none() {
            tables.extend(load_tables::tables(record, load, &speed.stacks, true));
        }
        notes.extend(speed.unmeasured_by_reason());
        LoadPage {
            load: load.to_owned(),
            speed: speed.table.into(),
            tables: tables.into_iter().map(PageTable::from).collect(),
            notes,
            points,
            latency,
            ramp,
            memory,
            cost,
        }
    }
}

impl ProxyPage {
    fn new(mut change: ProxyChange) -> ProxyPage {
        let table = std::mem::take(&mut change.table).into();
        ProxyPage { change, table }
    }
}

/// The stacks that could not run and the distinct failures of checks.
fn failures(record: &Record) -> Vec<FailureLine> {
    let broken = record.stacks.iter().filter_map(|stack| {
        let reason = stack.error.as_ref().or(stack.unavailable.as_ref().filter(|_| !stack.is_optional))?;
        let (name, stacks) = ("could not run".to_owned(), vec![stack.name.clone()]);
        Some(FailureLine { name, stacks, reasons: vec![reason.clone()] })
    });
    // What was wrong before the change is not its fault.
    let stacks: Vec<&StackRecord> = record.stacks.iter().filter(|stack| head_name(&stack.name).is_none()).collect();
    let failed = distinct_failures(&stacks).into_iter().map(|failure| FailureLine {
        name: failure.check.name.clone(),
        stacks: failure.stacks.iter().map(|stack| (*stack).to_owned()).collect(),
        reasons: reasons(&failure),
    });
    broken.chain(failed).collect()
}

fn reasons(failure: &Failure<'_>) -> Vec<String> {
    match &failure.check.outcome {
        CheckOutcome::NoResponse { message } => vec![message.clone()],
        CheckOutcome::Failed { error } => vec![error.clone()],
        CheckOutcome::Evaluated { findings, .. } => findings
            .iter()
            .filter(|finding| !finding.agrees)
            .map(|finding| format!("{}: expected {}, observed {}", finding.field, finding.expected, finding.observed))
            .collect(),
    }
}

fn remarks(record: &Record) -> Vec<String> {
    let mut remarks: Vec<String> = record.comparison.iter().flat_map(|comparison| comparison.notes.clone()).collect();
    let varying = varying::varying(record);
    if !varying.is_empty() {
        remarks.push(format!("differs from visit to visit of one stack: {}", varying.join(", ")));
    }
    remarks.extend(
        record.gate.missing_snapshots.iter().map(|file| format!("nothing to compare with: there is no {file}")),
    );
    remarks
}

fn differences(record: &Record) -> Option<PageTable> {
    let changes = distinct_changes(&record.differences);
    let row = |change: &Change<'_>| {
        vec![change.field.to_owned(), value_cell(change.reference), value_cell(change.other), change.stacks.join(", ")]
    };
    let header = owned_cells(&["field", "reference", "these stacks", "stacks"]);
    let title = "differences from the reference".to_owned();
    let rows = changes.iter().map(row).collect();
    (!changes.is_empty()).then(|| TextTable { title, header, rows }.into())
}

fn guards_table(record: &Record) -> PageTable {
    let rows = guards(record).into_iter().map(|row| row.to_vec()).collect();
    TextTable { title: "guarded against".to_owned(), header: owned_cells(&["fault", "in this run"]), rows }.into()
}

/// A row for each kind of issue with a load, and for each round that could not run. Warnings come last.
fn void_rounds(record: &Record) -> Option<PageTable> {
    const WARNING: &str = "warning";
    let mut rows: Vec<Vec<String>> = Vec::new();
    for load in driven_loads(record) {
        for one in round_issues::groups(record, load).into_iter().flat_map(|group| group.stacks) {
            let effect = if one.issue.invalidates { "void" } else { WARNING };
            let (stack, message) = (one.stack.to_owned(), one.issue.message.clone());
            rows.push(vec![stack, load.to_owned(), effect.to_owned(), counted(one.rounds, "round"), message]);
        }
    }
    for round in &record.rounds {
        if let RoundOutcome::Failed { error } = &round.outcome {
            let cells = [&round.stack, &round.load, "could not run", &format!("block {}", round.block + 1), error];
            rows.push(owned_cells(&cells));
        }
    }
    rows.sort_by_key(|row| row[2] == WARNING);
    let header = owned_cells(&["stack", "load", "effect", "rounds", "why"]);
    (!rows.is_empty()).then(|| TextTable { title: "rounds in doubt".to_owned(), header, rows }.into())
}

fn validation_table(one: &Validation) -> PageTable {
    let mut table = validation::table(one);
    table.title = format!("{} driven by {} and by {}", one.load, one.driver, one.by_driver);
    table.into()
}

fn noise(record: &Record) -> Vec<String> {
    let mut noise = noise_floor::warnings(record);
    noise.extend(noise_floor::hint(record));
    let is_calibrated = record.below_noise_floor.is_some();
    if noise.is_empty() && is_calibrated {
        noise.push("This machine is calibrated, and every margin of the gate is above its noise floor.".to_owned());
    }
    if noise.is_empty() {
        noise.push(format!(
            "This machine is not calibrated: `lab calibrate {}` measures the smallest change that it can detect.",
            record.provenance.file
        ));
    }
    noise
}

fn published(record: &Record) -> Option<PageTable> {
    let figures = record.stacks.iter().flat_map(|stack| stack.published.iter().map(move |one| (&stack.name, one)));
    let row = |(stack, one): (&String, &PublishedFigure)| {
        let figure = format!("{} {}", grouped(one.figure as f64), one.unit);
        vec![stack.clone(), figure, one.what.clone(), one.year.to_string(), one.source.clone(), one.conditions.clone()]
    };
    let rows: Vec<Vec<String>> = figures.map(row).collect();
    let header = owned_cells(&["stack", "figure", "what", "year", "source", "conditions"]);
    (!rows.is_empty()).then(|| TextTable { title: "published figures".to_owned(), header, rows }.into())
}
