//! The records of pages, and the pages of records.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::made::{self, FIRST};
use super::{GROUPS, stdout};

/// Writes the page of a record.
pub(super) fn page(folder: &TempDir, record: &Value) -> PathBuf {
    made::write(folder.path(), "page.json", record);
    stdout(folder.path(), &["page.json", "--output", "page.html"]);
    folder.path().join("page.html")
}

/// A record with a stack behind a proxy, a failed check, a gate, histograms and curves.
pub(super) fn full_record() -> Value {
    let mut record = made::record("full", &FIRST, GROUPS);
    let (proxied, direct) = (2, 0);
    record["stacks"][proxied]["components"] =
        json!([{ "role": "proxy", "version": "nginx 1.22.1" }, { "role": "server", "version": "bjoern 1.6" }]);
    record["stacks"][proxied]["topology"] = json!({
        "app": "pong:app", "interface": "wsgi", "protocol": "http", "workers": "2 workers", "threads": 4, "backend": "process",
    });
    let finding = json!({ "field": "status", "expected": "200", "observed": "502", "agrees": false });
    let headers_report = |address: &str| {
        let view = json!({ "remote_addr": address, "scheme": "http", "host": "h", "root_path": "", "path": "/headers",
                           "query_string": "", "url_root": "http://h/" });
        let received = json!({ "method": "GET", "target": "/headers", "version": "HTTP/1.1",
                               "headers": [["Host", "h"], ["X-Forwarded-For", address]] });
        json!({ "upstream": received, "app": view, "before_proxy_fix": view }).to_string()
    };
    for (stack, address, findings) in [(direct, "{client}", json!([])), (proxied, "203.0.113.9", json!([finding]))] {
        record["stacks"][stack]["checks"][0]["outcome"]["findings"] = findings;
        record["stacks"][stack]["checks"][0]["outcome"]["observed"]["body"] = json!(headers_report(address));
    }
    record["gate"]["failed_checks"] = json!(1);
    record["gate"]["metrics"] = json!([{
        "load": "keep-alive", "stack": "granian", "metric": "cpu_per_request", "margin": 0.05, "ratio": 1.01, "committed": 1.0,
        "change": { "lower": 0.98, "upper": 1.03, "confidence": 0.95 }, "verdict": "pass", "look": 1, "rounds": 6,
        "further_rounds": null, "because": null,
    }]);
    record["gate"]["limits"] = json!([{
        "load": "keep-alive", "stack": "granian", "metric": "throughput", "limit": 2500.0, "value": 3000.0, "interval": null,
        "verdict": "inconclusive", "rounds": 6, "further_rounds": null, "because": null,
    }]);
    record["gate"]["facts"] = json!("changed");
    record["gate"]["facts_difference"] = json!("  status: 200\n- Server: a\n+ Server: b");
    with_histograms_and_curves(&mut record);
    record
}

pub(super) fn with_histograms_and_curves(record: &mut Value) {
    let mut histogram = lab_load::wire::histogram::empty();
    (1..=60_000_u64).for_each(|request| histogram.record(100 + request * request / 40_000).unwrap());
    let histogram = lab_load::wire::histogram::encode(&histogram).unwrap();
    let curve = |sample: u64| {
        json!({ "at_us": sample * 250_000, "rss_bytes": 20_000_000 + sample * 4_096, "pss_bytes": null, "open_fds": 9,
                "processes": 1, "threads": 1, "connections": 1, "accept_queue": 0 })
    };
    let curve: Vec<Value> = (0..100).map(curve).collect();
    for round in record["rounds"].as_array_mut().unwrap() {
        round["service_time"]["histogram"] = json!(histogram);
        round["open"]["response_time"]["histogram"] = json!(histogram);
        round["components"][0]["curve"] = json!(curve);
    }
}

/// The size of the comparison of WSGI servers: 24 stacks in 9 blocks under two ramps, four checks, with histograms and curves.
pub(super) fn large_record() -> Value {
    let names: Vec<&'static str> = (0..24).map(|stack| &*format!("server-{stack:02}").leak()).collect();
    let rows: Vec<made::Row> =
        names.iter().zip(1..).map(|(name, n)| (*name, 9_000.0 / f64::from(n), 12.0 * f64::from(n))).collect();
    let groups: Vec<&[&str]> = names.chunks(1).collect();
    let mut record = made::record("large", &rows, &groups);
    let rounds = record["rounds"].as_array_mut().unwrap();
    let further: Vec<Value> = rounds.iter().filter(|round| round["block"].as_u64() < Some(3)).cloned().collect();
    rounds.extend(further.into_iter().map(|mut round| {
        round["block"] = json!(round["block"].as_u64().unwrap() + 6);
        round
    }));
    with_histograms_and_curves(&mut record);
    for part in ["rounds", "estimates", "places"] {
        let rows = record[part].as_array_mut().unwrap();
        let second: Vec<Value> = rows.clone();
        rows.extend(second.into_iter().map(|mut row| {
            row["load"] = json!("http-1-0");
            row
        }));
    }
    for stack in record["stacks"].as_array_mut().unwrap() {
        let checks = stack["checks"].as_array_mut().unwrap();
        let Some(first) = checks.first().cloned() else { continue };
        checks.extend((2..=4).map(|number| {
            let mut check = first.clone();
            check["name"] = json!(format!("check {number} of the servers"));
            check
        }));
    }
    // A check that most stacks do not run.
    let checks = record["stacks"][0]["checks"].as_array_mut().unwrap();
    let mut own = checks[0].clone();
    own["name"] = json!("a check of its own");
    checks.push(own);
    record
}
