//! wrk, on the second core.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

pub(super) const WRK: &str = "/usr/bin/wrk";

pub(super) struct Figures {
    pub(super) requests: u64,
    pub(super) requests_per_s: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// Connections that this machine accepted in that time.
    pub(super) connections: u64,
}

/// Drives a server. A request without a good response is an error, in wrk's words.
pub(super) fn run(address: SocketAddr, connections: usize, posts: bool, seconds: u64) -> Result<Figures, String> {
    let mut command = Command::new("taskset");
    command.args(["-c", "1", WRK, "-t1", "--latency", &format!("-c{connections}"), &format!("-d{seconds}s")]);
    if posts {
        command.arg("-s").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/servers/post.lua"));
    }
    let before = accepted();
    let output = command.arg(format!("http://{address}/")).output().map_err(|error| format!("wrk: {error}"))?;
    let connections = accepted() - before;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if let Some(wrong) = text.lines().find(|line| line.contains("Socket errors") || line.contains("Non-2xx")) {
        return Err(wrong.trim().to_owned());
    }
    // these words identify its lines
    let word = |behind: &str, place: usize| {
        let line = text.lines().find(|line| line.contains(behind));
        line.and_then(|line| line.split_whitespace().nth(place)).unwrap_or_default().to_owned()
    };
    Ok(Figures {
        requests: word("requests in", 0).parse().map_err(|_| format!("wrk counted nothing: {text}"))?,
        requests_per_s: word("Requests/sec:", 1).parse().unwrap_or_default(),
        p50_us: microseconds(&word("50%", 1)),
        p99_us: microseconds(&word("99%", 1)),
        connections,
    })
}

/// wrk's `830.00us`, `1.24ms` or `2.01s`.
fn microseconds(text: &str) -> f64 {
    let unit = text.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
    let number: f64 = text[..text.len() - unit.len()].parse().unwrap_or_default();
    match unit {
        "s" => number * 1e6,
        "ms" => number * 1e3,
        _ => number,
    }
}

/// How many connections this machine has accepted so far (proc(5): `PassiveOpens`).
fn accepted() -> u64 {
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut tcp = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (Some(names), Some(values)) = (tcp.next(), tcp.next()) else { return 0 };
    let place = names.split(' ').position(|name| name == "PassiveOpens");
    place.and_then(|place| values.split(' ').nth(place)?.parse().ok()).unwrap_or(0)
}
