//! The same on Podman, whose API differs from Docker's in details.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use lab::exit::Exit;
use rustix::process::Signal;

use super::engine::Engine;
use super::images::{NGINX, project};
use super::{kill, record, wait_for_engine};
use crate::support::{Project, assert_exit, replaced, requires, short, text};

/// lab's containers, networks and images in the engine.
fn left_in(engine: &Engine) -> Vec<String> {
    let lists = [("container", &["ps", "-a"][..]), ("network", &["network", "ls"]), ("image", &["images", "-a"])];
    let left = lists.iter().flat_map(|(kind, list)| {
        let ids = text(&engine.docker_command(&[list, &["--quiet", "--filter", "label=dev.lab.run"][..]].concat()));
        ids.split_whitespace().map(|id| format!("{kind} {id}")).collect::<Vec<_>>()
    });
    left.collect()
}

#[test]
fn podman_runs_the_default_scenario() {
    let Some(engine) = Engine::podman() else { return };
    let project = Project::new(short);
    let arguments = ["run", "scenarios/default.toml", "--backend", "container"];
    let output = project.lab(&arguments).env("DOCKER_HOST", engine.host()).output().unwrap();
    assert_exit(&output, Exit::Ok);
    let record = record(&project);
    for stack in record["stacks"].as_array().unwrap() {
        for component in stack["components"].as_array().unwrap() {
            assert!(component["version"].as_str().unwrap().contains("(container, Podman "), "{component:#}");
        }
    }
    let rounds = record["rounds"].as_array().unwrap();
    assert!(rounds.iter().all(|round| round["outcome"] == "measured"), "{rounds:#?}");
    assert!(rounds.iter().all(|round| round["components"][0]["cpu_us"].as_u64() > Some(0)), "{rounds:#?}");
    assert_eq!(left_in(&engine), [""; 0]);
}

/// Folders in memory belong to the user, root may set the limits, and a component that ends at once has its log shown.
#[test]
fn podman_runs_third_party_images() {
    let Some(engine) = Engine::podman() else { return };
    requires!(Images);
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/images/make");
    let made = Command::new(make).env("DOCKER_HOST", engine.host()).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let stacks = format!(
        "[[stack]]\nname = \"named\"\n{NGINX}\nserver = {{ kind = \"gunicorn\", image = \"lab-test/flask\", workers = 2 }}\n\
         [[stack]]\nname = \"built\"\n{NGINX}\nserver = {{ kind = \"gunicorn/gthread\", build = \"fixtures/images/flask\" }}\n\
         [[stack]]\nname = \"wrong\"\nserver = {{ kind = \"gunicorn\", image = \"lab-test/flask\", arguments = [\"--nonsense\"] }}\n"
    );
    let project = project(&stacks);
    let check = |only: &[&str]| {
        let mut arguments = vec!["check", "scenarios/images.toml"];
        arguments.extend(only.iter().flat_map(|stack| ["--only", stack]));
        project.lab(&arguments).env("DOCKER_HOST", engine.host()).output().unwrap()
    };
    let output = check(&["named", "built"]);
    assert_exit(&output, Exit::Ok);
    let output = check(&["wrong"]);
    assert_exit(&output, Exit::CouldNotRun);
    assert!(text(&output).contains("gunicorn: error: unrecognized arguments: --nonsense"), "{}", text(&output));
    assert_eq!(left_in(&engine), [""; 0]);
}

/// Neither lab nor the engine nor the containers run as root.
#[test]
fn rootless_podman_runs_the_default_scenario() {
    let Some((engine, user)) = Engine::rootless() else { return };
    let project = Project::new(str::to_owned);
    let (folder, lab) = (project.path(""), project.path("lab"));
    // Where lab was built may be closed to others.
    fs::copy(env!("CARGO_BIN_EXE_lab"), &lab).unwrap();
    user.own(&folder);
    let mut command = Command::new(lab);
    command.args(["check", "scenarios/default.toml", "--backend", "container"]);
    user.runs(&mut command, &folder);
    let output = command.env("DOCKER_HOST", engine.host()).env("NO_COLOR", "1").output().unwrap();
    let printed = text(&output);
    assert_exit(&output, Exit::Ok);
    assert!(printed.contains("warning: rootless Podman shows every client at the proxy's own address"), "{printed}");
    let container = fs::metadata(project.path("reports/default/latest/checks/proxied/proxy")).unwrap();
    assert_eq!(container.uid(), fs::metadata(&folder).unwrap().uid(), "what containers write is the user's");
    assert_eq!(left_in(&engine), [""; 0]);
}

#[test]
fn killed_lab_leaves_nothing_in_podman() {
    let Some(engine) = Engine::podman() else { return };
    let project = Project::new(|scenario| replaced(scenario, "duration = \"2s\"", "duration = \"60s\""));
    let mut lab = project
        .lab(&["run", "scenarios/default.toml", "--only", "proxied", "--backend", "container"])
        .env("DOCKER_HOST", engine.host())
        .stdout(Stdio::null())
        .stderr(fs::File::create(project.path("said")).unwrap())
        .spawn()
        .unwrap();
    let is_driver = |line: &str| line.ends_with("lab drive ") && !line.contains(" guard ");
    wait_for_engine("the driver runs", || project.marked().into_iter().find(|(_, line)| is_driver(line)));
    assert!(!left_in(&engine).is_empty());
    kill(lab.id(), Signal::KILL);
    lab.wait().unwrap();
    wait_for_engine("everything of the run is removed", || left_in(&engine).is_empty());
    wait_for_engine("its processes end", || project.marked().is_empty());
}
