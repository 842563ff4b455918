//! Engines in swarm mode, each in a network namespace of its own, joined by a bridge.
//!
//! The bridge is in a namespace too: in that of the machine, `br_netfilter` would pass its frames to the machine's firewall,
//! whose policy for forwarding Docker sets to DROP. The engines have host names of their own, which a swarm shows. Each runs
//! below one of lab's guards, so none outlives a test that is killed; its namespaces are removed by the next test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{text, wait_until_within};

const DOCKERD: &str = "/usr/sbin/dockerd";
/// The addresses of the engines: `10.213.0.1` and so on.
const NETWORK: &str = "10.213.0";
/// The registry, in the namespace of the bridge.
pub(super) const REGISTRY: &str = "10.213.0.254:5000";
/// What the names of namespaces begin with; the process id of their test follows.
const PREFIX: &str = "labtest";
/// How long an engine may take to start.
const LIMIT: Duration = Duration::from_secs(60);

/// A swarm whose first engine is its manager. It is removed with this value.
pub(super) struct Swarm {
    folder: TempDir,
    engines: Vec<Child>,
    registry: Option<Child>,
}

impl Swarm {
    /// Nodes `node-1` and so on, the first of which is the manager.
    pub(super) fn start(engines: usize) -> Swarm {
        remove_namespaces_of_ended_tests();
        let mut swarm = Swarm { folder: tempfile::tempdir().unwrap(), engines: Vec::new(), registry: None };
        let switch = namespace("sw");
        run("ip", &["netns", "add", &switch]);
        run("ip", &["-n", &switch, "link", "add", "bridge0", "type", "bridge"]);
        run("ip", &["-n", &switch, "addr", "add", &format!("{NETWORK}.254/24"), "dev", "bridge0"]);
        run("ip", &["-n", &switch, "link", "set", "bridge0", "up"]);
        run("ip", &["-n", &switch, "link", "set", "lo", "up"]);
        swarm.start_registry();
        for number in 1..=engines {
            swarm.add_engine(number);
        }
        let address = format!("{NETWORK}.1");
        let listen = format!("{address}:2377");
        swarm.docker(1, &["swarm", "init", "--advertise-addr", &address, "--listen-addr", &listen]);
        let token = swarm.docker(1, &["swarm", "join-token", "-q", "worker"]);
        for number in 2..=engines {
            let own = format!("{NETWORK}.{number}");
            let listen_own = format!("{own}:2377");
            let join =
                ["swarm", "join", "--token", token.trim(), "--advertise-addr", &own, "--listen-addr", &listen_own];
            swarm.docker(number, &[&join[..], &[listen.as_str()]].concat());
        }
        swarm
    }

    fn start_registry(&mut self) {
        let folder = self.folder.path().join("registry");
        fs::create_dir(&folder).unwrap();
        let config = folder.join("config.yml");
        let storage = format!("storage: {{ filesystem: {{ rootdirectory: {} }} }}", folder.join("data").display());
        fs::write(&config, format!("version: 0.1\n{storage}\nhttp: {{ addr: {REGISTRY} }}\n")).unwrap();
        let mut command = guarded(&namespace("sw"));
        command.args(["docker-registry", "serve"]).arg(&config);
        let log = fs::File::create(folder.join("log")).unwrap();
        self.registry = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    fn add_engine(&mut self, number: usize) {
        let (switch, own) = (namespace("sw"), namespace(&number.to_string()));
        let port = format!("port{number}");
        run("ip", &["netns", "add", &own]);
        run("ip", &["-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &own]);
        run("ip", &["-n", &switch, "link", "set", &port, "master", "bridge0", "up"]);
        run("ip", &["-n", &own, "addr", "add", &format!("{NETWORK}.{number}/24"), "dev", "eth0"]);
        run("ip", &["-n", &own, "link", "set", "eth0", "up"]);
        run("ip", &["-n", &own, "link", "set", "lo", "up"]);
        fs::create_dir(self.folder(number)).unwrap();
        let engine = self.start_engine(number);
        self.engines.push(engine);
    }

    /// Starts the engine of a node, and waits until it responds.
    fn start_engine(&self, number: usize) -> Child {
        let folder = self.folder(number);
        let [data, exec, pid] = ["data", "exec", "pid"].map(|name| folder.join(name).display().to_string());
        let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        // The mounts stay those of the machine, whose control groups an engine needs; `ip netns exec` would hide them.
        let script = format!("hostname node-{number} && exec {DOCKERD} \"$@\"");
        let mut command = guarded(&namespace(&number.to_string()));
        command.args(["unshare", "--uts", "sh", "-c", &script, "dockerd"]);
        command.args(["--data-root", &data, "--exec-root", &exec, "--pidfile", &pid, "--host", &self.host(number)]);
        command.args(["--bridge", "none", "--iptables=false", "--insecure-registry", &format!("{NETWORK}.0/24")]);
        let engine = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        wait_until_within(LIMIT, "a response of the engine", || self.command(number, &["info"]).status.success());
        engine
    }

    /// Stops the engine of a node with its containers, and starts it again.
    pub(super) fn restart_engine(&mut self, number: usize) {
        let engine = &mut self.engines[number - 1];
        drop(engine.stdin.take());
        engine.wait().unwrap();
        self.engines[number - 1] = self.start_engine(number);
    }

    /// Drops every packet between two nodes, or lets them pass again.
    pub(super) fn partition(&self, nodes: [usize; 2], is_cut: bool) {
        let change = if is_cut { "add" } else { "del" };
        for (own, other) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])] {
            let (namespace, other) = (namespace(&own.to_string()), format!("{NETWORK}.{other}/32"));
            run("ip", &["-n", &namespace, "route", change, "blackhole", &other]);
        }
    }

    /// Leaves a node no space for the images that it pulls, or removes this limit. A pull writes its layers below `tmp` first.
    pub(super) fn fill_disk(&self, number: usize, is_full: bool) {
        let downloads = self.folder(number).join("data/tmp").display().to_string();
        match is_full {
            true => run("mount", &["-t", "tmpfs", "-o", "nr_inodes=1", "tmpfs", &downloads]),
            false => run("umount", &[&downloads]),
        }
    }

    fn folder(&self, number: usize) -> PathBuf {
        self.folder.path().join(number.to_string())
    }

    /// For `DOCKER_HOST`.
    pub(super) fn host(&self, number: usize) -> String {
        format!("unix://{}", self.folder(number).join("sock").display())
    }

    fn command(&self, number: usize, arguments: &[&str]) -> Output {
        Command::new("docker").args(["--host", &self.host(number)]).args(arguments).output().unwrap()
    }

    /// What the docker command prints, which must succeed.
    pub(super) fn docker(&self, number: usize, arguments: &[&str]) -> String {
        let output = self.command(number, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        text(&output)
    }

    /// The container of the agent on a node that has a driver.
    pub(super) fn agent_with_driver(&self, number: usize) -> Option<String> {
        let agents = self.docker(number, &["ps", "--quiet", "--filter", "name=agents"]);
        let agent = agents.lines().next()?;
        // It may have ended since.
        let processes = text(&self.command(number, &["top", agent]));
        processes.contains("lab drive").then(|| agent.to_owned())
    }

    /// The containers of runs on any node, and the other objects of runs that the manager knows, but for images.
    pub(super) fn left(&self) -> Vec<String> {
        let label = "label=dev.lab.run";
        let mut left = Vec::new();
        for number in 1..=self.engines.len() {
            // The label is on the service of a task.
            let list = ["ps", "--all", "--filter", "label=com.docker.swarm.service.name", "--format", "{{.Names}}"];
            left.extend(self.docker(number, &list).lines().map(|name| format!("node-{number}: {name}")));
        }
        for kind in ["service", "container", "secret", "config", "network"] {
            let found = self.docker(1, &[kind, "ls", "--quiet", "--filter", label]);
            left.extend(found.lines().map(|id| format!("{kind} {id}")));
        }
        left
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        // The end of their input makes the guards stop them.
        for child in self.engines.iter_mut().chain(&mut self.registry) {
            drop(child.stdin.take());
        }
        for child in self.engines.iter_mut().chain(&mut self.registry) {
            let _ = child.wait();
        }
        unmount_below(self.folder.path());
        remove_namespaces(&format!("{PREFIX}-{}-", std::process::id()));
    }
}

/// lab's guard of a program in a network namespace.
fn guarded(namespace: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["guard", "--grace-ms", "20000", "--", "nsenter", &format!("--net=/run/netns/{namespace}")]);
    command.stdin(Stdio::piped());
    command
}

fn namespace(name: &str) -> String {
    format!("{PREFIX}-{}-{name}", std::process::id())
}

fn namespaces() -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn remove_namespaces(prefix: &str) {
    for name in namespaces().iter().filter(|name| name.starts_with(prefix)) {
        let _ = Command::new("ip").args(["netns", "del", name]).status();
    }
}

fn remove_namespaces_of_ended_tests() {
    for name in namespaces() {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').nth(1));
        if let Some(pid) = pid.filter(|pid| !Path::new("/proc").join(pid).exists()) {
            remove_namespaces(&format!("{PREFIX}-{pid}-"));
        }
    }
}

/// An engine that is killed leaves the mounts of its containers and namespaces.
fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let below =
        mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|point| Path::new(point).starts_with(folder));
    for point in below.collect::<Vec<_>>().into_iter().rev() {
        let _ = Command::new("umount").args(["--lazy", point]).status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
