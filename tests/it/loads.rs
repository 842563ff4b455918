//! Loads of every driver through `lab run`, and their records.

use std::fs;

use lab::exit::Exit;
use serde_json::Value;

use crate::support::{Project, assert_exit, text};

const STACK: &str = r#"
schema = 1
name   = "loads"
app    = { native = "hello" }

[[stack]]
name   = "direct"
server = { kind = "lab" }

[rounds]
count  = 1
warmup = "0s"
"#;

fn project(loads: &str) -> Project {
    let project = Project::new(str::to_owned);
    fs::write(project.path("scenarios/loads.toml"), format!("{STACK}{loads}")).unwrap();
    project
}

/// The first round of each load.
fn first_rounds(project: &Project) -> Vec<Value> {
    let record = fs::read_to_string(project.path("reports/loads/latest/record.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let rounds = record["rounds"].as_array().unwrap();
    rounds.iter().filter(|round| round["block"] == 0).cloned().collect()
}

#[test]
fn open_loops_and_journeys_are_recorded() {
    let project = project(
        r#"
[[load]]
name     = "ramp"
driver   = "open"
path     = "/pong"
rate     = { from = 40, to = 20, step = 20, hold = "1s" }
calls_per_connection = 2

[[load]]
name     = "journey"
driver   = "goose"
users    = 2
duration = "1s"

[[load.step]]
name    = "look"
path    = "/headers"
extract = { path = { json = "/app/path" } }

[[load.step]]
name    = "again"
path    = "{path}"
weight  = 2
expect  = { status = 200, body = { contains = "{host}" } }
"#,
    );
    // On a busy machine the open loop's rounds are invalid, for the driver is late; recorded they are all the same.
    let output = project.run(&["run", "scenarios/loads.toml"]);
    eprintln!("{}", text(&output));
    let rounds = first_rounds(&project);
    let [ramp, journey] = &["ramp", "journey"].map(|load| rounds.iter().find(|round| round["load"] == load).unwrap());
    assert_eq!(
        (&ramp["ok"], &ramp["open"]["scheduled"], &ramp["connections_opened"]),
        (&120.into(), &120.into(), &60.into())
    );
    // The kernel reports a connection a little after its end.
    let accepted = ramp["components"][0]["accepted_connections"].as_u64().unwrap();
    assert!((58..=62).contains(&accepted), "{accepted} accepted");
    let driver = &ramp["driver"];
    let parts = driver["cpu_user_us"].as_u64().unwrap() + driver["cpu_system_us"].as_u64().unwrap();
    assert!(parts > 0 && driver["cpu_us"].as_u64().unwrap().abs_diff(parts) <= 1, "{driver}");
    let offered: Vec<_> = ramp["seconds"].as_array().unwrap().iter().map(|second| second["offered"].as_u64()).collect();
    assert_eq!(offered, [Some(40), Some(20)]);
    assert!(ramp["open"]["response_time"]["p99_us"].as_u64().unwrap() > 0, "{ramp}");
    assert!(ramp["open"]["lag"]["histogram"].is_string(), "{ramp}");

    let steps = journey["steps"].as_array().unwrap();
    assert_eq!(journey["failed"], serde_json::json!({}), "{journey}");
    let (look, again) = (steps[0]["ok"].as_u64().unwrap(), steps[1]["ok"].as_u64().unwrap());
    assert!(look > 0 && again.abs_diff(2 * look) <= 4, "{look} and {again}");
}

#[test]
fn missing_program_is_a_row_with_its_error() {
    let project = project(
        r#"
[[load]]
name        = "wrk"
driver      = "wrk"
connections = 1
duration    = "1s"
"#,
    );
    let output = project.lab(&["run", "scenarios/loads.toml"]).env("PATH", "/nowhere").output().unwrap();
    assert_exit(&output, Exit::CouldNotRun);
    assert!(text(&output).contains("unavailable: wrk is not installed"), "{}", text(&output));
    let rounds = first_rounds(&project);
    assert_eq!(rounds.len(), 1);
    assert_eq!(rounds[0]["outcome"], "unavailable");
    assert_eq!(rounds[0]["missing"], "wrk is not installed (Debian: apt-get install wrk)");
}
