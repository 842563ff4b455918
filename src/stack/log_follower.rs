//! Follows the logs of a running stack.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::original_names::original_names;
use super::running::RunningStack;

/// The most that is read of one log at once, so that a component that logs without end leaves room for the others.
const MAX_BYTES: u64 = 256 * 1024;

/// How far each log has been read.
#[derive(Debug, Default)]
pub struct LogFollower {
    read: BTreeMap<PathBuf, u64>,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The name of the log without its ending: `server`, `proxy`, `access`.
    pub log: String,
    /// With the names of the person's own files instead of those of relocated copies.
    pub text: String,
}

impl LogFollower {
    /// The complete lines that were added since the last call.
    pub fn next_lines(&mut self, running: &RunningStack) -> Vec<LogLine> {
        let folders = running.components.iter().filter_map(|component| component.process.log().parent());
        let mut lines = self.lines_of(folders);
        for line in &mut lines {
            let originals = running.components.iter().map(|component| &component.originals);
            line.text = originals.fold(line.text.clone(), |text, originals| original_names(&text, originals));
        }
        lines
    }

    fn lines_of<'a>(&mut self, folders: impl Iterator<Item = &'a Path>) -> Vec<LogLine> {
        let entries = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        files.sort();
        files.dedup();
        let mut lines = Vec::new();
        for file in files {
            let from = self.read.entry(file.clone()).or_default();
            // A log that cannot be read now may be readable the next time.
            let Ok(text) = complete_lines(&file, from) else { continue };
            let log = file.file_stem().unwrap_or_default().to_string_lossy();
            lines.extend(text.lines().map(|text| LogLine { log: log.to_string(), text: text.to_owned() }));
        }
        lines
    }
}

/// The text from a position up to the last end of a line; moves the position behind it. A file that has become shorter was
/// truncated, and is read from its start.
fn complete_lines(file: &Path, position: &mut u64) -> io::Result<String> {
    let mut file = File::open(file)?;
    if file.metadata()?.len() < *position {
        *position = 0;
    }
    file.seek(SeekFrom::Start(*position))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    let is_full = bytes.len() as u64 == MAX_BYTES;
    let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => last + 1,
        // A line longer than that is shown in parts.
        None if is_full => bytes.len(),
        None => 0,
    };
    *position += end as u64;
    Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn lines_are_followed_once_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.log");
        let mut log = File::create(&path).unwrap();
        let mut follower = LogFollower::default();
        let mut next = || -> Vec<String> {
            let lines = follower.lines_of([folder.path(), folder.path()].into_iter());
            lines.into_iter().map(|line| format!("{}: {}", line.log, line.text)).collect()
        };
        log.write_all(b"one\ntwo").unwrap();
        assert_eq!(next(), ["server: one"]);
        log.write_all(b" and more\n").unwrap();
        assert_eq!(next(), ["server: two and more"]);
        assert!(next().is_empty());
        fs::write(&path, "new\n").unwrap();
        assert_eq!(next(), ["server: new"], "the file was truncated");
        fs::write(folder.path().join("nginx.conf"), "no log\n").unwrap();
        assert!(next().is_empty());
    }
}
