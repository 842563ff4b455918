//! wrk, on the second core.

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

pub(super) const WRK: &str = "/usr/bin/wrk";

pub(super) struct Result {
    pub(super) requests: u64,
    pub(super) requests_per_s: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// The errors, in wrk's words.
    pub(super) errors: String,
}

pub(super) struct Options<'a> {
    pub(super) is_kept_alive: bool,
    pub(super) fields: &'a [&'a str],
    pub(super) script: Option<&'a str>,
}

pub(super) fn run(url: &str, connections: usize, options: &Options<'_>, seconds: u64) -> Result {
    let mut command = Command::new("taskset");
    command.args(["-c", "1", WRK, "-t1", "--latency", &format!("-c{connections}"), &format!("-d{seconds}s")]);
    let close = (!options.is_kept_alive).then_some("Connection: close");
    for field in options.fields.iter().copied().chain(close) {
        command.args(["-H", field]);
    }
    let script = options.script.map(|text| {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("a script");
        file
    });
    if let Some(script) = &script {
        command.arg("-s").arg(script.path());
    }
    let output = command.arg(url).output().expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let word = |behind: &str, place: usize| {
        let line = text.lines().find(|line| line.contains(behind));
        line.and_then(|line| line.split_whitespace().nth(place)).unwrap_or_default().to_owned()
    };
    let wrong = |line: &&str| line.contains("Socket errors") || line.contains("Non-2xx");
    Result {
        requests: word("requests in", 0).parse().unwrap_or_else(|_| panic!("wrk counts requests: {text}")),
        requests_per_s: word("Requests/sec:", 1).parse().unwrap_or_default(),
        p50: duration(&word("50%", 1)),
        p99: duration(&word("99%", 1)),
        errors: text.lines().filter(wrong).collect::<Vec<_>>().join("; "),
    }
}

/// A time as wrk prints it: `950.00us`, `1.25ms`, `2.00s`.
fn duration(text: &str) -> Duration {
    let unit = text.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(text.len());
    let seconds = match &text[unit..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        _ => 1.0,
    };
    Duration::from_secs_f64(text[..unit].parse::<f64>().unwrap_or_default() * seconds)
}
