//! What an interrupted run leaves behind, so that another can continue it: what was run (`run.json`), and every round
//! as soon as it has ended (`rounds.jsonl`).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::event::{Event, Listener};
use crate::measure::machine::Machine;
use crate::record::RoundRecord;

/// What a run is made of: rounds made of anything else do not belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// When the run began.
    pub(super) started: String,
    /// When it was continued, if it was.
    pub(super) resumed: Vec<String>,
    /// lab's version, and its executable: it is driver and twins as well.
    pub(super) lab: String,
    /// SHA-256 of the scenario file.
    pub(super) sha256: String,
    /// SHA-256 of every configuration file, by path.
    pub(super) configurations: BTreeMap<String, String>,
    /// The stacks that are run.
    pub(super) stacks: Vec<String>,
    /// After how many blocks is looked.
    pub(super) looks: Vec<NonZeroU32>,
    /// Whether it is the scenario's short form.
    pub(super) is_short: bool,
    /// The machine.
    pub(super) machine: Machine,
}

impl Manifest {
    /// What of an interrupted run is no longer so, in words; nothing when `self` can continue it.
    pub(super) fn differences(&self, interrupted: &Manifest) -> Vec<String> {
        let mut found = Vec::new();
        let mut differs = |is: bool, what: &str| {
            if is {
                found.push(what.to_owned());
            }
        };
        differs(self.sha256 != interrupted.sha256, "the scenario file has changed");
        for (path, digest) in &interrupted.configurations {
            let has_changed = self.configurations.get(path) != Some(digest);
            differs(has_changed && self.sha256 == interrupted.sha256, &format!("{path} has changed"));
        }
        let stacks = format!("it ran the stacks {}; give the same --only and --skip", interrupted.stacks.join(", "));
        differs(self.stacks != interrupted.stacks && self.sha256 == interrupted.sha256, &stacks);
        let form = if interrupted.is_short { "it was the short form; give --quick" } else { "it was not --quick" };
        differs(self.is_short != interrupted.is_short, form);
        differs(self.lab != interrupted.lab, &format!("lab is another one: it was {}", interrupted.lab));
        differs(self.machine != interrupted.machine, "the machine is another one, or set up in another way");
        found
    }
}

const MANIFEST: &str = "run.json";
const ROUNDS: &str = "rounds.jsonl";

/// Writes the rounds of a run as they end.
pub(super) struct Journal {
    rounds: File,
    failed: Option<io::Error>,
}

impl Journal {
    /// Begins, or goes on, in the run's folder.
    pub(super) fn open(folder: &Path, manifest: &Manifest) -> anyhow::Result<Journal> {
        let file = folder.join(MANIFEST);
        let json = serde_json::to_string_pretty(manifest).context("write what is run as JSON")?;
        fs::write(&file, json + "\n").with_context(|| format!("write {}", file.display()))?;
        let file = folder.join(ROUNDS);
        let rounds = OpenOptions::new().create(true).append(true).open(&file);
        Ok(Journal { rounds: rounds.with_context(|| format!("open {}", file.display()))?, failed: None })
    }

    /// What could not be written, if so.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.failed.map_or(Ok(()), |error| Err(error).context("write a round to the run's folder"))
    }

    fn write(&mut self, round: &RoundRecord) -> io::Result<()> {
        let line = serde_json::to_string(round)? + "\n";
        self.rounds.write_all(line.as_bytes())
    }
}

impl Listener for Journal {
    fn hear(&mut self, event: &Event<'_>) {
        if let Event::RoundEnded { round } = event
            && let Err(error) = self.write(round)
        {
            self.failed.get_or_insert(error);
        }
    }
}

/// Reads what an interrupted run left in `folder`. A last line without its end was cut off while it was written: it
/// is taken out of the file, and its round was never finished.
pub(super) fn read(folder: &Path) -> anyhow::Result<(Manifest, Vec<RoundRecord>)> {
    let file = folder.join(MANIFEST);
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let manifest = serde_json::from_str(&text).with_context(|| format!("read {}", file.display()))?;
    let file = folder.join(ROUNDS);
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    if whole.len() < text.len() {
        fs::write(&file, whole).with_context(|| format!("repair {}", file.display()))?;
    }
    let rounds = whole.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    Ok((manifest, rounds.with_context(|| format!("read {}", file.display()))?))
}

/// Several listeners as one.
pub(super) struct Both<'a>(pub(super) &'a mut dyn Listener, pub(super) &'a mut dyn Listener);

impl Listener for Both<'_> {
    fn hear(&mut self, event: &Event<'_>) {
        self.0.hear(event);
        self.1.hear(event);
    }
}
