//! Agents as processes of their own, on addresses of loopback: the same messages as between nodes, over mutual TLS.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lab::hosts::coordination::{DriverTask, SharedDrive};
use lab::hosts::coordinator::{AgentAddress, Coordinator, CoordinatorError};
use lab::hosts::coordinator_process::{ConnectedRequest, CoordinatorReport, CoordinatorRequest};
use lab::hosts::keys::{self, RunKeys};
use lab_load::wire::{Arrival, ArrivalProcess, DrivePlan, Mode, OpenPlan, Schedule};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::drive::driver::{number, open, plan};
use crate::drive::servers::{PONG, runtime, send, serve};
use crate::support::wait_until;

const SECOND: Duration = Duration::from_secs(1);

/// The keys of a run, in folders.
struct Keys(TempDir);

impl Keys {
    fn generate() -> Keys {
        let folder = tempfile::tempdir().unwrap();
        let RunKeys { agent, coordinator } = RunKeys::generate().unwrap();
        for (name, keys) in [("agent", agent), ("coordinator", coordinator)] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            keys.write_to(&folder.path().join(name)).unwrap();
        }
        Keys(folder)
    }

    fn folder(&self, role: &str) -> PathBuf {
        self.0.path().join(role)
    }

    fn coordinator(&self) -> Arc<lab_net::tls::ClientConfig> {
        keys::coordinator_config(&self.folder("coordinator")).unwrap()
    }
}

/// An agent's process, which ends with the test.
struct AgentProcess {
    child: Child,
    address: AgentAddress,
    folder: TempDir,
}

impl AgentProcess {
    fn start(node: &str, keys: &Path, timeout_s: u32) -> AgentProcess {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lab"))
            .args(["agent", "--listen", "127.0.0.1:0", "--node", node, "--coordinator-timeout", &timeout_s.to_string()])
            .arg("--keys")
            .arg(keys)
            .arg("--folder")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("agent.log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        AgentProcess { child, address: AgentAddress { node: node.to_owned(), address }, folder }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("agent.log")).unwrap()
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Whether a process has a file of this agent's drivers open, as each of them and its guard do.
    fn has_drivers(&self) -> bool {
        let folder = self.folder.path().join("driver-");
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let mut files = processes.filter(|entry| entry.file_name() != self.child.id().to_string().as_str());
        files.any(|process| {
            let open = std::fs::read_dir(process.path().join("fd"));
            let open = open.into_iter().flatten().filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
            open.map(|file| file.display().to_string()).any(|file| file.starts_with(&*folder.to_string_lossy()))
        })
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agents(keys: &Keys, number: usize) -> Vec<AgentProcess> {
    (0..number).map(|node| AgentProcess::start(&format!("node-{node}"), &keys.folder("agent"), 30)).collect()
}

fn connect(runtime: &Runtime, keys: &Keys, agents: &[AgentProcess]) -> Result<Coordinator, CoordinatorError> {
    let addresses = agents.iter().map(|agent| agent.address.clone()).collect();
    runtime.block_on(Coordinator::connect("run".to_owned(), addresses, keys.coordinator()))
}

/// One driver of the plan on each agent.
fn tasks(whole: &DrivePlan, agents: usize) -> Vec<DriverTask> {
    let plans = whole.divided(number(u32::try_from(agents).unwrap())).unwrap();
    plans.into_iter().enumerate().map(|(agent, plan)| DriverTask { agent, cores: Vec::new(), plan }).collect()
}

/// 300 Poisson arrivals per second for two seconds, after one of warm-up.
fn poisson(address: SocketAddr) -> (DrivePlan, u64, Vec<u64>) {
    let open = open(300, 3 * SECOND, Arrival::Pooled { connections: number(4) });
    let schedule = Schedule { arrivals: ArrivalProcess::Poisson { seed: 5 }, ..open.schedule.clone() };
    let (all, offered) = (schedule.instants().count() as u64, schedule.per_second(SECOND, 3 * SECOND));
    let mode = Mode::Open(OpenPlan { schedule, ..open });
    (DrivePlan { warmup: SECOND, window: 2 * SECOND, ..plan(address, mode) }, all, offered)
}

fn chain(error: &CoordinatorError) -> String {
    lab::engine::error::error_chain(error)
}

#[test]
fn drivers_of_two_agents_are_one() {
    let (keys, runtime) = (Keys::generate(), runtime());
    let agents = agents(&keys, 2);
    let (address, counts) = serve(&runtime, |_, _| send(PONG));
    let (whole, all, offered) = poisson(address);
    let mut coordinator = connect(&runtime, &keys, &agents).unwrap();
    // Twice over the same connections, as the rounds of a run are.
    for round in 1..=2 {
        let shared = runtime.block_on(coordinator.drive(tasks(&whole, 2), Vec::new())).unwrap();
        let SharedDrive { outcome, drivers, clocks, uncertainty, .. } = shared;
        let ledger = &outcome.ledger;
        assert!(ledger.adds_up());
        assert_eq!(ledger.seconds.iter().filter_map(|row| row.offered).collect::<Vec<_>>(), offered);
        assert_eq!((ledger.ok, counts.served()), (offered.iter().sum(), round * all));
        let rates: f64 = drivers.iter().filter_map(|rates| rates.offered_per_s).sum();
        assert!((rates - ledger.ok as f64 / 2.0).abs() < 1e-6, "{drivers:?}");
        // Both agents have the clock of this machine.
        for clock in &clocks {
            assert!(clock.drift.ppm.abs() <= clock.drift.bound_ppm, "{clock:?}");
            assert!(clock.bound < SECOND / 100, "{clock:?}");
        }
        assert!(uncertainty < SECOND / 50, "{uncertainty:?}");
    }
}

#[test]
fn paths_between_agents_are_measured_between_drives() {
    let (keys, runtime) = (Keys::generate(), runtime());
    let mut agents = agents(&keys, 2);
    let (address, _) = serve(&runtime, |_, _| send(PONG));
    let (whole, ..) = poisson(address);
    let mut coordinator = connect(&runtime, &keys, &agents).unwrap();
    for (from, to) in [(0, 1), (1, 0)] {
        let path = runtime.block_on(coordinator.measure_path(from, to)).unwrap();
        assert!(path.shortest_trip <= path.median_trip && path.median_trip < SECOND / 20, "{path:?}");
        assert!(path.bytes_per_s > 1e6 && path.loss == 0.0, "{path:?}");
    }
    let shared = runtime.block_on(coordinator.drive(tasks(&whole, 2), Vec::new())).unwrap();
    assert!(shared.outcome.ledger.adds_up());

    agents[1].child.kill().unwrap();
    let error = runtime.block_on(coordinator.measure_path(0, 1)).unwrap_err();
    let expected = "the path from node-0 to node-1 cannot be measured: the connection to an agent was lost";
    assert!(chain(&error).starts_with(expected), "{}", chain(&error));
}

#[test]
fn coordinator_process_ends_with_its_input() {
    let (keys, runtime) = (Keys::generate(), runtime());
    let agents = agents(&keys, 2);
    let (address, counts) = serve(&runtime, |_, _| send(PONG));
    let (whole, ..) = poisson(address);
    let mut child = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["coordinate", "--keys"])
        .arg(keys.folder("coordinator"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut request = |request: &CoordinatorRequest| {
        writeln!(input, "{}", serde_json::to_string(request).unwrap()).unwrap();
    };
    let mut report = || serde_json::from_str(&output.next().expect("a report").unwrap()).unwrap();
    let addresses = agents.iter().map(|agent| agent.address.clone()).collect();
    request(&CoordinatorRequest::Connect { run: "run".to_owned(), agents: addresses });
    assert!(matches!(report(), CoordinatorReport::Connected));
    request(&CoordinatorRequest::Connected(ConnectedRequest::Drive { tasks: tasks(&whole, 2), watched: Vec::new() }));
    let CoordinatorReport::Driven { shared } = report() else { panic!("no outcome") };
    assert!(shared.outcome.ledger.adds_up() && shared.drivers.len() == 2);
    // A drive is under way when lab ends.
    let served = counts.served();
    request(&CoordinatorRequest::Connected(ConnectedRequest::Drive { tasks: tasks(&whole, 2), watched: Vec::new() }));
    wait_until("requests arrive", || counts.served() > served + 50);
    drop(input);
    assert!(child.wait().unwrap().success());
    for agent in &agents {
        wait_until("its drivers have ended", || !agent.has_drivers());
    }
}

#[test]
fn goose_drives_alone_on_an_agent() {
    let (keys, runtime) = (Keys::generate(), runtime());
    let agents = agents(&keys, 1);
    let (address, _) = serve(&runtime, |_, _| send(PONG));
    let goose = plan(address, Mode::Goose { users: number(2), steps: Vec::new() });
    let mut coordinator = connect(&runtime, &keys, &agents).unwrap();
    let shared = runtime.block_on(coordinator.drive(tasks(&goose, 1), Vec::new())).unwrap();
    assert!(shared.outcome.ledger.ok > 0);
    assert_eq!((shared.drivers.len(), shared.outcome.ledger.failures()), (1, 0));
}

#[test]
fn strangers_are_refused() {
    let (keys, others, runtime) = (Keys::generate(), Keys::generate(), runtime());
    let agents = agents(&keys, 1);
    let refused = |config: Arc<lab_net::tls::ClientConfig>| {
        let addresses = vec![agents[0].address.clone()];
        let connected = runtime.block_on(Coordinator::connect("run".to_owned(), addresses, config));
        chain(&connected.expect_err("a stranger"))
    };
    let other_run = refused(others.coordinator());
    assert!(other_run.starts_with("cannot reach the agent on node-0"), "{other_run}");
    // The run's own authority, but not a coordinator's certificate.
    let mixed = tempfile::tempdir().unwrap();
    for (role, file) in [("coordinator", keys::AUTHORITY), ("agent", keys::CERTIFICATE), ("agent", keys::KEY)] {
        std::fs::copy(keys.folder(role).join(file), mixed.path().join(file)).unwrap();
    }
    let agent_as_client = refused(keys::coordinator_config(mixed.path()).unwrap());
    assert!(agent_as_client.starts_with("cannot reach the agent on node-0"), "{agent_as_client}");
    wait_until("the refusals are logged", || agents[0].log().matches("refused 127.0.0.1").count() == 2);
    connect(&runtime, &keys, &agents).unwrap();
}

#[test]
fn killed_agent_voids_the_drive_and_leaves_nothing() {
    let (keys, runtime) = (Keys::generate(), runtime());
    let mut agents = agents(&keys, 2);
    let (address, counts) = serve(&runtime, |_, _| send(PONG));
    let (whole, ..) = poisson(address);
    let mut coordinator = connect(&runtime, &keys, &agents).unwrap();
    let drive = runtime.spawn(async move {
        let result = coordinator.drive(tasks(&whole, 2), Vec::new()).await;
        (coordinator, result)
    });
    wait_until("requests arrive", || counts.served() > 50);
    assert!(agents[0].has_drivers() && agents[1].has_drivers());
    agents[1].child.kill().unwrap();
    let (mut coordinator, result) = runtime.block_on(drive).unwrap();
    let error = chain(&result.unwrap_err());
    assert!(error.starts_with("the connection to the agent on node-1 was lost"), "{error}");
    for agent in &agents {
        wait_until("its drivers have ended", || !agent.has_drivers());
    }
    // The agent that is left serves the next drive, and the lost one is named.
    let (whole, ..) = poisson(address);
    let error = runtime.block_on(coordinator.drive(tasks(&whole, 2), Vec::new())).unwrap_err();
    assert!(chain(&error).starts_with("cannot reach the agent on node-1"), "{}", chain(&error));
    let mut alone = connect(&runtime, &keys, &agents[..1]).unwrap();
    runtime.block_on(alone.drive(tasks(&whole, 1), Vec::new())).unwrap();
}

#[test]
fn failed_driver_is_named_with_its_log() {
    let (keys, runtime) = (Keys::generate(), runtime());
    let agents = agents(&keys, 2);
    let (address, _) = serve(&runtime, |_, _| send(PONG));
    let (whole, ..) = poisson(address);
    let mut bad = tasks(&whole, 2);
    bad[1].plan.url = "ftp://127.0.0.1/".to_owned();
    let mut coordinator = connect(&runtime, &keys, &agents).unwrap();
    let error = chain(&runtime.block_on(coordinator.drive(bad, Vec::new())).unwrap_err());
    assert!(error.starts_with("driver 1 on node-1 failed: the driver ended without reporting `prepared`"), "{error}");
    assert!(error.contains("\n  | "), "{error}");
}

#[test]
fn only_an_agent_without_coordinator_removes_itself() {
    let (keys, runtime) = (Keys::generate(), runtime());
    let start = || AgentProcess::start("node-0", &keys.folder("agent"), 4);
    let mut led = start();
    let coordinator = connect(&runtime, &keys, std::slice::from_ref(&led)).unwrap();
    let mut unled = start();
    wait_until("the agent without coordinator has ended", || unled.has_ended());
    assert!(unled.log().contains("no message of a coordinator for 4 s"), "{}", unled.log());
    assert!(!led.has_ended(), "an idle coordinator is one too: {}", led.log());
    drop(coordinator);
    wait_until("the agent that lost its coordinator has ended", || led.has_ended());
}

#[test]
fn node_of_another_name_is_refused() {
    let (keys, runtime) = (Keys::generate(), runtime());
    let mut agents = agents(&keys, 1);
    agents[0].address.node = "node-7".to_owned();
    let error = chain(&connect(&runtime, &keys, &agents).unwrap_err());
    assert!(error.ends_with("is on node-0, but the engine has it on node-7"), "{error}");
}
