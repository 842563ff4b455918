//! What each component of a stack costs under one load: medians over the valid rounds.

use serde::Serialize;

use super::rounds::valid_rounds;
use super::text_table::{TextTable, median_cell, owned_cells};
use crate::record::{ComponentUse, Measured, Record};
use crate::report::numbers::{bytes, micros, three_digits};
use crate::stack::Role;
use lab_stats::sample::median;

/// The CPU time of one component.
#[derive(Debug, Serialize)]
pub struct ComponentCost {
    pub stack: String,
    pub role: Role,
    pub cpu_per_request_us: f64,
}

/// The CPU time of every component, from the client inwards.
#[must_use]
pub fn costs(record: &Record, load: &str, stacks: &[&str]) -> Vec<ComponentCost> {
    let costs = stacks.iter().flat_map(|stack| {
        let rounds = valid_rounds(record, load, stack);
        roles(&rounds).into_iter().filter_map(move |role| {
            let values: Vec<f64> =
                rounds.iter().filter_map(|measured| measured.cpu_per_request_us(Some(role))).collect();
            Some(ComponentCost { stack: (*stack).to_owned(), role, cpu_per_request_us: median(&values)? })
        })
    });
    costs.collect()
}

/// A row for each component.
#[must_use]
pub fn table(record: &Record, load: &str, stacks: &[&str]) -> TextTable {
    let mut rows = Vec::new();
    for stack in stacks {
        let rounds = valid_rounds(record, load, stack);
        // The processes of components in a swarm are not read.
        let has_processes = rounds.iter().all(|measured| measured.shared.is_none());
        for role in roles(&rounds) {
            let cell = |value: &dyn Fn(&ComponentUse, f64) -> Option<f64>, format: &dyn Fn(f64) -> String| {
                let values = rounds.iter().filter(|measured| measured.answered > 0).map(|measured| {
                    let component = measured.components.iter().find(|component| component.role == role)?;
                    value(component, measured.answered as f64)
                });
                median_cell(values, format)
            };
            let size = |value: f64| bytes(value as u64);
            let switches = |component: &ComponentUse| {
                component.used.voluntary_context_switches + component.used.involuntary_context_switches
            };
            rows.push(vec![
                (*stack).to_owned(),
                role.to_string(),
                cell(&|component, requests| Some(component.used.cpu_us as f64 / requests), &micros),
                cell(&|component, requests| Some(component.used.cpu_user_us as f64 / requests), &micros),
                cell(&|component, requests| Some(component.used.cpu_system_us as f64 / requests), &micros),
                cell(
                    &|component, requests| has_processes.then(|| switches(component) as f64 / requests),
                    &three_digits,
                ),
                cell(&|component, _| component.at_rest.map(|memory| memory.bytes() as f64), &size),
                cell(&|component, _| Some(component.peaks.memory().bytes() as f64), &size),
                cell(&|component, _| has_processes.then_some(component.peaks.peak_open_fds as f64), &|count| {
                    format!("{count:.0}")
                }),
            ]);
        }
    }
    let header = [
        "stack",
        "component",
        "CPU/req",
        "user",
        "system",
        "switches/req",
        "memory at rest",
        "memory at peak",
        "descriptors",
    ];
    TextTable { title: "cost by component".to_owned(), header: owned_cells(&header), rows }
}

fn roles(rounds: &[&Measured]) -> Vec<Role> {
    rounds.first().map(|measured| measured.components.iter().map(|one| one.role).collect()).unwrap_or_default()
}
