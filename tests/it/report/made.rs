//! Makes the record of a comparison of servers from a table of known figures.

use std::path::Path;

use serde_json::{Value, json};

/// A stack under the ramp: its name, its capacity in requests per second, and the CPU time of a request in microseconds.
pub(super) type Row = (&'static str, f64, f64);

/// Two stacks that share a rank, one behind them, and one far behind; the first is the reference.
pub(super) const FIRST: [Row; 4] =
    [("bjoern", 5_000.0, 12.0), ("fastwsgi", 4_950.0, 12.5), ("granian", 3_000.0, 20.0), ("wsgiref", 900.0, 150.0)];
const BLOCKS: u32 = 6;
const RATES: [u32; 4] = [250, 500, 1_000, 8_000];

/// A record in which the stacks of a group are told apart from those of all other groups, but not from each other.
pub(super) fn record(run: &str, rows: &[Row], groups: &[&[&str]]) -> Value {
    let rounds: Vec<Value> = (0..BLOCKS).flat_map(|block| rows.iter().map(move |row| round(block, row))).collect();
    let mut estimates = Vec::new();
    for (name, per_s, cpu_us) in rows {
        let ratio = |value: f64| {
            let interval = json!({ "lower": value * 0.97, "upper": value * 1.03, "confidence": 0.96875 });
            let log_ratios = [value.ln(); BLOCKS as usize];
            let ratio = json!({ "reference": rows[0].0, "ratio": value, "log_ratios": log_ratios, "interval": interval,
                                "t_interval": null, "driver_bound": [] });
            (*name != rows[0].0).then_some(ratio)
        };
        let estimate = |metric: &str, unit: &str, median: f64, to_reference: f64| {
            json!({ "load": "keep-alive", "stack": name, "metric": metric, "unit": unit, "rounds": BLOCKS,
                    "median": median, "ratio": ratio(to_reference) })
        };
        estimates.push(estimate("throughput", "per_s", *per_s, per_s / rows[0].1));
        estimates.push(estimate("cpu_per_request", "us", *cpu_us, cpu_us / rows[0].2));
    }
    let ranks: Vec<Value> = groups
        .iter()
        .enumerate()
        .flat_map(|(n, group)| {
            let (before, behind) = (groups[..n].concat(), groups[n + 1..].concat());
            let (best, worst) = (before.len() + 1, before.len() + group.len());
            group.iter().map(move |name| json!({ "stack": name, "best": best, "worst": worst, "better_than": behind }))
        })
        .collect();
    let ranking = |metric: &str| json!({ "load": "keep-alive", "metric": metric, "places": ranks, "unplaced": ["meinheld"], "blocks_needed": null });
    let mut stacks: Vec<Value> = rows.iter().map(|(name, ..)| stack(name, *name == rows[0].0)).collect();
    stacks.push(json!({
        "name": "meinheld", "reference": false, "components": [], "error": null, "checks": [], "is_optional": true,
        "unavailable": "needs greenlet < 0.5, which does not compile\nthe log says more",
        "published": [{ "figure": 3844, "unit": "requests/s", "what": "peak | at 4 000 connections", "year": 2016,
                        "source": "https://example.org/raw", "conditions": "one process; `OK`" }],
    }));
    json!({
        "schema": 2,
        "provenance": {
            "run": run, "started": "2026-11-24T10:00:00Z", "resumed": [], "ended": "2026-11-24T11:00:00Z",
            "command": ["lab", "run", "scenarios/pong.toml"], "lab": "0.1.0", "scenario": "pong",
            "title": "Servers <and> what they cost", "file": "scenarios/pong.toml", "sha256": "00", "configurations": {},
            "seed": 7, "load_cores": [1], "stack_cores": [0],
            "machine": { "kernel": "Linux 6.1", "cpu": "A CPU", "cores": 2, "memory_bytes": 4_294_967_296_u64,
                         "governor": null },
        },
        "stacks": stacks, "differences": [], "rounds": rounds, "estimates": estimates,
        "places": [ranking("throughput"), ranking("cpu_per_request")],
        "looks": { "declared": [BLOCKS], "made": 1 }, "below_noise_floor": null,
        "gate": { "could_not_run": 0, "failed_checks": 0, "errors_under_load": 0, "without_valid_rounds": 0,
                  "facts": "not-compared", "metrics": [] },
    })
}

fn stack(name: &str, reference: bool) -> Value {
    json!({
        "name": name, "reference": reference, "error": null,
        "components": [{ "role": "server", "version": format!("{name} 1.{}", name.len()) }],
        "checks": [{ "name": "a sized response", "request": "GET /", "outcome": { "outcome": "judged", "findings": [],
            "observed": { "status": 200, "reason": "OK", "headers": [["Content-Length", "5"]], "body": "Pong!",
                          "framing_error": null } } }],
    })
}

/// A round: requests beyond the capacity time out, and the blocks differ by up to 5 %.
fn round(block: u32, (name, per_s, cpu_us): &Row) -> Value {
    let capacity = per_s * (1.0 + 0.01 * f64::from(block) - 0.025);
    let times = |p50: u64| {
        json!({ "mean_us": p50, "p50_us": p50, "p90_us": p50 * 2, "p99_us": p50 * 4, "p999_us": p50 * 5,
                "max_us": p50 * 6, "histogram": "SGlzdG9ncmFt" })
    };
    let rates: Vec<Value> = RATES
        .iter()
        .map(|rate| {
            let ok = capacity.min(f64::from(*rate)).round() as u64;
            let late = u64::from(*rate) - ok;
            let failed = if late > 0 { json!({ "timeout-first-byte": late }) } else { json!({}) };
            json!({ "rate_per_s": rate, "lasts_us": 1_000_000, "scheduled": rate, "ok": ok, "failed": failed, "shed": 0,
                    "unsent": 0, "answered": ok, "response_time": times(80 + u64::from(*rate) / 10), "lag": times(5) })
        })
        .collect();
    let sum = |key: &str| rates.iter().map(|rate| rate[key].as_u64().unwrap()).sum::<u64>();
    let (ok, scheduled) = (sum("ok"), sum("scheduled"));
    let at_rest = json!({ "rss_bytes": 9_437_184, "pss_bytes": 8_388_608 });
    let mut component = json!({
        "role": "server", "cpu_us": (ok as f64 * cpu_us) as u64, "cpu_user_us": 0, "cpu_system_us": 0,
        "voluntary_context_switches": 10, "involuntary_context_switches": 0, "peak_rss_bytes": 20_971_520,
        "peak_pss_bytes": 10_485_760, "peak_open_fds": 9, "peak_processes": 1, "peak_threads": 1,
        "peak_connections": 10, "peak_accept_queue": 0, "accept_queue_drops": 0,
        "curve": [{ "at_us": 0, "rss_bytes": 1, "pss_bytes": 1, "open_fds": 1, "processes": 1, "threads": 1,
                    "connections": 1, "accept_queue": 0 }],
    });
    component["at_rest"] = at_rest;
    let open = json!({ "scheduled": scheduled, "shed": 0, "unsent": 0, "response_time": times(200), "lag": times(5),
                       "connect_time": null, "later_calls": null, "rates": rates });
    json!({
        "block": block, "load": "keep-alive", "stack": name, "outcome": "measured",
        "window_us": 4_000_000, "ok": ok, "failed": { "timeout-first-byte": scheduled - ok }, "unfinished": 0,
        "answered": ok, "body_bytes": ok * 5, "connections_opened": 10, "throughput_per_s": ok as f64 / 4.0,
        "service_time": times(150), "open": open,
        "components": [component],
        "machine": { "over_us": 4_000_000, "cpu_pressure_us": 0, "memory_pressure_us": 0, "io_pressure_us": 0,
                     "stolen_us": 0, "accepted_connections": 10, "accept_queue_overflows": 0, "accept_queue_drops": 0 },
        "driver": { "cpu_us": 1_000_000, "unclassified": [] },
        "objections": [],
    })
}

/// Writes a record as a run does.
pub(super) fn write(folder: &Path, name: &str, record: &Value) {
    std::fs::write(folder.join(name), record.to_string()).unwrap();
}
