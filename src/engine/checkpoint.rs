//! The checkpoint of a run, from which another process can resume it: its manifest (`run.json`), and every round as soon
//! as it has ended (`rounds.jsonl`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::run_folder::{RECORD_FILE, is_run_name, runs};
use crate::event::{RunEvent, RunObserver};
use crate::measure::machine::Machine;
use crate::record::{Manifest, ManifestError, RoundRecord};
use crate::scenario::model::Scenario;

const MANIFEST_FILE: &str = "run.json";
const ROUNDS_FILE: &str = "rounds.jsonl";

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{operation} {}", file.display())]
    Io { operation: &'static str, file: PathBuf, source: io::Error },
    #[error("read {}", file.display())]
    Malformed { file: PathBuf, source: serde_json::Error },
    #[error("write the manifest as JSON")]
    Unwritable(#[source] serde_json::Error),
    #[error("write a round to the run's folder")]
    Round(#[source] io::Error),
}

/// Why a run cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    #[error("no run `{run}` in {} can be resumed", folder.display())]
    NoSuchRun { run: String, folder: PathBuf },
    #[error("run `{run}` is finished: its record is {}", record.display())]
    Finished { run: String, record: PathBuf },
    #[error("run `{run}` cannot be resumed: {}", differences.join("; "))]
    Changed { run: String, differences: Vec<String> },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl ResumeError {
    /// Whether the user named a run that cannot be resumed, as opposed to a failure to find out.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            ResumeError::NoSuchRun { .. } | ResumeError::Finished { .. } | ResumeError::Changed { .. } => true,
            ResumeError::Checkpoint(_) | ResumeError::Manifest(_) => false,
        }
    }
}

/// What an interrupted run left behind.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    pub run: String,
    pub manifest: Manifest,
    /// In the order they were made.
    pub rounds: Vec<RoundRecord>,
}

impl Checkpoint {
    /// Loads the checkpoint of `run` and enters into its manifest that it is resumed now.
    ///
    /// # Errors
    /// [`ResumeError`].
    pub fn load(scenario: &Scenario, run: &str) -> Result<Checkpoint, ResumeError> {
        let folder = runs(scenario).join(run);
        let run = run.to_owned();
        if !is_run_name(&run) || !folder.join(MANIFEST_FILE).is_file() {
            return Err(ResumeError::NoSuchRun { run, folder: runs(scenario) });
        }
        let record = folder.join(RECORD_FILE);
        if record.exists() {
            return Err(ResumeError::Finished { run, record });
        }
        let (mut manifest, rounds) = read(&folder)?;
        let current = Manifest::new(scenario, Machine::read(), Timestamp::now())?;
        let differences = current.differences(&manifest);
        if !differences.is_empty() {
            return Err(ResumeError::Changed { run, differences });
        }
        manifest.resumed.push(current.started);
        Ok(Checkpoint { run, manifest, rounds })
    }
}

fn read(folder: &Path) -> Result<(Manifest, Vec<RoundRecord>), CheckpointError> {
    let file = folder.join(MANIFEST_FILE);
    let text = fs::read_to_string(&file).map_err(failed("read", &file))?;
    let manifest = serde_json::from_str(&text).map_err(malformed(&file))?;
    let file = folder.join(ROUNDS_FILE);
    let text = fs::read_to_string(&file).map_err(failed("read", &file))?;
    // A last line without its newline was cut off while it was being written: its round never finished.
    let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
    if complete.len() < text.len() {
        fs::write(&file, complete).map_err(failed("repair", &file))?;
    }
    let rounds = complete.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    Ok((manifest, rounds.map_err(malformed(&file))?))
}

fn failed(operation: &'static str, file: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let file = file.to_owned();
    move |source| CheckpointError::Io { operation, file, source }
}

fn malformed(file: &Path) -> impl FnOnce(serde_json::Error) -> CheckpointError {
    let file = file.to_owned();
    move |source| CheckpointError::Malformed { file, source }
}

/// Writes a run's checkpoint while the run goes on, and passes every event on to `next`.
pub(super) struct CheckpointWriter<'a> {
    rounds: File,
    /// The first write error. The run goes on without a complete checkpoint, and reports it at the end.
    error: Option<io::Error>,
    next: &'a mut dyn RunObserver,
}

impl<'a> CheckpointWriter<'a> {
    /// Starts the checkpoint of a run, or continues that of a resumed one.
    pub(super) fn open(
        folder: &Path,
        manifest: &Manifest,
        next: &'a mut dyn RunObserver,
    ) -> Result<CheckpointWriter<'a>, CheckpointError> {
        let file = folder.join(MANIFEST_FILE);
        let json = serde_json::to_string_pretty(manifest).map_err(CheckpointError::Unwritable)?;
        fs::write(&file, json + "\n").map_err(failed("write", &file))?;
        let file = folder.join(ROUNDS_FILE);
        let rounds = OpenOptions::new().create(true).append(true).open(&file).map_err(failed("open", &file))?;
        Ok(CheckpointWriter { rounds, error: None, next })
    }

    /// Reports a write that failed.
    pub(super) fn finish(self) -> Result<(), CheckpointError> {
        self.error.map_or(Ok(()), |error| Err(CheckpointError::Round(error)))
    }

    fn write(&mut self, round: &RoundRecord) -> io::Result<()> {
        let line = serde_json::to_string(round)? + "\n";
        self.rounds.write_all(line.as_bytes())
    }
}

impl RunObserver for CheckpointWriter<'_> {
    fn on_event(&mut self, event: &RunEvent<'_>) {
        self.next.on_event(event);
        if let RunEvent::RoundEnded { round } = event
            && let Err(error) = self.write(round)
        {
            self.error.get_or_insert(error);
        }
    }
}
