//! Where a record comes from.

use crate::record::{NetworkPath, Provenance, Record};
use crate::report::numbers::{bytes, counted, micros, three_digits};
use crate::shell_words;

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

/// The command line of the run, as a shell reads it.
#[must_use]
pub fn command_line(provenance: &Provenance) -> String {
    shell_words::joined(&provenance.command)
}

/// A path between two nodes and its figures.
#[must_use]
pub fn network_path(path: &NetworkPath) -> String {
    let NetworkPath { from, to, shortest_trip_us, median_trip_us, bytes_per_s, loss } = path;
    let lost = match loss {
        0.0 => "no datagram lost".to_owned(),
        loss => format!("{} % of datagrams lost", three_digits(loss * 100.0)),
    };
    format!(
        "{from} to {to}: round trip {} (shortest {}), {}/s over one connection, {lost}",
        micros(*median_trip_us),
        micros(*shortest_trip_us),
        bytes(*bytes_per_s as u64),
    )
}

/// The run, its scenario and its machine: names and values.
#[must_use]
pub fn facts(provenance: &Provenance) -> Vec<[String; 2]> {
    let machine = &provenance.machine;
    let mut facts = vec![
        ("run", provenance.run.clone()),
        ("started", provenance.started.clone()),
        ("ended", provenance.ended.clone()),
        ("lab", provenance.lab.clone()),
        ("scenario", format!("{} ({})", provenance.scenario, provenance.file)),
        ("SHA-256 of the scenario", provenance.sha256.clone()),
        ("seed", provenance.seed.to_string()),
        ("processor", format!("{}, {}", machine.cpu, counted(machine.cores, "core"))),
        ("memory", bytes(machine.memory_bytes)),
        ("kernel", machine.kernel.clone()),
        ("governor", machine.governor.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("stacks", pinning(&provenance.stack_cores)),
        ("load", pinning(&provenance.load_cores)),
    ];
    facts.extend(machine.nodes.iter().map(|places| ("in the swarm", places.clone())));
    facts.extend(provenance.paths.iter().map(|path| ("network", network_path(path))));
    if !provenance.resumed.is_empty() {
        facts.insert(2, ("resumed", provenance.resumed.join(", ")));
    }
    facts.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_their_units() {
        let path = NetworkPath {
            from: "node-2".to_owned(),
            to: "node-1".to_owned(),
            shortest_trip_us: 61.3,
            median_trip_us: 104.0,
            bytes_per_s: 1.2e9,
            loss: 0.0,
        };
        let figures = "node-2 to node-1: round trip 104 µs (shortest 61.3 µs), 1.12 GiB/s over one connection, ";
        assert_eq!(network_path(&path), format!("{figures}no datagram lost"));
        let lossy = NetworkPath { loss: 0.015, ..path };
        assert_eq!(network_path(&lossy), format!("{figures}1.50 % of datagrams lost"));
    }
}
