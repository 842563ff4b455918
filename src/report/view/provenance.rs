//! Where a record comes from.

use crate::record::{Provenance, Record};
use crate::report::numbers::{bytes, counted};

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
    provenance.command.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ")
}

fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    match !argument.is_empty() && argument.chars().all(is_plain) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
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
    if !provenance.resumed.is_empty() {
        facts.insert(2, ("resumed", provenance.resumed.join(", ")));
    }
    facts.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_for_a_shell() {
        let arguments = ["lab", "--only=a b", "it's", ""].map(quoted);
        assert_eq!(arguments, ["lab", "'--only=a b'", r"'it'\''s'", "''"]);
    }
}
