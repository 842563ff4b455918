//! Nothing is left in the engine, no matter which process is killed.

use std::fs;
use std::process::{Child, Stdio};

use lab::exit::Exit;
use rustix::process::{Pid, Signal, kill_process};

use super::engine::Engine;
use super::{docker, kill, left_by, nothing_is_left_by, record, running, wait_for_engine};
use crate::support::{Project, assert_exit, replaced, requires, short, text};

fn long() -> Project {
    Project::new(|scenario| replaced(scenario, "duration = \"2s\"", "duration = \"60s\""))
}

/// `lab run` in containers, once its load is being driven.
fn under_load(project: &Project) -> Child {
    let lab = project
        .lab(&["run", "scenarios/default.toml", "--only", "proxied", "--backend", "container"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_driver = |line: &str| line.ends_with("lab drive ") && !line.contains(" guard ");
    wait_for_engine("the driver runs", || project.marked().into_iter().find(|(_, line)| is_driver(line)));
    lab
}

#[test]
fn killed_lab_leaves_nothing_in_docker() {
    requires!(Docker);
    let project = long();
    let mut lab = under_load(&project);
    assert_eq!(running(lab.id()).len(), 2);
    kill(lab.id(), Signal::KILL);
    lab.wait().unwrap();
    nothing_is_left_by(lab.id());
    wait_for_engine("all processes end", || project.marked().is_empty());
}

#[test]
fn interrupted_lab_leaves_nothing_in_docker() {
    requires!(Docker);
    let project = long();
    let mut lab = under_load(&project);
    kill(lab.id(), Signal::INT);
    assert_eq!(lab.wait().unwrap().code(), Some(130));
    assert_eq!(left_by(lab.id()), Vec::<String>::new());
    assert_eq!(project.marked(), []);
}

#[test]
fn next_run_sweeps_leftovers() {
    requires!(Docker);
    let project = long();
    let mut lab = under_load(&project);
    // All at once: the reaper and the keepers cannot do their work any more.
    let all = project.marked();
    for (pid, _) in
        all.iter().filter(|(pid, line)| *pid != lab.id() && !line.contains(" serve") && !line.contains(" proxy"))
    {
        kill(*pid, Signal::STOP);
    }
    kill(lab.id(), Signal::KILL);
    lab.wait().unwrap();
    for (pid, _) in project.marked() {
        let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
    }
    assert!(!left_by(lab.id()).is_empty(), "there is nothing to sweep");
    let seen = project.run(&["clean", "--dry-run"]);
    assert!(text(&seen).contains("would be removed"), "{}", text(&seen));
    let next = Project::new(str::to_owned);
    let output = next.run(&["check", "scenarios/default.toml", "--only", "direct", "--backend", "container"]);
    assert_exit(&output, Exit::Ok);
    assert_eq!(left_by(lab.id()), Vec::<String>::new());
}

#[test]
fn container_killed_under_load_fails_its_round() {
    requires!(Docker);
    let project = Project::new(|scenario| {
        let once = replaced(scenario, "count  = 8 ", "count  = 1 ");
        replaced(&once, "duration = \"2s\"", "duration = \"20s\"")
    });
    let lab = under_load(&project);
    let pid = lab.id();
    let server = running(pid).into_iter().find(|(component, _)| component.ends_with("-server")).unwrap().1;
    assert!(docker(&["kill", &server]).status.success());
    // The round is repeated, which need not be waited for.
    let rounds = wait_for_engine("the round is written", || {
        let folder = fs::read_dir(project.path("reports/default")).ok()?.flatten().next()?.path();
        fs::read_to_string(folder.join("rounds.jsonl")).ok().filter(|text| text.contains('\n'))
    });
    assert!(rounds.contains("the server has ended with exit status: 137"), "{rounds}");
    kill(pid, Signal::INT);
    { lab }.wait().unwrap();
    nothing_is_left_by(pid);
}

#[test]
fn engine_stopped_under_load_is_reported() {
    let Some(mut engine) = Engine::docker() else { return };
    let project = Project::new(|scenario| {
        let once = replaced(scenario, "count  = 8 ", "count  = 1 ");
        replaced(&once, "duration = \"2s\"", "duration = \"30s\"")
    });
    let lab = project
        .lab(&["run", "scenarios/default.toml", "--only", "direct", "--backend", "container"])
        .env("DOCKER_HOST", engine.host())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let is_driver = |line: &str| line.ends_with("lab drive ") && !line.contains(" guard ");
    wait_for_engine("the driver runs", || project.marked().into_iter().find(|(_, line)| is_driver(line)));
    engine.stop();
    let output = lab.wait_with_output().unwrap();
    assert_exit(&output, Exit::CouldNotRun);
    assert!(text(&output).contains("`lab clean` removes them"), "{}", text(&output));
    let record = record(&project);
    let rounds = record["rounds"].as_array().unwrap();
    assert!(!rounds.is_empty() && rounds.iter().all(|round| round["outcome"] == "failed"), "{rounds:#?}");
    assert_eq!(project.marked(), []);

    engine.start();
    let clean = || text(&project.lab(&["clean"]).env("DOCKER_HOST", engine.host()).output().unwrap());
    let first = clean();
    assert!(first.contains("network lab-") && first.contains(": removed"), "{first}");
    let second = clean();
    assert!(second.contains("lab has left nothing in"), "{second}");
}

#[test]
fn clean_only_removes_labelled_objects() {
    requires!(Docker);
    let name = format!("not-labs-{}", std::process::id());
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.tar");
    fs::write(&empty, [0; 1024]).unwrap();
    let label = "LABEL dev.other.run=x";
    for made in [
        &["network", "create", "--label", "dev.other.run=x", &name][..],
        &["import", "--change", label, &empty.display().to_string(), &name],
        &["create", "--label", "dev.other.run=x", "--name", &name, &name, "/nothing"],
    ] {
        let output = docker(made);
        assert!(output.status.success(), "{}", text(&output));
    }
    let project = Project::new(short);
    let cleaned = project.run(&["clean"]);
    let are_there = ["network", "image", "container"].map(|kind| docker(&[kind, "inspect", &name]).status.success());
    docker(&["rm", &name]);
    docker(&["rmi", &name]);
    docker(&["network", "rm", &name]);
    assert!(are_there == [true; 3] && cleaned.status.success(), "{are_there:?}: {}", text(&cleaned));
}
