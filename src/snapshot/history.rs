//! The accepted sessions of a scenario: `reports/history/SCENARIO.jsonl`, a line each, in no order.
//!
//! The files are committed. git merges two versions of one by keeping the lines of both (`merge=union`), so a session may be
//! there twice; it counts once. Until it is accepted, a session's line is in the folder of its run.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::record::{SESSION_LINE_SCHEMA, SessionLine};
use crate::whole_file;

/// The file of a session's line in the folder of its run.
const PENDING: &str = "session.json";

/// How git merges the files beside this one.
const ATTRIBUTES: &str = "*.jsonl merge=union\n";

/// Why a history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("{operation} {}", file.display())]
    Io { operation: &'static str, file: PathBuf, source: io::Error },
    #[error(
        "{}:{line}: not a session: {reason}\n\
         hint: remove the line; the other sessions are independent of it",
        file.display()
    )]
    Malformed { file: PathBuf, line: usize, reason: String },
    #[error("{}:{line}: its schema is {schema}, and this lab reads {SESSION_LINE_SCHEMA}", file.display())]
    Schema { file: PathBuf, line: usize, schema: u64 },
}

/// The histories of one root's scenarios.
#[derive(Debug, Clone)]
pub struct History {
    /// `reports` in the scenario's root.
    reports: PathBuf,
}

impl History {
    #[must_use]
    pub fn new(reports: &Path) -> History {
        History { reports: reports.to_owned() }
    }

    #[must_use]
    pub fn file(&self, scenario: &str) -> PathBuf {
        self.folder().join(format!("{scenario}.jsonl"))
    }

    fn folder(&self) -> PathBuf {
        self.reports.join("history")
    }

    /// The accepted sessions by their ends, each once; none if there is no file.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn read(&self, scenario: &str) -> Result<Vec<SessionLine>, HistoryError> {
        let file = self.file(scenario);
        let mut sessions = parse(&self.text(scenario)?, &file)?;
        sessions.sort_by(|one, other| (&one.ended, &one.run).cmp(&(&other.ended, &other.run)));
        let mut known = BTreeSet::new();
        sessions.retain(|session| known.insert((session.machine.clone(), session.run.clone())));
        Ok(sessions)
    }

    /// Adds a session. Returns false if it is there already.
    ///
    /// # Errors
    /// [`HistoryError`]. The old content is untouched.
    pub fn add(&self, scenario: &str, session: &SessionLine) -> Result<bool, HistoryError> {
        let file = self.file(scenario);
        let failed = |operation| io_error(operation, &file);
        let folder = self.folder();
        fs::create_dir_all(&folder).map_err(failed("create the folder of"))?;
        let _lock = lock(&folder).map_err(failed("lock the folder of"))?;
        let attributes = folder.join(".gitattributes");
        if !attributes.exists() {
            whole_file::replace(&attributes, ATTRIBUTES.as_bytes()).map_err(io_error("write", &attributes))?;
        }
        let mut text = self.text(scenario)?;
        if parse(&text, &file)?.iter().any(|known| known.key() == session.key()) {
            return Ok(false);
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let line = serde_json::to_string(session).map_err(io::Error::other).map_err(failed("write a line of"))?;
        text.push_str(&line);
        text.push('\n');
        whole_file::replace(&file, text.as_bytes()).map_err(failed("write"))?;
        Ok(true)
    }

    fn text(&self, scenario: &str) -> Result<String, HistoryError> {
        let file = self.file(scenario);
        match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            text => text.map_err(io_error("read", &file)),
        }
    }

    /// Keeps the line of a finished session in the folder of its run, until it is accepted.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_pending(run: &Path, session: &SessionLine) -> Result<(), HistoryError> {
        let file = run.join(PENDING);
        let line = serde_json::to_string(session).map_err(io::Error::other).map_err(io_error("write", &file))?;
        whole_file::replace(&file, (line + "\n").as_bytes()).map_err(io_error("write", &file))
    }

    /// The newest session of a scenario that has a line, unless it is accepted already.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn pending(&self, scenario: &str) -> Result<Option<SessionLine>, HistoryError> {
        let Some(file) = self.newest_pending(scenario)? else { return Ok(None) };
        let text = fs::read_to_string(&file).map_err(io_error("read", &file))?;
        let session = parse(&text, &file)?.pop();
        let accepted = parse(&self.text(scenario)?, &self.file(scenario))?;
        let is_known = |session: &SessionLine| accepted.iter().any(|known| known.key() == session.key());
        Ok(session.filter(|session| !is_known(session)))
    }

    /// Forgets the sessions of a scenario that were not accepted, so that no older one takes the place of the newest.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn reject(&self, scenario: &str) -> Result<(), HistoryError> {
        while let Some(file) = self.newest_pending(scenario)? {
            fs::remove_file(&file).map_err(io_error("remove", &file))?;
        }
        Ok(())
    }

    /// The scenarios with runs.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn scenarios(&self) -> Result<Vec<String>, HistoryError> {
        let names = folders(&self.reports).map_err(io_error("read", &self.reports))?;
        Ok(names.into_iter().filter(|name| self.newest_pending(name).is_ok_and(|file| file.is_some())).collect())
    }

    /// Runs are named for their start.
    fn newest_pending(&self, scenario: &str) -> Result<Option<PathBuf>, HistoryError> {
        let folder = self.reports.join(scenario);
        let runs = folders(&folder).map_err(io_error("read", &folder))?;
        Ok(runs.into_iter().rev().map(|run| folder.join(run).join(PENDING)).find(|file| file.is_file()))
    }
}

/// The names of the folders in a folder, in order. Links, such as `latest`, are none.
fn folders(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut names: Vec<String> =
        entries.flatten().filter(is_folder).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Waits until no other process writes a history. The folder itself is locked: a file for it would be committed.
fn lock(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    flock(&folder, FlockOperation::LockExclusive)?;
    Ok(folder)
}

fn io_error(operation: &'static str, file: &Path) -> impl FnOnce(io::Error) -> HistoryError {
    let file = file.to_owned();
    move |source| HistoryError::Io { operation, file, source }
}

fn parse(text: &str, file: &Path) -> Result<Vec<SessionLine>, HistoryError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| session(line).map_err(|error| error.at(file, index + 1))).collect()
}

/// Why a line is no session.
enum LineError {
    Malformed(String),
    Schema(u64),
}

impl LineError {
    fn at(self, file: &Path, line: usize) -> HistoryError {
        let file = file.to_owned();
        match self {
            LineError::Malformed(reason) => HistoryError::Malformed { file, line, reason },
            LineError::Schema(schema) => HistoryError::Schema { file, line, schema },
        }
    }
}

fn session(line: &str) -> Result<SessionLine, LineError> {
    let malformed = |error: serde_json::Error| {
        let marks = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"];
        LineError::Malformed(match marks.iter().any(|mark| line.starts_with(mark)) {
            true => "it is a mark of a conflict; .gitattributes beside the file prevents them".to_owned(),
            false => error.to_string(),
        })
    };
    let value: serde_json::Value = serde_json::from_str(line).map_err(malformed)?;
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(schema) if schema != u64::from(SESSION_LINE_SCHEMA) => Err(LineError::Schema(schema)),
        _ => serde_json::from_value(value).map_err(malformed),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn line(run: &str, ended: &str) -> SessionLine {
        SessionLine {
            schema: SESSION_LINE_SCHEMA,
            run: run.to_owned(),
            ended: ended.to_owned(),
            revision: None,
            is_modified: false,
            lab: "0.1.0".to_owned(),
            machine: "m".to_owned(),
            cpu: String::new(),
            scenario_sha256: String::new(),
            loads: BTreeMap::new(),
            facts: None,
            figures: Vec::new(),
        }
    }

    #[test]
    fn sessions_are_kept_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path());
        assert_eq!(history.read("s").unwrap(), []);
        assert!(history.add("s", &line("b", "2")).unwrap());
        assert!(history.add("s", &line("a", "1")).unwrap());
        assert!(!history.add("s", &line("b", "2")).unwrap());
        // A merge may repeat lines, and leave out the last line's end.
        let file = history.file("s");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}\n{}", text.trim_end())).unwrap();
        assert!(history.add("s", &line("c", "3")).unwrap());
        let runs: Vec<String> = history.read("s").unwrap().into_iter().map(|session| session.run).collect();
        assert_eq!(runs, ["a", "b", "c"]);
        assert_eq!(fs::read_to_string(folder.path().join("history/.gitattributes")).unwrap(), ATTRIBUTES);
    }

    #[test]
    fn broken_lines_are_named_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path());
        history.add("s", &line("a", "1")).unwrap();
        let file = history.file("s");
        let good = fs::read_to_string(&file).unwrap();
        for (broken, message) in [
            (&good[..40], ":2: not a session: EOF while parsing"),
            ("<<<<<<< HEAD\n", ":2: not a session: it is a mark of a conflict"),
            ("{\"schema\":2}\n", ":2: its schema is 2, and this lab reads 1"),
            ("{\"schema\":1}\n", ":2: not a session: missing field `run`"),
        ] {
            fs::write(&file, format!("{good}{broken}")).unwrap();
            let error = history.read("s").unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
            assert!(history.add("s", &line("b", "2")).is_err());
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("{good}{broken}"));
        }
    }

    #[test]
    fn newest_session_waits_for_its_acceptance() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path());
        assert_eq!(history.pending("s").unwrap(), None);
        for (run, has_line) in [("1", true), ("2", true), ("3", false)] {
            let run_folder = folder.path().join("s").join(run);
            fs::create_dir_all(&run_folder).unwrap();
            if has_line {
                History::keep_pending(&run_folder, &line(run, run)).unwrap();
            }
        }
        assert_eq!(history.scenarios().unwrap(), ["s"]);
        let session = history.pending("s").unwrap().unwrap();
        assert_eq!(session.run, "2");
        history.add("s", &session).unwrap();
        assert_eq!(history.pending("s").unwrap(), None, "an older one is not offered");
        history.reject("s").unwrap();
        assert_eq!(history.scenarios().unwrap(), [""; 0]);
        assert_eq!(history.read("s").unwrap(), [session]);
    }
}
