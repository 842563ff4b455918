//! What a proxy changes: each stack with a proxy beside the stack that has the same server without one.

use serde::Serialize;

use super::changes::value_cell;
use super::stack_diff;
use super::text_table::{TextTable, owned_cells};
use crate::record::{Record, StackRecord};
use crate::stack::Role;

/// A stack with a proxy.
#[derive(Debug, Serialize)]
pub struct ProxyChange {
    pub stack: String,
    pub proxy: String,
    /// The stack with the same server and no proxy, if the record has one.
    pub direct: Option<String>,
    /// The checks that both ran.
    pub checks: usize,
    #[serde(skip)]
    pub table: TextTable,
}

/// Every stack with a proxy, in the scenario's order.
#[must_use]
pub fn changes(record: &Record) -> Vec<ProxyChange> {
    record.stacks.iter().filter_map(|stack| ProxyChange::new(record, stack)).collect()
}

impl ProxyChange {
    fn new(record: &Record, stack: &StackRecord) -> Option<ProxyChange> {
        let proxy = version(stack, Role::Proxy)?;
        let server = version(stack, Role::Server);
        let is_direct =
            |other: &&StackRecord| version(other, Role::Proxy).is_none() && version(other, Role::Server) == server;
        let direct = record.stacks.iter().find(is_direct);
        let compared = direct.map(|direct| stack_diff::compare(direct, stack)).unwrap_or_default();
        let checks = compared.len();
        let mut rows: Vec<(Vec<String>, usize)> = Vec::new();
        for difference in compared.into_iter().filter_map(|one| one.outcome.ok()).flatten() {
            let values = [&difference.reference, &difference.other].map(|value| value_cell(value.as_deref()));
            let row = [vec![difference.field.clone()], values.to_vec()].concat();
            match rows.iter_mut().find(|(known, _)| *known == row) {
                Some((_, count)) => *count += 1,
                None => rows.push((row, 1)),
            }
        }
        let header = owned_cells(&["field", "without the proxy", "behind the proxy", "checks"]);
        let rows = rows.into_iter().map(|(row, count)| [row, vec![count.to_string()]].concat()).collect();
        Some(ProxyChange {
            stack: stack.name.clone(),
            proxy: proxy.to_owned(),
            direct: direct.map(|direct| direct.name.clone()),
            checks,
            table: TextTable { title: format!("what the proxy of {} changes", stack.name), header, rows },
        })
    }
}

fn version(stack: &StackRecord, role: Role) -> Option<&str> {
    stack.components.iter().find(|component| component.role == role).map(|component| component.version.as_str())
}
