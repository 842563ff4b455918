//! The instructions of the hot paths, counted by valgrind's callgrind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::versions::{Build, COUNTED};

/// Instructions per call by the path's name.
pub(crate) type Counts = BTreeMap<String, f64>;

/// The calls of the shorter of two executions. The other one makes twice as many, so that what the program does once cancels.
const CALLS: u64 = 1000;

pub(crate) fn is_installed() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Counts every path. `None` if the version has no such benchmark.
pub(crate) fn counts(version: &Build, work: &Path) -> Result<Option<Counts>, String> {
    let Some(executable) = version.executable(COUNTED) else { return Ok(None) };
    let list = Command::new(executable).arg("--list").current_dir(&version.root).output();
    let list = list.map_err(|error| format!("cannot run {}: {error}", executable.display()))?;
    let mut counts = Counts::new();
    for name in String::from_utf8_lossy(&list.stdout).lines() {
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
        let (few, many) = (count(CALLS)?, count(2 * CALLS)?);
        counts.insert(name.to_owned(), many.saturating_sub(few) as f64 / CALLS as f64);
    }
    Ok(Some(counts))
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
    fn total_is_read_from_the_output_of_callgrind() {
        assert_eq!(total("# callgrind format\nevents: Ir\nsummary: 4711\n\nfn=(1) main\n1 4711\n"), Some(4711));
        assert_eq!(total("events: Ir\nfn=(1) main\n1 12\ntotals: 12\n"), Some(12));
        assert_eq!(total("events: Ir\n"), None);
    }
}
