//! Running the tests: one that hangs fails and is named, and one that failed beside others runs again alone.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::run::{announce, cargo_command, check};

/// No test takes this long. Most of them run beside others, so a line is printed more often than that.
const LONGEST_SILENCE: Duration = Duration::from_secs(10 * 60);

/// Many tests measure times beside others on few cores. More failures than this are no accident.
const MOST_RETRIED: usize = 3;

/// Runs `cargo test` with these arguments. The few tests that fail run again, each alone; one that then passes is named as
/// flaky and does not fail the run.
pub(crate) fn run_tests(arguments: &[&str], variables: &[(&str, &Path)]) -> Result<(), String> {
    let command = |more: &[&str]| {
        let mut cargo = cargo_command();
        cargo.arg("test").args(arguments).args(more).envs(variables.iter().copied());
        cargo
    };
    let first = run_once(&mut command(&["--no-fail-fast"]))?;
    if first.failed.is_empty() || first.failed.len() > MOST_RETRIED {
        return first.result;
    }
    for test in &first.failed {
        run_once(&mut command(&["--", "--exact", test]))?.result?;
    }
    eprintln!("\nflaky: failed beside other tests, and passed alone");
    first.failed.iter().for_each(|test| eprintln!("  {test}"));
    Ok(())
}

struct TestRun {
    failed: BTreeSet<String>,
    result: Result<(), String>,
}

/// Runs a command that prints the lines of Rust's test harness. Ends it once no line has been printed for ten minutes, and
/// fails with the names of the tests that have not ended.
fn run_once(command: &mut Command) -> Result<TestRun, String> {
    let line = announce(command);
    // A group of its own: what the tests have started is to end with them.
    command.stdout(Stdio::piped()).process_group(0);
    let mut tests = command.spawn().map_err(|error| format!("cannot run `{line}`: {error}"))?;
    let output = BufReader::new(tests.stdout.take().expect("piped"));
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut running = LongRunning::default();
    let mut failed = BTreeSet::new();
    loop {
        match lines.recv_timeout(LONGEST_SILENCE) {
            Ok(line) => {
                println!("{line}");
                running.read(&line);
                failed.extend(failed_test(&line).map(str::to_owned));
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                eprintln!("no test has ended for {} s; the processes are:", LONGEST_SILENCE.as_secs());
                _ = Command::new("ps").args(["-eww", "-o", "pid,ppid,etimes,stat,wchan:20,args"]).status();
                // The group has the number of its first process.
                _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", tests.id())]).status();
                _ = tests.wait();
                return Err(format!("`{line}`: no line for {} s; {running}", LONGEST_SILENCE.as_secs()));
            }
        }
    }
    let status = tests.wait().map_err(|error| format!("cannot run `{line}`: {error}"))?;
    Ok(TestRun { failed, result: check(&line, status) })
}

/// The test that failed, according to a line of the harness.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// The tests that have run for more than a minute, and have not ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct LongRunning(BTreeSet<String>);

impl LongRunning {
    fn read(&mut self, line: &str) {
        let Some(line) = line.strip_prefix("test ") else { return };
        if let Some((name, _)) = line.split_once(" has been running for over ") {
            self.0.insert(name.to_owned());
        } else if let Some((name, _)) = line.split_once(" ... ") {
            self.0.remove(name);
        }
    }
}

impl std::fmt::Display for LongRunning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no test was running");
        }
        f.write_str("still running:")?;
        self.0.iter().try_for_each(|name| write!(f, " {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{LongRunning, failed_test};

    #[test]
    fn ended_tests_are_not_running() {
        let mut running = LongRunning::default();
        for line in [
            "test a::hangs has been running for over 60 seconds",
            "test b::slow has been running for over 60 seconds",
            "test c::quick ... ok",
            "test b::slow ... ok",
        ] {
            running.read(line);
        }
        assert_eq!(running.to_string(), "still running: a::hangs");
    }

    #[test]
    fn failed_tests_are_named() {
        assert_eq!(failed_test("test a::fails ... FAILED"), Some("a::fails"));
        assert_eq!(failed_test("test src/lib.rs - head (line 3) ... FAILED"), Some("src/lib.rs - head (line 3)"));
        assert_eq!(failed_test("test a::passes ... ok"), None);
        assert_eq!(failed_test("test result: FAILED. 1 passed; 1 failed"), None);
    }
}
