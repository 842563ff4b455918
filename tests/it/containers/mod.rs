//! Stacks in containers, on a real engine.

mod engine;
mod images;
mod killed;
mod names;
mod podman;
mod python;
mod runs;
mod surroundings;
mod versions;

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Condition, Project, text, wait_until_within};

/// The time in which the engine must come to rest after a run.
const LIMIT: Duration = Duration::from_secs(60);

/// The docker command, which must be there where an engine is.
fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().unwrap()
}

/// The containers, networks and images in the engine that belong to the lab process `pid`.
fn left_by(pid: u32) -> Vec<String> {
    let mut left = Vec::new();
    for (kind, list) in [
        ("container", &["ps", "-a", "--no-trunc"][..]),
        ("network", &["network", "ls", "--no-trunc"]),
        ("image", &["images", "-a", "--no-trunc"]),
    ] {
        let filter = ["--quiet", "--filter", "label=dev.lab.run"];
        let ids = text(&docker(&[list, &filter].concat()));
        for id in ids.split_whitespace() {
            let format = match kind {
                "network" => "{{index .Labels \"dev.lab.owner\"}}",
                _ => "{{index .Config.Labels \"dev.lab.owner\"}}",
            };
            // One that has been removed meanwhile has no owner any more.
            let owner = text(&docker(&["inspect", "--type", kind, "--format", format, id]));
            if owner.split('/').nth(2) == Some(&pid.to_string()) {
                left.push(format!("{kind} {id}"));
            }
        }
    }
    left
}

/// [`wait_until_within`] a minute, because engines take longer than processes.
fn wait_for_engine<C: Condition>(what: &str, condition: impl FnMut() -> C) -> C::Value {
    wait_until_within(LIMIT, what, condition)
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn nothing_is_left_by(pid: u32) {
    wait_for_engine("everything of the run is removed", || left_by(pid).is_empty());
}

/// The running containers of the lab process `pid`, by component.
fn running(pid: u32) -> BTreeMap<String, String> {
    let format = "{{.ID}} {{.Label \"dev.lab.owner\"}} {{.Label \"dev.lab.component\"}}";
    let list = text(&docker(&["ps", "--no-trunc", "--filter", "label=dev.lab.run", "--format", format]));
    let mut found = BTreeMap::new();
    for line in list.lines() {
        let mut parts = line.split(' ');
        let (Some(id), Some(owner), Some(component)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if owner.split('/').nth(2) == Some(&pid.to_string()) {
            found.insert(component.to_owned(), id.to_owned());
        }
    }
    found
}

/// The one record of the project's runs.
fn record(project: &Project) -> serde_json::Value {
    let file = project.path("reports/default/latest/record.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}
