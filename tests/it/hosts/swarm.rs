//! Stacks and drivers on three engines in swarm mode.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use lab::exit::Exit;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::engines::{REGISTRY, Swarm};
use crate::support::{Project, assert_exit, requires, text, wait_until_within};

/// The time in which nodes must come to rest after a run.
const LIMIT: Duration = Duration::from_secs(120);

const SCENARIO: &str = r#"
schema  = 1
name    = "hosts"
backend = "swarm"
app     = { native = "hello" }

[placement]
proxy    = { role = "stack" }
server   = { role = "stack" }
load     = { role = "load" }
spread   = 2
registry = "REGISTRY"

[[stack]]
name   = "proxied"
proxy  = { kind = "lab", config = "fixtures/nginx/corrected.conf" }
server = { kind = "lab", workers = 1 }

[[check]]
name    = "a chunked response arrives whole"
request = { path = "/stream/3" }
expect.status  = 200
expect.headers = { Content-Length = { absent = true } }

[[check]]
name    = "the app sees the client"
request = { path = "/headers", headers = [["X-Forwarded-For", "203.0.113.9"]] }
expect.upstream.headers = { X-Forwarded-For = "203.0.113.9, {client}" }
expect.app.remote_addr  = "{client}"

[[load]]
name        = "busy"
driver      = "closed"
path        = "/pong"
connections = 4
duration    = "2s"

[rounds]
count  = 1
warmup = "1s"
"#;

/// A Flask application, which imports a native module of the standard library.
const SITE: &str = r#"
import ssl
from flask import Flask

app = Flask(__name__)

@app.get("/")
def index():
    return ssl.OPENSSL_VERSION.partition(" ")[0]
"#;

/// Its server is not on the manager, where the images are made.
const PYTHON_SCENARIO: &str = r#"
schema  = 1
name    = "hosts"
backend = "swarm"

[app]
wsgi         = "site_of_test:app"
path         = "app"
requirements = "requirements.txt"

[placement]
proxy    = { node = "node-1" }
server   = { node = "node-3" }
load     = { node = "node-2" }
registry = "REGISTRY"

[[stack]]
name   = "gunicorn"
proxy  = { kind = "lab", config = "fixtures/nginx/corrected.conf" }
server = { kind = "gunicorn/gthread", workers = 2 }

[[check]]
name    = "Flask responds"
request = { path = "/" }
expect.status = 200
expect.body   = "OpenSSL"

[[load]]
name        = "closed"
driver      = "closed"
path        = "/"
connections = 4
duration    = "1s"

[rounds]
count  = 1
warmup = "0s"
"#;

/// Three nodes, labelled for the scenario.
fn labelled_swarm() -> Swarm {
    let swarm = Swarm::start(3);
    for (node, role) in [("node-1", "stack"), ("node-2", "load"), ("node-3", "load")] {
        swarm.docker(1, &["node", "update", "--label-add", &format!("role={role}"), node]);
    }
    swarm
}

fn project(swarm: &Swarm, scenario: &str) -> Project {
    let scenario = scenario.replace("REGISTRY", REGISTRY);
    Project::new(str::to_owned).with_scenario("hosts", &scenario).with_variable("DOCKER_HOST", swarm.host(1))
}

fn record(project: &Project) -> Value {
    let record = fs::read_to_string(project.path("reports/hosts/latest/record.json")).unwrap();
    serde_json::from_str(&record).unwrap()
}

#[test]
fn stacks_are_measured_over_three_nodes() {
    requires!(Swarm);
    let mut swarm = labelled_swarm();
    let project = project(&swarm, SCENARIO);

    let explained = project.expect(Exit::Ok, &["explain", "scenarios/hosts.toml"]);
    assert!(explained.contains("load     node-2") && explained.contains("load     node-3"), "{explained}");
    assert!(explained.contains("proxy    node-1") && explained.contains("server   node-1"), "{explained}");

    let output = project.run(&["run", "scenarios/hosts.toml"]);
    assert!(output.status.success(), "{}\n{}", text(&output), String::from_utf8_lossy(&output.stderr));
    let record = record(&project);
    let rounds = record["rounds"].as_array().unwrap();
    let measured = rounds.iter().find(|round| round["throughput_per_s"].is_number()).expect("a measured round");
    assert_eq!(measured["failed"], serde_json::json!({}), "{measured}");
    let drivers = measured["shared"]["drivers"].as_array().unwrap();
    let nodes: Vec<&str> = drivers.iter().map(|driver| driver["node"].as_str().unwrap()).collect();
    assert_eq!(nodes, ["node-2", "node-3"]);
    // The ledger of the whole is the sum of the shares.
    let answered: f64 = drivers.iter().map(|driver| driver["answered_per_s"].as_f64().unwrap()).sum();
    let whole = measured["answered"].as_f64().unwrap() / 2.0;
    assert!((answered - whole).abs() < 1e-6, "{answered} of {whole}");
    let paths = record["provenance"]["paths"].as_array().unwrap();
    let between: Vec<_> =
        paths.iter().map(|path| [&path["from"], &path["to"]].map(|node| node.as_str().unwrap())).collect();
    assert_eq!(between, [["node-2", "node-1"], ["node-3", "node-1"]]);
    for path in paths {
        let figure = |name: &str| path[name].as_f64().unwrap();
        assert!(figure("shortest_trip_us") > 0.0 && figure("shortest_trip_us") <= figure("median_trip_us"), "{path}");
        assert!(figure("bytes_per_s") > 1e6 && figure("loss") < 0.1, "{path}");
    }
    assert!(text(&output).contains("node-2 to node-1: round trip "), "{}", text(&output));
    for component in measured["components"].as_array().unwrap() {
        assert!(component["cpu_us"].as_u64().unwrap() > 0, "{component}");
    }
    wait_until_within(LIMIT, "nothing of the run is left", || swarm.left().is_empty());

    finds_the_facts_of_one_machine(&swarm);
    runs_applications_in_python(&swarm);
    says_that_a_disk_is_full(&swarm);
    refuses_what_cannot_be_placed(&swarm);
    voids_rounds_behind_a_partition(&swarm);
    voids_rounds_of_a_lost_agent(&swarm);
    removes_everything_after_a_kill(&swarm);
    ends_without_a_node_that_leaves(&swarm);
    ends_with_a_restarted_manager(&mut swarm);
}

fn python_project(swarm: &Swarm) -> Project {
    let project = project(swarm, PYTHON_SCENARIO)
        .with_file("app/site_of_test.py", SITE)
        .with_file("requirements.txt", "flask==3.1.2\n")
        .with_shared_cache();
    project.expect(Exit::Ok, &["provision", "scenarios/hosts.toml"]);
    project
}

fn runs_applications_in_python(swarm: &Swarm) {
    requires!(Python);
    let project = python_project(swarm);
    let built = ["image", "ls", "--quiet", "--filter", "label=dev.lab.built=python-environment"];
    let images = || {
        let mut images: Vec<String> = swarm.docker(1, &built).lines().map(str::to_owned).collect();
        images.sort();
        images
    };
    project.expect(Exit::Ok, &["run", "scenarios/hosts.toml"]);
    let record = record(&project);
    let versions = record["stacks"][0]["components"].to_string();
    assert!(versions.contains("gunicorn/gthread "), "{record:#}");
    let server = &record["rounds"][0]["components"][1];
    assert!(server["cpu_us"].as_u64().unwrap() > 0, "{record:#}");
    let first = images();
    assert_eq!(first.len(), 2, "the interpreter and the environment: {first:?}");
    project.expect(Exit::Ok, &["check", "scenarios/hosts.toml"]);
    assert_eq!(images(), first, "a later run finds them");
    wait_until_within(LIMIT, "nothing of the run is left", || swarm.left().is_empty());
}

fn refuses_what_cannot_be_placed(swarm: &Swarm) {
    let scenario = SCENARIO.replace("load     = { role = \"load\" }", "load     = { role = \"driver\" }");
    let project = project(swarm, &scenario);
    for command in ["explain", "run"] {
        let output = project.run(&[command, "scenarios/hosts.toml"]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(Exit::CouldNotRun as i32), "{message}");
        assert!(message.contains("no node matches `load`, a node with role=driver; the nodes are node-1"), "{message}");
    }
    assert_eq!(swarm.left(), Vec::<String>::new(), "nothing was started");
}

/// Starts a run, and waits until node 2 has a driver. Returns the run and the container of that node's agent.
fn run_with_drivers(project: &Project, swarm: &Swarm) -> (Child, String) {
    let mut lab = project.lab(&["run", "scenarios/hosts.toml"]);
    let mut lab = lab.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let agent = wait_until_within(LIMIT, "a driver, or the end of the run", || {
        swarm.agent_with_driver(2).map(Some).or_else(|| lab.try_wait().unwrap().map(|_| None))
    });
    let Some(agent) = agent else {
        let output = lab.wait_with_output().unwrap();
        panic!("the run has ended: {}", String::from_utf8_lossy(&output.stderr));
    };
    (lab, agent)
}

/// A run that a fault ends: the errors of its rounds, and the standard error.
fn failed_rounds(project: &Project, lab: Child) -> (Vec<String>, String) {
    let output = lab.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(Exit::CouldNotRun as i32), "{message}");
    let record = record(project);
    let rounds = record["rounds"].as_array().unwrap().iter();
    (rounds.filter_map(|round| round["error"].as_str()).map(str::to_owned).collect(), message)
}

/// The scenario with a window in which a fault can happen.
fn long_scenario() -> String {
    SCENARIO.replace("duration    = \"2s\"", "duration    = \"20s\"")
}

fn voids_rounds_of_a_lost_agent(swarm: &Swarm) {
    let project = project(swarm, &long_scenario());
    let (lab, agent) = run_with_drivers(&project, swarm);
    swarm.docker(2, &["kill", &agent]);
    let (errors, _) = failed_rounds(&project, lab);
    assert!(errors[0].starts_with("the connection to the agent on node-2 was lost"), "{errors:?}");
    assert!(errors[1].starts_with("cannot reach the agent on node-2"), "{errors:?}");
    wait_until_within(LIMIT, "nothing of the run is left", || swarm.left().is_empty());
}

/// Between the driver and its stack only: the manager reaches both.
fn voids_rounds_behind_a_partition(swarm: &Swarm) {
    let scenario = long_scenario()
        .replace("spread   = 2\n", "")
        .replace("{ role = \"stack\" }", "{ node = \"node-3\" }")
        .replace("{ role = \"load\" }", "{ node = \"node-2\" }");
    let project = project(swarm, &scenario);
    let (lab, _) = run_with_drivers(&project, swarm);
    swarm.partition([2, 3], true);
    let output = lab.wait_with_output().unwrap();
    swarm.partition([2, 3], false);
    assert_exit(&output, Exit::Failed);
    assert!(text(&output).contains("100 % of the responses are errors"), "{}", text(&output));
    let record = record(&project);
    let round = &record["rounds"][0];
    assert!(round["ok"] == 0 && round["failed"]["timeout-connect"].as_u64() > Some(0), "{round:#}");
    wait_until_within(LIMIT, "nothing of the run is left", || swarm.left().is_empty());
}

/// The image of the application's files is new to the node.
fn says_that_a_disk_is_full(swarm: &Swarm) {
    requires!(Python);
    let project = python_project(swarm);
    swarm.fill_disk(3, true);
    let output = project.run(&["check", "scenarios/hosts.toml"]);
    swarm.fill_disk(3, false);
    assert_exit(&output, Exit::CouldNotRun);
    let message = "the server on node-3 has ended: rejected: No such image";
    assert!(text(&output).contains(message) && text(&output).contains("its disk is full"), "{}", text(&output));
    wait_until_within(LIMIT, "nothing of the run is left", || swarm.left().is_empty());
}

fn finds_the_facts_of_one_machine(swarm: &Swarm) {
    let local = "[[stack]]\nname = \"local\"\nbackend = \"process\"\nreference = true\n\
                 proxy = { kind = \"lab\", config = \"fixtures/nginx/corrected.conf\" }\nserver = { kind = \"lab\", workers = 1 }\n";
    let project = project(swarm, &format!("{SCENARIO}\n{local}"));
    project.expect(Exit::Ok, &["check", "scenarios/hosts.toml"]);
    let record = record(&project);
    let compared = record["differences"].as_array().unwrap();
    assert_eq!(compared.len(), 1, "{record:#}");
    assert_eq!(compared[0]["differences"], serde_json::json!([]), "{compared:#?}");
}

fn removes_everything_after_a_kill(swarm: &Swarm) {
    let project = project(swarm, SCENARIO);
    let mut lab = project.lab(&["run", "scenarios/hosts.toml"]).spawn().unwrap();
    wait_until_within(LIMIT, "the server's service", || {
        swarm.docker(1, &["service", "ls", "--format", "{{.Name}} {{.Replicas}}"]).contains("-server 1/1")
    });
    kill_process(Pid::from_raw(lab.id().cast_signed()).unwrap(), Signal::KILL).unwrap();
    lab.wait().unwrap();
    wait_until_within(LIMIT, "nothing of the run is left", || swarm.left().is_empty());
}

/// The containers of the manager stop with its engine: the coordinator, and here the stack. This comes last, because the engine
/// may take a minute to find the other nodes' networks again; node 3 has left.
fn ends_with_a_restarted_manager(swarm: &mut Swarm) {
    let project = project(swarm, &long_scenario().replace("spread   = 2", "spread   = 1"));
    let (lab, _) = run_with_drivers(&project, swarm);
    swarm.restart_engine(1);
    let (errors, message) = failed_rounds(&project, lab);
    // Which of them is noticed first depends on the engine, which takes seconds to stop.
    let names_cause = |error: &String| error.contains("coordinator") || error.contains("the Docker daemon");
    assert!(!errors.is_empty() && errors.iter().all(names_cause), "{errors:?}\n{message}");
    wait_until_within(LIMIT, "nothing of the run is left", || swarm.left().is_empty());
}

fn ends_without_a_node_that_leaves(swarm: &Swarm) {
    let project = project(swarm, &long_scenario());
    let (lab, _) = run_with_drivers(&project, swarm);
    swarm.docker(3, &["swarm", "leave", "--force"]);
    let (errors, message) = failed_rounds(&project, lab);
    assert!(errors[0].starts_with("the connection to the agent on node-3 was lost"), "{errors:?}\n{message}");
    // The manager notices only after some seconds that a node is gone.
    assert_eq!(errors.last().map(String::as_str), Some("the node node-3 is down"), "{errors:?}\n{message}");
    wait_until_within(LIMIT, "nothing of the run is left", || swarm.left().is_empty());
}
