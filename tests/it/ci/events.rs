//! `--events`: a line for each event, while the run goes on.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use lab::exit::Exit;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Project, assert_exit, assert_valid, short, text};

/// The lines of a file, each of which must be valid by the committed schema.
fn events(project: &Project, file: &str) -> Vec<Value> {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/event.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let text = fs::read_to_string(project.path(file)).unwrap();
    assert!(text.ends_with('\n'), "{text}");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        assert_valid(&schema, event);
    }
    events
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn run_is_written_event_by_event() {
    let project = Project::new(short);
    let output = project.run(&["run", "scenarios/default.toml", "--events", "events.jsonl"]);
    assert_exit(&output, Exit::Ok);
    let events = events(&project, "events.jsonl");
    let names = names(&events);
    assert_eq!((names[0], *names.last().unwrap()), ("run-started", "run-ended"));
    let run = events[0]["run"].as_str().unwrap();
    assert!(project.path(&format!("reports/default/{run}/record.json")).exists());
    let count = |name: &str| names.iter().filter(|known| **known == name).count();
    assert_eq!(count("check-ended"), 47);
    assert_eq!((count("stack-starting"), count("rounds-planned")), (2, 1));
    assert!(count("round-ended") >= 2 && count("round-started") == count("round-ended"));
    let round = events.iter().find(|event| event["event"] == "round-ended").unwrap();
    assert!(round["throughput_per_s"].as_f64().unwrap() > 100.0 && round["failed"] == 0, "{round}");
    let times: Vec<&str> = events.iter().map(|event| event["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
    let last = events.last().unwrap();
    assert_eq!((&last["exit"], last["record"].as_str().unwrap().ends_with("record.json")), (&Value::from(0), true));
}

/// A reader of a pipe sees each event at once.
#[test]
fn events_can_be_followed_through_a_pipe() {
    let project = Project::new(short);
    let mut command = project.lab(&["run", "scenarios/default.toml", "--events", "/dev/stdout", "--quiet"]);
    let mut lab = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(lab.stdout.take().unwrap()).lines().map(Result::unwrap);
    let is = |name: &str| format!("\"event\":\"{name}\"");
    assert!(lines.any(|line| line.contains(&is("round-started"))), "while a round is under way");
    kill_process(Pid::from_child(&lab), Signal::TERM).unwrap();
    let rest: Vec<String> = lines.collect();
    let output = lab.wait_with_output().unwrap();
    assert_exit(&output, Exit::Interrupted);
    assert!(rest.last().unwrap().contains(&is("run-interrupted")), "{rest:?}");
}

#[test]
fn failures_are_events() {
    let project = Project::new(|scenario| {
        format!("{}\n[[check]]\nname = \"never\"\nrequest = {{ path = \"/\" }}\nexpect.status = 418\n", short(scenario))
    });
    let arguments = ["check", "scenarios/default.toml", "--events", "events.jsonl", "--quiet"];
    assert_exit(&project.run(&arguments), Exit::Failed);
    let events = events(&project, "events.jsonl");
    let failed: Vec<&Value> = events.iter().filter(|event| event["passed"] == false).collect();
    assert_eq!(failed.len(), 2, "on both stacks");
    assert_eq!(failed[0]["findings"][0]["expected"], "418", "{}", failed[0]);
    let last = events.last().unwrap();
    assert_eq!(last["exit"], 4);
    assert!(last["outcome"].as_str().unwrap().contains("2 of 49 checks failed"), "{last}");
}

#[test]
fn file_that_cannot_be_written_stops_nothing_halfway() {
    let project = Project::new(short);
    let refused = project.run(&["check", "scenarios/default.toml", "--events", "nowhere/events.jsonl"]);
    assert_exit(&refused, Exit::CouldNotRun);
    assert!(text(&refused).contains("write nowhere/events.jsonl"), "{}", text(&refused));
    assert!(!project.path("reports").exists(), "it is known before anything is started");

    let full = project.run(&["check", "scenarios/default.toml", "--events", "/dev/full"]);
    assert_exit(&full, Exit::CouldNotRun);
    assert!(text(&full).contains("27 of 27 checks passed"), "{}", text(&full));
    assert!(text(&full).contains("write /dev/full: No space left on device"), "{}", text(&full));
}
