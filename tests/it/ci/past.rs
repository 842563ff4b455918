//! Each stack against its own past: accepted sessions of this machine.

use std::fs;

use lab::exit::Exit;
use serde_json::{Value, json};

use crate::support::{Project, assert_exit, text};

const SCENARIO: &str = r#"
schema = 1
name   = "alone"

[app]
native = "hello"

[[stack]]
name   = "direct"
server = { kind = "lab" }

[[check]]
name    = "it responds"
request = { path = "/pong" }
expect.status = 200

[[load]]
name = "pong"
path = "/pong"
driver = "closed"
connections = 1
duration = "1s"

[rounds]
count  = 9
warmup = "0s"

[gate]
margins = { cpu_per_request = "5%" }
"#;

const FILE: &str = "reports/history/alone.jsonl";
const RUN: [&str; 3] = ["run", "scenarios/alone.toml", "--gate"];

/// Replaces the history by sessions like `session`, in which the CPU time per request was `times` as much.
fn write_past(project: &Project, session: &Value, times: &[f64]) {
    let lines = times.iter().enumerate().map(|(number, times)| {
        let mut line = session.clone();
        line["run"] = json!(format!("run-{number:02}"));
        line["ended"] = json!(format!("2026-10-{:02}T10:00:00.000Z", number + 1));
        for figure in line["figures"].as_array_mut().unwrap() {
            if figure["metric"] == "cpu_per_request" {
                figure["value"] = json!(figure["value"].as_f64().unwrap() * times);
            }
        }
        line.to_string() + "\n"
    });
    project.write(FILE, &lines.collect::<String>());
}

#[test]
fn past_judges_a_scenario_of_one_stack() {
    let project = Project::new(str::to_owned).with_scenario("alone", SCENARIO);
    let explain = ["explain", "scenarios/alone.toml"];

    let refused = project.expect(Exit::BadScenario, &RUN);
    assert!(refused.contains("nothing can judge these margins: no load measures two stacks"), "{refused}");
    assert!(refused.contains("has 0 of 8 sessions") && refused.contains("^^^"), "{refused}");
    assert!(refused.contains("or make a past: `lab run scenarios/alone.toml` without `--gate`"), "{refused}");
    let explained = project.expect(Exit::Ok, &explain);
    assert!(explained.contains("not yet by each stack's own past: 0 of 8 accepted sessions"), "{explained}");

    // Without the gate, a session of the past is made.
    let first = project.expect(Exit::Ok, &RUN[..2]);
    assert!(
        first.contains(
            "cpu_per_request under pong of direct against its past: incomparable: its past on this machine has 0"
        ),
        "{first}"
    );
    project.expect(Exit::Ok, &["snapshot", "accept", "alone"]);
    let session: Value = serde_json::from_str(&fs::read_to_string(project.path(FILE)).unwrap()).unwrap();
    assert_eq!(session["loads"]["pong"], "closed, 1 connection, /pong", "{session}");

    // Ten sessions that took a quarter of the time of this one.
    let scatter = [0.3, -1.0, 0.1, 0.8, -0.4, -0.7, 1.0, 0.2, 0.0, -0.3];
    write_past(&project, &session, &scatter.map(|percent| 0.25 * (1.0 + percent / 100.0)));
    let explained = project.expect(Exit::Ok, &explain);
    assert!(explained.contains("by each stack's own past: 10 accepted sessions of this machine"), "{explained}");
    let red = project.expect(Exit::Failed, &RUN);
    let line = red.lines().find(|line| line.contains("cpu_per_request under pong of direct against its past: FAIL (+"));
    let line = line.unwrap_or_else(|| panic!("{red}"));
    assert!(line.contains(", 10 sessions around ") && line.contains("measured once more"), "{line}");

    // Sessions that scatter by a third decide nothing, and nothing more would.
    write_past(&project, &session, &scatter.map(|percent| 1.0 + percent / 3.0));
    let undecided = project.expect(Exit::Ok, &RUN);
    assert!(undecided.contains("its accepted sessions scatter by "), "{undecided}");

    fs::write(project.path(FILE), "{\"schema\":1").unwrap();
    for broken in [&RUN[..], &explain[..]] {
        let output = project.run(broken);
        assert!(text(&output).contains("alone.jsonl:1: not a session"), "{}", text(&output));
        assert_exit(&output, if broken == RUN { Exit::CouldNotRun } else { Exit::BadScenario });
    }
}
