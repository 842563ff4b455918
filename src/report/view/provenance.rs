//! Where a record comes from.

use crate::record::{Provenance, Record};

/// From this many stacks on, reports show tables of all stacks instead of a paragraph for each.
const MANY_STACKS: usize = 5;

#[must_use]
pub fn has_many_stacks(record: &Record) -> bool {
    // A comparison of versions is about pairs, not about all stacks.
    record.stacks.len() >= MANY_STACKS && record.comparison.is_none()
}

/// The scenario's title, or its name if it has none.
#[must_use]
pub fn title(provenance: &Provenance) -> &str {
    provenance.title.as_deref().unwrap_or(&provenance.scenario)
}

/// The cores that a side of the run is pinned to, in words.
#[must_use]
pub fn pinning(cores: &[u16]) -> String {
    match cores {
        [] => "unpinned".to_owned(),
        cores => format!("on core {}", core_list(cores)),
    }
}

#[must_use]
pub fn core_list(cores: &[u16]) -> String {
    cores.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
