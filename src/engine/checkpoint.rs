//! The checkpoint of a run, from which another process can resume it: its manifest (`run.json`), and every round as soon
//! as it has ended (`rounds.jsonl`).

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::io::Errno;
use serde::de::IgnoredAny;

use super::run_folder::{RECORD_FILE, RunLock, is_run_name, runs};
use crate::event::{RunEvent, RunObserver};
use crate::measure::machine::Machine;
use crate::record::{Manifest, ManifestError, RoundOutcome, RoundRecord};
use crate::scenario::model::Scenario;
use crate::whole_file;

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
    #[error("no run `{run}` in {} can be resumed; {}", folder.display(), accepted_runs(interrupted))]
    NoSuchRun { run: String, folder: PathBuf, interrupted: Vec<String> },
    #[error("run `{run}` is finished: its record is {}", record.display())]
    Finished { run: String, record: PathBuf },
    #[error("run `{run}` is still going; it can be resumed once it was interrupted")]
    StillGoing { run: String },
    #[error("run `{run}` cannot be resumed: {}", differences.join("; "))]
    Changed { run: String, differences: Vec<String> },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl ResumeError {
    /// Whether the user named a run that cannot be resumed, as opposed to a failure to read it.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            ResumeError::NoSuchRun { .. }
            | ResumeError::Finished { .. }
            | ResumeError::StillGoing { .. }
            | ResumeError::Changed { .. } => true,
            ResumeError::Checkpoint(_) | ResumeError::Manifest(_) => false,
        }
    }
}

/// The resumable state of an interrupted run.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    pub run: String,
    pub manifest: Manifest,
    /// In the order in which they ran.
    pub rounds: Vec<RoundRecord>,
    /// The number of rounds that are made again, because the disk was full or their lines were cut off.
    pub remade_rounds: usize,
    lock: RunLock,
}

impl Checkpoint {
    pub(super) fn lock(&self) -> RunLock {
        self.lock.clone()
    }

    /// Loads the checkpoint of `run` and records in its manifest that it is resumed now.
    ///
    /// # Errors
    /// [`ResumeError`].
    pub fn load(scenario: &Scenario, run: &str) -> Result<Checkpoint, ResumeError> {
        let folder = runs(scenario).join(run);
        let run = run.to_owned();
        if !is_run_name(&run) || !folder.join(MANIFEST_FILE).is_file() {
            let folder = runs(scenario);
            let interrupted = interrupted_runs(&folder);
            return Err(ResumeError::NoSuchRun { run, folder, interrupted });
        }
        // Before anything is read or repaired that the run itself may be writing.
        let Some(lock) = RunLock::acquire(&folder).map_err(failed("lock", &folder))? else {
            return Err(ResumeError::StillGoing { run });
        };
        let record = folder.join(RECORD_FILE);
        if is_whole(&record).map_err(failed("read", &record))? {
            return Err(ResumeError::Finished { run, record });
        }
        let mut manifest = read_manifest(&folder)?;
        let current = Manifest::new(scenario, Machine::read(), Timestamp::now())?;
        let differences = current.differences(&manifest);
        if !differences.is_empty() {
            return Err(ResumeError::Changed { run, differences });
        }
        manifest.resumed.push(current.started);
        let (rounds, remade_rounds) = read_rounds(&folder)?;
        Ok(Checkpoint { run, manifest, rounds, remade_rounds, lock })
    }
}

fn accepted_runs(interrupted: &[String]) -> String {
    match interrupted {
        [] => "none there was interrupted".to_owned(),
        runs => format!("accepted: {}", runs.join(", ")),
    }
}

/// The runs of a folder that have a manifest and no record. They are for a message, so a folder that cannot be read has none.
fn interrupted_runs(folder: &Path) -> Vec<String> {
    let folders = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_interrupted = |run: &PathBuf| run.join(MANIFEST_FILE).is_file() && !run.join(RECORD_FILE).is_file();
    let names = folders.filter(is_interrupted).filter_map(|run| Some(run.file_name()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.filter(|name| is_run_name(name)).collect();
    names.sort();
    names
}

/// Whether a record is there to its end.
fn is_whole(record: &Path) -> io::Result<bool> {
    match fs::read(record) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(bytes) => Ok(!serde_json::from_slice::<IgnoredAny>(&bytes).is_err_and(|error| error.is_eof())),
    }
}

fn read_manifest(folder: &Path) -> Result<Manifest, CheckpointError> {
    let file = folder.join(MANIFEST_FILE);
    let text = fs::read_to_string(&file).map_err(failed("read", &file))?;
    serde_json::from_str(&text).map_err(malformed(&file))
}

/// The rounds, and the number of those that have to be made again. The file is left without these.
fn read_rounds(folder: &Path) -> Result<(Vec<RoundRecord>, usize), CheckpointError> {
    let file = folder.join(ROUNDS_FILE);
    let text = match fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => String::from_utf8_lossy(&read.map_err(failed("read", &file))?).into_owned(),
    };
    // A last line without its newline was cut off while it was being written: its round never finished. So was one within
    // the file if the disk was full for a while.
    let parse = |line: &'_ str| serde_json::from_str::<RoundRecord>(line).ok().filter(|_| line.ends_with('\n'));
    let mut lines: Vec<_> = text.split_inclusive('\n').filter_map(|line| Some((parse(line)?, line))).collect();
    // A round that had no space says nothing about its stack. Its block is made again as a whole: rounds are compared in
    // pairs because they are close in time.
    let without_space: BTreeSet<(u32, String)> = lines
        .iter()
        .filter(|(round, _)| had_no_space(round))
        .map(|(round, _)| (round.block, round.load.clone()))
        .collect();
    lines.retain(|(round, _)| !without_space.contains(&(round.block, round.load.clone())));
    let remade = text.split_inclusive('\n').count() - lines.len();
    if remade > 0 {
        let whole: String = lines.iter().map(|(_, line)| *line).collect();
        whole_file::replace(&file, whole.as_bytes()).map_err(failed("repair", &file))?;
    }
    Ok((lines.into_iter().map(|(round, _)| round).collect(), remade))
}

/// Whether a round failed for a full disk. Its error is the kernel's text, from lab or from the end of a component's log.
fn had_no_space(round: &RoundRecord) -> bool {
    let RoundOutcome::Failed { error } = &round.outcome else { return false };
    let message = Errno::NOSPC.to_string();
    error.contains(message.split(" (").next().unwrap_or(&message))
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
    /// The length of the file up to the end of the last whole line.
    whole_bytes: u64,
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
        whole_file::replace(&file, (json + "\n").as_bytes()).map_err(failed("write", &file))?;
        let file = folder.join(ROUNDS_FILE);
        let rounds = OpenOptions::new().create(true).append(true).open(&file).map_err(failed("open", &file))?;
        let whole_bytes = rounds.metadata().map_err(failed("open", &file))?.len();
        Ok(CheckpointWriter { rounds, whole_bytes, error: None, next })
    }

    /// Reports a write that failed.
    pub(super) fn finish(self) -> Result<(), CheckpointError> {
        self.error.map_or(Ok(()), |error| Err(CheckpointError::Round(error)))
    }

    fn write(&mut self, round: &RoundRecord) -> io::Result<()> {
        let line = serde_json::to_string(round)? + "\n";
        let written = self.rounds.write_all(line.as_bytes());
        match written {
            Ok(()) => self.whole_bytes += line.len() as u64,
            // The next round must not continue half a line.
            Err(_) => self.rounds.set_len(self.whole_bytes)?,
        }
        written
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
