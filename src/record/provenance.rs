//! The provenance of a record: which run made it, of which scenario, on which machine.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::inputs::relative;
use super::manifest::{Manifest, rfc3339};
use super::network_path::NetworkPath;
use crate::measure::machine::Machine;
use crate::scenario::model::Scenario;

/// Which run made a record, and of what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Provenance {
    /// The run's name: its start in UTC and lab's process id.
    pub run: String,
    /// RFC 3339, in UTC, like all times here.
    pub started: String,
    /// When it was resumed after an interruption; empty for an uninterrupted run.
    pub resumed: Vec<String>,
    pub ended: String,
    /// The command line.
    pub command: Vec<String>,
    /// lab's version.
    pub lab: String,
    /// The scenario's name.
    pub scenario: String,
    pub title: Option<String>,
    /// Whether this was the scenario's short form.
    #[serde(default)]
    pub is_short: bool,
    /// The scenario file, relative to the scenario's root where it lies within.
    pub file: String,
    /// SHA-256 of that file.
    pub sha256: String,
    /// SHA-256 of every other input, by name.
    pub configurations: BTreeMap<String, String>,
    /// The seed of the rounds' order.
    pub seed: u64,
    /// Cores of the load driver; empty when unpinned.
    pub load_cores: Vec<u16>,
    /// Cores of the stacks; empty when unpinned.
    pub stack_cores: Vec<u16>,
    pub machine: Machine,
    /// Only between the nodes of a swarm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<NetworkPath>,
}

impl Provenance {
    /// The provenance of the run named `run`, which ends now. Its cores and paths are left empty.
    #[must_use]
    pub fn new(run: String, scenario: &Scenario, manifest: Manifest) -> Provenance {
        Provenance {
            run,
            started: manifest.started,
            resumed: manifest.resumed,
            ended: rfc3339(Timestamp::now()),
            // `args` would panic where one is not UTF-8.
            command: std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
            lab: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            is_short: manifest.is_short,
            file: relative(scenario, &scenario.file),
            sha256: manifest.sha256,
            configurations: manifest.configurations,
            seed: scenario.rounds.seed,
            load_cores: Vec::new(),
            stack_cores: Vec::new(),
            machine: manifest.machine,
            paths: Vec::new(),
        }
    }
}
