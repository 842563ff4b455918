//! h2load, on the second core.

use std::process::Command;

pub(super) const H2LOAD: &str = "/usr/bin/h2load";

/// Drives a subject over HTTP/2. Returns the number of responses.
pub(super) fn run(url: &str, connections: usize, streams: usize, seconds: u64) -> u64 {
    let mut command = Command::new("taskset");
    command.args([
        "-c",
        "1",
        H2LOAD,
        &format!("-c{connections}"),
        &format!("-m{streams}"),
        &format!("-D{seconds}"),
        url,
    ]);
    let output = command.output().expect("h2load runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = |of: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with("requests: "))?;
        line.split(", ").find_map(|part| part.trim_start_matches("requests: ").strip_suffix(of)?.trim().parse().ok())
    };
    let (Some(succeeded), Some(failed)) = (count(" succeeded"), count(" failed")) else {
        panic!("h2load counts requests: {text}")
    };
    assert_eq!(failed, 0, "h2load saw errors: {text}");
    succeeded
}
