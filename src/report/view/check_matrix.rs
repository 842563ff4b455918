//! The checks of all stacks as a matrix, and the details of each cell: expectations, the response at the client, the request
//! as the server received it and as the application saw it, and what differs from the reference.

use std::collections::HashMap;

use serde::Serialize;

use super::checks::logged_lines;
use super::stack_diff;
use crate::check::diff::Difference;
use crate::check::evaluate::{CheckFinding, app_field};
use crate::check::observed::Observed;
use crate::record::{CheckOutcome, CheckRecord, Record, StackRecord};
use crate::scenario::model::{AppField, head_name};
use lab_app::headers_report::{ReceivedRequest, RequestView};

/// The characters of a body that are shown.
const MAX_BODY: usize = 2000;
/// The characters that the details of all cells may take together. Beyond that, those of passed checks are left out.
const MAX_DETAILS: usize = 250_000;

/// A row for each check, a column for each stack.
#[derive(Debug, Serialize)]
pub struct CheckMatrix {
    pub stacks: Vec<String>,
    pub rows: Vec<MatrixRow>,
    /// The distinct details that cells refer to.
    #[serde(skip)]
    pub details: Vec<CellDetails>,
    /// How many cells have no details, for want of space.
    pub left_out: usize,
}

#[derive(Debug, Serialize)]
pub struct MatrixRow {
    pub check: String,
    /// Method and target.
    pub request: String,
    pub cells: Vec<MatrixCell>,
}

#[derive(Debug, Serialize)]
pub struct MatrixCell {
    pub stack: String,
    pub mark: CellMark,
    /// The number of fields that differ from the reference.
    pub differences: usize,
    /// An index into the details of the matrix.
    pub details: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellMark {
    Passed,
    Failed,
    /// The check does not apply to the stack, or the stack could not run.
    NotRun,
}

/// What a cell shows on demand.
#[derive(Debug, PartialEq, Serialize)]
pub struct CellDetails {
    check: String,
    request: String,
    /// Why there is no response.
    message: Option<String>,
    findings: Vec<CheckFinding>,
    response: Option<ShownResponse>,
    /// As the server received it.
    received: Option<ReceivedRequest>,
    /// As the application saw it: field and value.
    app: Vec<[String; 2]>,
    reference: Option<String>,
    differences: Vec<Difference>,
    /// Files and lines.
    logs: Vec<(String, Vec<String>)>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ShownResponse {
    status: String,
    headers: Vec<(String, String)>,
    body: String,
    /// How many characters of the body are left out.
    left_out: usize,
}

impl CheckMatrix {
    /// `None` without checks.
    #[must_use]
    pub fn new(record: &Record) -> Option<CheckMatrix> {
        let mut names: Vec<(&str, &str)> = Vec::new();
        for check in record.stacks.iter().flat_map(|stack| &stack.checks) {
            if !names.iter().any(|(name, _)| *name == check.name) {
                names.push((&check.name, &check.request));
            }
        }
        let stacks = record.stacks.iter().filter(|stack| !stack.checks.is_empty());
        let stacks: Vec<&StackRecord> = stacks.collect();
        if names.is_empty() {
            return None;
        }
        let mut pool = DetailsPool::default();
        let rows = names.into_iter().map(|(name, request)| MatrixRow {
            check: name.to_owned(),
            request: request.to_owned(),
            cells: stacks.iter().map(|stack| cell(record, stack, name, &mut pool)).collect(),
        });
        Some(CheckMatrix {
            rows: rows.collect(),
            stacks: stacks.iter().map(|stack| stack.name.clone()).collect(),
            details: pool.details,
            left_out: pool.left_out,
        })
    }
}

/// The details of all cells, each once: most stacks respond alike.
#[derive(Default)]
struct DetailsPool {
    details: Vec<CellDetails>,
    known: HashMap<String, usize>,
    characters: usize,
    left_out: usize,
}

impl DetailsPool {
    fn add(&mut self, details: CellDetails, is_needed: bool) -> Option<usize> {
        let text = serde_json::to_string(&details).ok()?;
        if let Some(index) = self.known.get(&text) {
            return Some(*index);
        }
        if !is_needed && self.characters + text.len() > MAX_DETAILS {
            self.left_out += 1;
            return None;
        }
        self.characters += text.len();
        self.known.insert(text, self.details.len());
        self.details.push(details);
        Some(self.details.len() - 1)
    }
}

fn cell(record: &Record, stack: &StackRecord, name: &str, pool: &mut DetailsPool) -> MatrixCell {
    let Some(check) = stack.checks.iter().find(|check| check.name == name) else {
        return MatrixCell { stack: stack.name.clone(), mark: CellMark::NotRun, differences: 0, details: None };
    };
    let reference = reference_of(record, stack);
    let compared = reference.and_then(|reference| stack_diff::compare_check(reference, stack, name));
    let differences = compared.and_then(|compared| compared.outcome.ok()).unwrap_or_default();
    let count = differences.len();
    let details = CellDetails::new(check, reference.filter(|_| count > 0), differences);
    MatrixCell {
        stack: stack.name.clone(),
        mark: if check.passed() { CellMark::Passed } else { CellMark::Failed },
        differences: count,
        details: pool.add(details, !check.passed() || count > 0),
    }
}

/// The stack that this one is compared with: its earlier version, or the reference.
fn reference_of<'a>(record: &'a Record, stack: &StackRecord) -> Option<&'a StackRecord> {
    let found = record.stacks.iter().find(|other| match record.comparison {
        Some(_) => head_name(&other.name) == Some(stack.name.as_str()),
        None => other.reference,
    });
    found.filter(|other| other.name != stack.name)
}

impl CellDetails {
    fn new(check: &CheckRecord, reference: Option<&StackRecord>, differences: Vec<Difference>) -> CellDetails {
        let mut details = CellDetails {
            check: check.name.clone(),
            request: check.request.clone(),
            message: None,
            findings: Vec::new(),
            response: None,
            received: None,
            app: Vec::new(),
            reference: reference.map(|reference| reference.name.clone()),
            differences,
            logs: logged_lines(check).into_iter().map(|log| (log.title, log.lines)).collect(),
        };
        match &check.outcome {
            CheckOutcome::NoResponse { message } => details.message = Some(message.clone()),
            CheckOutcome::Failed { error } => details.message = Some(error.clone()),
            CheckOutcome::Evaluated { findings, observed } => {
                details.findings.clone_from(findings);
                details.observe(observed);
            }
        }
        // What lab recorded is known for every application; a report in the response only for the sample application.
        if let Some(received) = &check.received {
            details.received = Some(received.clone());
        }
        if let Some(app) = &check.app {
            details.app = app_fields(app);
        }
        details
    }

    fn observe(&mut self, observed: &Observed) {
        if let Ok(report) = observed.headers_report() {
            self.app = app_fields(&report.app);
            self.received = Some(report.upstream);
        }
        let body = observed.shown_body();
        let shown: String = body.chars().take(MAX_BODY).collect();
        self.response = Some(ShownResponse {
            status: format!("{} {}", observed.status, observed.reason),
            headers: observed.headers.clone(),
            left_out: body.chars().count() - shown.chars().count(),
            body: shown,
        });
    }
}

/// The fields of an application's view, with their names in scenario files.
fn app_fields(view: &RequestView) -> Vec<[String; 2]> {
    AppField::ALL.map(|field| [field.name().to_owned(), app_field(view, field).to_owned()]).to_vec()
}
