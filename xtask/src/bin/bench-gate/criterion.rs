//! One round of the criterion benchmarks of a version: a time for each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::versions::{Build, TIMED};

/// Nanoseconds per iteration by the benchmark's name.
pub(crate) type Times = BTreeMap<String, f64>;

/// Short windows, because a benchmark is visited in every round.
const OPTIONS: [&str; 10] = [
    "--bench",
    "--noplot",
    "--sample-size",
    "10",
    "--warm-up-time",
    "0.1",
    "--measurement-time",
    "0.3",
    "--nresamples",
    "1001",
];

/// Runs every benchmark once. `results` is the folder that criterion writes to.
pub(crate) fn measure(version: &Build, results: &Path, only: Option<&str>) -> Result<Times, String> {
    // Criterion compares with what it finds there.
    let _ = fs::remove_dir_all(results);
    for (name, quiet) in TIMED {
        let Some(executable) = version.executable(name) else { continue };
        let filter = Some(only.unwrap_or(quiet)).filter(|filter| !filter.is_empty());
        let mut command = Command::new(executable);
        command.args(OPTIONS).args(filter).current_dir(&version.root).env("CRITERION_HOME", results);
        let output = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {name}: {error}"))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("the benchmark `{name}` of {}: {}\n{reason}", version.root.display(), output.status));
        }
    }
    let mut times = Times::new();
    collect(results, &mut times).map_err(|error| format!("read {}: {error}", results.display()))?;
    Ok(times)
}

/// Reads the estimates in a folder and those below it.
fn collect(folder: &Path, times: &mut Times) -> std::io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.ends_with("new") {
            let read = |name: &str| fs::read_to_string(path.join(name));
            times.extend(time(&read("benchmark.json")?, &read("estimates.json")?));
        } else {
            collect(&path, times)?;
        }
    }
    Ok(())
}

/// The name of a benchmark and its median time.
fn time(benchmark: &str, estimates: &str) -> Option<(String, f64)> {
    let benchmark: Value = serde_json::from_str(benchmark).ok()?;
    let estimates: Value = serde_json::from_str(estimates).ok()?;
    Some((benchmark["full_id"].as_str()?.to_owned(), estimates["median"]["point_estimate"].as_f64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_read_from_the_files_of_criterion() {
        let benchmark = r#"{"group_id":"head","function_id":"parse","full_id":"head/parse"}"#;
        let estimates = r#"{"mean":{"point_estimate":120.0},"median":{"point_estimate":118.5},"slope":null}"#;
        assert_eq!(time(benchmark, estimates), Some(("head/parse".to_owned(), 118.5)));
        assert_eq!(time(benchmark, "{}"), None);
    }
}
