//! Reports as markdown, for a README or a folder of reports: what failed, the verdicts, a table per load, the stacks without a
//! measurement, the faults this run guards against, and published figures.

pub mod lint;
pub mod repeatability;
pub mod summary;

mod load;
mod outcome;
mod published;
mod table;
mod validation;
mod versions;

use std::fmt::Write as _;

use self::table::{escaped, table};
use crate::record::{Provenance, Record};
use crate::report::numbers::{bytes, counted};
use crate::report::view::guards::guards;
use crate::report::view::provenance::{network_path, pinning, title};
use crate::report::view::stack_summary::driven_loads;
use crate::report::view::test_suites::RunContext;

/// The report of a run.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut text = String::new();
    let provenance = &record.provenance;
    let _ = writeln!(text, "# {}\n", escaped(title(provenance)));
    let _ = writeln!(text, "{}\n", provenance_paragraph(provenance));
    match &record.comparison {
        Some(comparison) => versions::section(&mut text, record, comparison),
        None => outcome::sentence(&mut text, record, RunContext::from_command(record)),
    }
    outcome::section(&mut text, record);
    for load in driven_loads(record) {
        load::section(&mut text, record, load);
    }
    for validation in &record.validations {
        validation::section(&mut text, validation);
    }
    let guards: Vec<[String; 2]> = guards(record).iter().map(|row| row.each_ref().map(|cell| escaped(cell))).collect();
    if !guards.is_empty() {
        let _ = writeln!(text, "## Faults guarded against\n\n{}\n", table(&["fault", "in this run"], &guards));
    }
    published::section(&mut text, record);
    text
}

/// The machine, the versions, the run and its command.
fn provenance_paragraph(provenance: &Provenance) -> String {
    let machine = &provenance.machine;
    let nodes: String = machine.nodes.iter().map(|places| format!("; in the swarm, {}", escaped(places))).collect();
    let paths = provenance.paths.iter().map(|path| format!("; {}", escaped(&network_path(path))));
    let paths: String = paths.collect();
    let short = if provenance.is_short { " This is the scenario's short form: a first look." } else { "" };
    format!(
        "{}, {}, {} of memory, {}; stacks {}, load {}{nodes}{paths}. lab {}, run `{}`, {} to {}.{short}\n\n```\n{}\n```",
        escaped(&machine.cpu),
        counted(machine.cores, "core"),
        bytes(machine.memory_bytes),
        escaped(&machine.kernel),
        pinning(&provenance.stack_cores),
        pinning(&provenance.load_cores),
        provenance.lab,
        provenance.run,
        provenance.started,
        provenance.ended,
        provenance.command.join(" ").replace("```", "` ` `"),
    )
}
