//! What a stack's components log while a check runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Role;
use super::original_names::original_names;
use super::running::RunningStack;

/// The lines of one log that are shown.
const MAX_LINES: usize = 40;
/// Enough for that many lines, however much is logged.
const MAX_BYTES: u64 = 64 * 1024;

/// Lines that were added to a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogExcerpt {
    pub file: PathBuf,
    /// The last ones, with the names of the person's own files instead of those of relocated copies.
    pub lines: Vec<String>,
    /// How many lines before them are left out.
    pub left_out: usize,
}

/// How far the logs of a stack were written at some instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPositions(BTreeMap<PathBuf, u64>);

/// The warnings of the app server, from lines in gunicorn's form: `[TIME] [PID] [WARNING] MESSAGE`.
#[must_use]
pub fn warnings(running: &RunningStack) -> Vec<String> {
    let servers = running.components.iter().filter(|component| component.role == Role::Server);
    servers.flat_map(|server| warnings_in(&read_from(server.process.log(), 0).unwrap_or_default())).collect()
}

fn warnings_in(text: &str) -> Vec<String> {
    let messages = text.lines().filter_map(|line| line.split_once("] [WARNING] "));
    messages.map(|(_, message)| message.to_owned()).collect()
}

/// How far the logs of a stack are written now.
#[must_use]
pub fn positions(running: &RunningStack) -> LogPositions {
    let sized = logs(running).into_iter().map(|file| {
        let length = fs::metadata(&file).map_or(0, |metadata| metadata.len());
        (file, length)
    });
    LogPositions(sized.collect())
}

/// What was added since.
#[must_use]
pub fn added_since(running: &RunningStack, positions: &LogPositions) -> Vec<LogExcerpt> {
    let added = logs(running).into_iter().filter_map(|file| {
        let from = positions.0.get(&file).copied().unwrap_or_default();
        // A log that cannot be read has nothing to show.
        let text = read_from(&file, from).ok().filter(|text| !text.trim().is_empty())?;
        let text = running.components.iter().fold(text, |text, component| original_names(&text, &component.originals));
        let all: Vec<&str> = text.lines().collect();
        let left_out = all.len().saturating_sub(MAX_LINES);
        Some(LogExcerpt { file, lines: all[left_out..].iter().map(|line| (*line).to_owned()).collect(), left_out })
    });
    added.collect()
}

/// The logs of a stack's components, without those that have a line per request.
fn logs(running: &RunningStack) -> Vec<PathBuf> {
    let folders = running.components.iter().filter_map(|component| component.process.log().parent());
    let mut found: Vec<PathBuf> = folders
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| is_log(path))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn is_log(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".log") && !name.contains("access") && name != "setup.log"
}

fn read_from(file: &Path, from: u64) -> io::Result<String> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(MAX_BYTES))))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_told_from_other_lines() {
        let text = "[2026-11-30 19:58:53 +0000] [7] [INFO] Starting lab\n\
                    [2026-11-30 19:58:53 +0000] [7] [WARNING] hooks are not called: ssl_context\nTraceback\n";
        assert_eq!(warnings_in(text), ["hooks are not called: ssl_context"]);
    }

    #[test]
    fn added_text_is_read_from_its_position() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.log");
        fs::write(&file, "before\nafter\n").unwrap();
        assert_eq!(read_from(&file, 7).unwrap(), "after\n");
        assert!(is_log(&file) && !is_log(Path::new("access.log")) && !is_log(Path::new("nginx.conf")));
    }
}
