//! The manifest of a run: everything that must be unchanged for another process to continue it.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU32;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::inputs::{InputError, inputs};
use crate::measure::machine::Machine;
use crate::scenario::model::{Backend, Scenario, Stack, Version};

/// Why a manifest cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file that the stacks are made from cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The lab executable cannot be identified.
    #[error("look at the lab binary")]
    Executable(#[from] io::Error),
}

/// What a run is made of. Rounds made of anything else do not belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// RFC 3339, in UTC.
    pub started: String,
    /// When the run was resumed, in the same format.
    pub resumed: Vec<String>,
    /// lab's version, size and build time: the binary is also the driver and the twins.
    pub lab: String,
    /// SHA-256 of the scenario file.
    pub sha256: String,
    /// SHA-256 of every input beside the scenario file, by name.
    pub configurations: BTreeMap<String, String>,
    pub stacks: Vec<String>,
    /// The numbers of blocks after which the interim looks are due.
    pub looks: Vec<NonZeroU32>,
    /// Whether it is the scenario's short form.
    pub is_short: bool,
    /// The version that the stacks are compared with, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    pub machine: Machine,
}

impl Manifest {
    /// The manifest of a run of `scenario` that starts now.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn new(scenario: &Scenario, machine: Machine, started: Timestamp) -> Result<Manifest, ManifestError> {
        let mut configurations = BTreeMap::new();
        for (name, bytes) in inputs(scenario)? {
            configurations.insert(name, format!("{:x}", Sha256::digest(bytes)));
        }
        Ok(Manifest {
            started: rfc3339(started),
            resumed: Vec::new(),
            lab: executable()?,
            sha256: scenario.sha256.clone(),
            configurations,
            stacks: scenario.stacks.iter().map(stack_name).collect(),
            looks: scenario.rounds.looks.clone(),
            is_short: scenario.is_short,
            base: scenario.comparison.as_ref().map(|comparison| base(&comparison.base)),
            machine,
        })
    }

    /// What has changed since the interrupted run, as messages; empty if `self` can continue it.
    #[must_use]
    pub fn differences(&self, interrupted: &Manifest) -> Vec<String> {
        let mut found = Vec::new();
        let mut differs = |is: bool, what: &str| {
            if is {
                found.push(what.to_owned());
            }
        };
        differs(self.sha256 != interrupted.sha256, "the scenario file has changed");
        let is_same_scenario = self.sha256 == interrupted.sha256 && self.base == interrupted.base;
        for (path, digest) in &interrupted.configurations {
            let has_changed = self.configurations.get(path) != Some(digest);
            differs(has_changed && is_same_scenario, &format!("{path} has changed"));
        }
        let base = |base: &Option<String>| match base {
            Some(base) => format!("it is a comparison with {base}; continue it with `lab compare`"),
            None => "it is no comparison with another version".to_owned(),
        };
        differs(self.base != interrupted.base, &base(&interrupted.base));
        let stacks = format!("it ran the stacks {}; give the same --only and --skip", interrupted.stacks.join(", "));
        differs(self.stacks != interrupted.stacks && is_same_scenario, &stacks);
        let form = if interrupted.is_short { "it was the short form; give --quick" } else { "it was not --quick" };
        differs(self.is_short != interrupted.is_short, form);
        differs(self.lab != interrupted.lab, &format!("lab is another one: it was {}", interrupted.lab));
        differs(self.machine != interrupted.machine, "the machine is another one, or set up in another way");
        found
    }
}

/// A version's commit, or its folder.
fn base(version: &Version) -> String {
    version.commit.clone().unwrap_or_else(|| version.name.clone())
}

/// A stack's name, with its backend where that is not the default.
fn stack_name(stack: &Stack) -> String {
    match stack.backend {
        Backend::Process => stack.name.clone(),
        Backend::Container | Backend::Swarm => format!("{} ({})", stack.name, stack.backend.name()),
    }
}

/// lab's version and executable: another build of the same version counts as another lab.
fn executable() -> io::Result<String> {
    let file = std::fs::metadata(std::env::current_exe()?)?;
    let built = Timestamp::try_from(file.modified()?).map_or_else(|_| "unknown".to_owned(), rfc3339);
    Ok(format!("lab {}, {} bytes of {built}", env!("CARGO_PKG_VERSION"), file.len()))
}

/// The timestamp format of records, to the millisecond.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}
