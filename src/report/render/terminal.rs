//! Reports for a terminal. They contain ANSI sequences, which the printer strips for `NO_COLOR` or a pipe.

pub mod calibration;
pub mod lint_finding;
pub mod repeatability;
pub mod stack_diff;
pub mod summary;
pub mod text_diff;
pub mod trend;

mod changes;
mod checks;
mod comparison;
mod gate;
mod round_issues;
mod speed;
mod style;
mod validation;
mod wrap;

use std::fmt::Write as _;

use self::style::{QUIET, TITLE, styled};
use self::wrap::wrapped;
use crate::record::Record;
use crate::report::numbers::counted;
use crate::report::view::provenance::{self, pinning};
use crate::report::view::versions::versions;

/// The report of a run for a terminal that is `width` characters wide.
#[must_use]
pub fn render(record: &Record, width: usize) -> String {
    let mut text = String::new();
    title(&mut text, record);
    checks::section(&mut text, record, width);
    changes::section(&mut text, record, width);
    let mut loads = reported_loads(record);
    // Loads that only validate others have no estimates.
    loads.extend(record.validations.iter().map(|validation| validation.by.as_str()));
    for load in loads {
        speed::section(&mut text, record, load, width);
    }
    for validation in &record.validations {
        validation::section(&mut text, validation, width);
    }
    gate::section(&mut text, record);
    wrapped(&text, width, record.volatile_line.as_deref())
}

/// The loads with estimates, in their order.
fn reported_loads(record: &Record) -> Vec<&str> {
    let mut loads: Vec<&str> = Vec::new();
    for estimate in &record.estimates {
        if !loads.contains(&estimate.load.as_str()) && !record.rounds.is_empty() {
            loads.push(&estimate.load);
        }
    }
    loads
}

fn title(text: &mut String, record: &Record) {
    let provenance = &record.provenance;
    let _ = writeln!(text, "{}", styled(TITLE, provenance::title(provenance)));
    let machine = &provenance.machine;
    let line = format!(
        "{} · {} · {} · stacks {}, load {}",
        machine.cpu,
        counted(machine.cores, "core"),
        machine.kernel,
        pinning(&provenance.stack_cores),
        pinning(&provenance.load_cores),
    );
    let _ = writeln!(text, "{}", styled(QUIET, &line));
    for places in &machine.nodes {
        let _ = writeln!(text, "{}", styled(QUIET, &format!("in the swarm, {places}")));
    }
    for path in &provenance.paths {
        let _ = writeln!(text, "{}", styled(QUIET, &provenance::network_path(path)));
    }
    if let Some(comparison) = &record.comparison {
        let _ = writeln!(text, "{}", styled(QUIET, &versions(comparison)));
    }
    if provenance.is_short {
        let _ = writeln!(text, "{}", styled(QUIET, "the short form: a first look, compared with no snapshot"));
    }
    text.push('\n');
}

#[cfg(test)]
mod tests;
