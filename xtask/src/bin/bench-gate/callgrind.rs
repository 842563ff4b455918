//! The instructions of the hot paths, counted by valgrind's callgrind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::versions::{Build, COUNTED};

/// Instructions per call by the path's name.
pub(crate) type Counts = BTreeMap<String, f64>;

/// The calls of a path whose version does not say how many are enough.
const CALLS: u64 = 1000;

pub(crate) fn is_installed() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Counts every path, by two executions: one makes twice as many calls as the other, so that what the program does once cancels.
/// `None` if the version has no such benchmark.
pub(crate) fn counts(version: &Build, work: &Path) -> Result<Option<Counts>, String> {
    let Some(executable) = version.executable(COUNTED) else { return Ok(None) };
    let list = Command::new(executable).arg("--list").current_dir(&version.root).output();
    let list = list.map_err(|error| format!("cannot run {}: {error}", executable.display()))?;
    let mut counts = Counts::new();
    for line in String::from_utf8_lossy(&list.stdout).lines() {
        let (name, calls) = path(line);
        eprintln!("counting {name} in {}", version.root.display());
        let count = |calls: u64| {
            let file = work.join("callgrind.out");
            let mut valgrind = Command::new("valgrind");
            valgrind.args(["--tool=callgrind", &format!("--callgrind-out-file={}", file.display())]);
            valgrind.arg(executable).args([name, &calls.to_string()]).current_dir(&version.root);
            let output = valgrind.output().map_err(|error| format!("cannot run valgrind: {error}"))?;
            if !output.status.success() {
                let reason = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("valgrind of `{name}`: {}\n{reason}", output.status));
            }
            let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            total(&text).ok_or_else(|| format!("{} has no total", file.display()))
        };
        let (few, many) = (count(calls)?, count(2 * calls)?);
        counts.insert(name.to_owned(), many.saturating_sub(few) as f64 / calls as f64);
    }
    Ok(Some(counts))
}

/// A line of the list: a path's name and how often to call it.
fn path(line: &str) -> (&str, u64) {
    let with_calls = line.split_once('\t').and_then(|(name, calls)| Some((name, calls.parse().ok()?)));
    with_calls.unwrap_or((line, CALLS))
}

/// The instructions of a whole execution, of callgrind's output.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("summary:").or_else(|| line.strip_prefix("totals:")))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_may_say_how_many_calls_are_enough() {
        assert_eq!(path("stats/estimate/30\t10"), ("stats/estimate/30", 10));
        assert_eq!(path("head/parse"), ("head/parse", 1000));
    }

    #[test]
    fn total_is_read_from_the_output_of_callgrind() {
        assert_eq!(total("# callgrind format\nevents: Ir\nsummary: 4711\n\nfn=(1) main\n1 4711\n"), Some(4711));
        assert_eq!(total("events: Ir\nfn=(1) main\n1 12\ntotals: 12\n"), Some(12));
        assert_eq!(total("events: Ir\n"), None);
    }
}
