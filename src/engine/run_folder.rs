//! The folder of a run: `reports/SCENARIO/RUN` in the scenario's root.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::log_compression::compress_logs;
use crate::record::Record;
use crate::scenario::model::Scenario;
use crate::whole_file;

/// The record's file in a run folder.
pub(super) const RECORD_FILE: &str = "record.json";

/// The lock of a run's folder, which the kernel releases when its process ends for any reason.
#[derive(Debug, Clone)]
pub(super) struct RunLock {
    _folder: Arc<File>,
}

impl RunLock {
    /// `None` if another process has it.
    pub(super) fn acquire(folder: &Path) -> io::Result<Option<RunLock>> {
        // The folder itself is locked, so that no further file has to be removed.
        let folder = File::open(folder)?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(RunLock { _folder: Arc::new(folder) })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A run's name and folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// The run's name: its start in UTC and the process id of the lab that started it.
    pub run: String,
    pub path: PathBuf,
    _lock: RunLock,
}

/// An operation on a run folder that failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation}")]
pub struct RunFolderError {
    operation: String,
    source: io::Error,
}

impl RunFolder {
    /// Creates the folder of a run that starts now, or reopens that of the interrupted run `resumed`.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub(super) fn open(
        scenario: &Scenario,
        started: Timestamp,
        resumed: Option<(&str, RunLock)>,
    ) -> Result<RunFolder, RunFolderError> {
        let stamp = started.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        let (run, lock) = match resumed {
            Some((run, lock)) => (run.to_owned(), Some(lock)),
            None => (format!("{stamp}-{}", std::process::id()), None),
        };
        let path = runs(scenario).join(&run);
        fs::create_dir_all(&path).map_err(failed(format!("create {}", path.display())))?;
        let lock = match lock {
            Some(lock) => lock,
            None => RunLock::acquire(&path)
                .and_then(|lock| lock.ok_or_else(|| io::Error::other("another process uses it")))
                .map_err(failed(format!("lock {}", path.display())))?,
        };
        Ok(RunFolder { run, path, _lock: lock })
    }

    /// The run's name in a container engine. It ends with this process's id: what an interrupted run left there belongs
    /// to another process.
    #[must_use]
    pub fn container_name(&self) -> String {
        let own = format!("-{}", std::process::id());
        if self.run.ends_with(&own) { self.run.clone() } else { format!("{}{own}", self.run) }
    }

    /// The record's file.
    #[must_use]
    pub fn record_file(&self) -> PathBuf {
        self.path.join(RECORD_FILE)
    }

    /// Writes the record and points `latest` to this run.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_record(&self, record: &Record) -> Result<(), RunFolderError> {
        let file = self.record_file();
        let json = serde_json::to_string_pretty(record).map_err(io::Error::other);
        let json = json.map_err(failed("write the record as JSON"))?;
        whole_file::replace(&file, (json + "\n").as_bytes()).map_err(failed(format!("write {}", file.display())))?;
        self.link_latest().map_err(failed("point `latest` to this run"))
    }

    /// Compresses the logs of the run's rounds.
    ///
    /// # Errors
    /// A log cannot be read, or its replacement not be written.
    pub fn compress_logs(&self) -> Result<(), RunFolderError> {
        compress_round_logs(&self.path)
    }

    /// Removes the folders of the oldest runs, so that `kept` remain with this one. What another process uses stays.
    ///
    /// # Errors
    /// A folder cannot be read or removed.
    pub fn remove_old_runs(&self, kept: NonZeroU32) -> Result<(), RunFolderError> {
        let Some(parent) = self.path.parent() else { return Ok(()) };
        let mut older = generated_runs(parent)?;
        older.retain(|path| *path != self.path);
        let excess = (older.len() + 1).saturating_sub(kept.get() as usize);
        older.into_iter().take(excess).try_for_each(|path| remove_unused(&path).map(|_| ()))
    }

    /// Renames a new link over the old one: `latest` always exists.
    fn link_latest(&self) -> io::Result<()> {
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else { return Ok(()) };
        let new = parent.join(format!(".latest-{}", std::process::id()));
        std::os::unix::fs::symlink(name, &new)?;
        fs::rename(&new, parent.join("latest"))
    }
}

/// The excess runs of one scenario, and what became of them.
#[derive(Debug, Default)]
pub struct OldRuns {
    pub removed: Vec<PathBuf>,
    /// Those that another process uses.
    pub in_use: Vec<PathBuf>,
}

/// Removes all but the newest `kept` runs in the folder of a scenario's runs, and compresses the logs of those that stay.
/// What another process uses stays as it is.
///
/// # Errors
/// A folder cannot be read or removed, or a log not be compressed.
pub fn clean_runs(scenario: &Path, kept: NonZeroU32, dry_run: bool) -> Result<OldRuns, RunFolderError> {
    let runs = generated_runs(scenario)?;
    let (excess, rest) = runs.split_at(runs.len().saturating_sub(kept.get() as usize));
    let mut old = OldRuns::default();
    for path in excess {
        let is_removed = dry_run || remove_unused(path)?;
        if is_removed { &mut old.removed } else { &mut old.in_use }.push(path.clone());
    }
    for path in rest.iter().filter(|_| !dry_run) {
        let lock = RunLock::acquire(path).map_err(failed(format!("lock {}", path.display())))?;
        if lock.is_some() {
            compress_round_logs(path)?;
        }
    }
    Ok(old)
}

/// The folders in `parent` that are named as lab names runs, the oldest first: the names start with their time.
fn generated_runs(parent: &Path) -> Result<Vec<PathBuf>, RunFolderError> {
    let read = fs::read_dir(parent).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = read.map_err(failed(format!("read {}", parent.display())))?;
    let runs = entries.into_iter().filter(|entry| entry.file_name().to_str().is_some_and(is_generated_name));
    let mut runs: Vec<PathBuf> = runs.map(|entry| entry.path()).collect();
    runs.sort();
    Ok(runs)
}

/// Removes a run's folder, unless another process uses it.
fn remove_unused(path: &Path) -> Result<bool, RunFolderError> {
    let operation = || format!("remove {}", path.display());
    let lock = RunLock::acquire(path).map_err(failed(operation()))?;
    if lock.is_some() {
        fs::remove_dir_all(path).map_err(failed(operation()))?;
    }
    Ok(lock.is_some())
}

fn compress_round_logs(run: &Path) -> Result<(), RunFolderError> {
    for folder in ["rounds", "confirmation"].map(|name| run.join(name)) {
        if folder.is_dir() {
            compress_logs(&folder).map_err(failed(format!("compress the logs in {}", folder.display())))?;
        }
    }
    Ok(())
}

/// The folder of all runs of a scenario.
pub(super) fn runs(scenario: &Scenario) -> PathBuf {
    scenario.root.join("reports").join(&scenario.name)
}

/// Whether `run` is a single path component: `..` or `/` would lead out of the folder of runs.
pub(super) fn is_run_name(run: &str) -> bool {
    Path::new(run).components().count() == 1 && run != ".."
}

/// Whether a folder has a name as lab gives to runs: `20261130T100000Z-123`.
fn is_generated_name(name: &str) -> bool {
    let Some((time, process)) = name.split_once('-') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = time.len() == 16 && time.ends_with('Z') && time.as_bytes()[8] == b'T';
    is_time && is_number(&time[..8]) && is_number(&time[9..15]) && is_number(process)
}

fn failed(operation: impl Into<String>) -> impl FnOnce(io::Error) -> RunFolderError {
    let operation = operation.into();
    move |source| RunFolderError { operation, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_runs_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let own = "20261130T100300Z-7";
        for name in ["20261130T100000Z-9", "20261130T100100Z-1", "20261130T100200Z-1", own, "calibration", "mine"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let in_use = RunLock::acquire(&folder.path().join("20261130T100000Z-9")).unwrap();
        let path = folder.path().join(own);
        let run = RunFolder { run: own.to_owned(), _lock: RunLock::acquire(&path).unwrap().unwrap(), path };
        run.remove_old_runs(NonZeroU32::new(2).unwrap()).unwrap();
        let entries =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut left: Vec<String> = entries.collect();
        left.sort();
        assert_eq!(left, ["20261130T100000Z-9", "20261130T100200Z-1", own, "calibration", "mine"]);
        drop(in_use);
    }
}
