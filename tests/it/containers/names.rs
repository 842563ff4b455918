//! The names of a stack's components, resolved inside the containers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use super::images::{NGINX, project};
use super::{docker, nothing_is_left_by, running, wait_for_engine};
use crate::support::{Project, requires, text};

const SERVER: &str = r#"server = { kind = "gunicorn", image = "lab-test/flask" }"#;

/// The addresses of `proxy` and `server` inside a container; `None` while they cannot be resolved.
fn found(id: &str) -> Option<Vec<String>> {
    let script = "import socket; print(*map(socket.gethostbyname, ['proxy', 'server']))";
    let output = docker(&["exec", id, "python3", "-c", script]);
    output.status.success().then(|| text(&output).split_whitespace().map(str::to_owned).collect())
}

/// Where a container is in its network.
fn address(id: &str) -> String {
    text(&docker(&["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id]))
        .trim()
        .to_owned()
}

/// Each server finds its own stack's proxy and itself.
fn names_lead_to_their_own_stack(project: &Project, command: &str, stacks: usize) {
    let lab = project.lab(&[command, "scenarios/images.toml"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut lab = lab.unwrap();
    // A round has other containers than the checks before it: take the names only while all of one set run.
    let addresses = wait_for_engine("all servers find the proxy and the server of a stack", || {
        let containers: BTreeMap<String, String> = running(lab.id());
        let servers = containers.iter().filter_map(|(name, id)| Some((name.strip_suffix("-server")?, id)));
        let mut addresses = Vec::new();
        for (stack, server) in servers {
            let own = vec![address(containers.get(&format!("{stack}-proxy"))?), address(server)];
            if found(server)? != own {
                return None;
            }
            addresses.extend(own);
        }
        (addresses.len() == 2 * stacks).then_some(addresses)
    });
    let different: BTreeSet<&String> = addresses.iter().collect();
    assert_eq!(different.len(), 2 * stacks, "{addresses:?}");
    kill_process(Pid::from_child(&lab), Signal::INT).unwrap();
    lab.wait().unwrap();
    nothing_is_left_by(lab.id());
}

#[test]
fn stacks_in_one_network_stay_separate() {
    requires!(Images);
    let stack = |name| format!("[[stack]]\nname = \"{name}\"\n{NGINX}\n{SERVER}\n");
    names_lead_to_their_own_stack(&project(&(stack("one") + &stack("other"))), "up", 2);
}

#[test]
fn stack_under_load_keeps_its_own_names() {
    requires!(Images);
    let project = project(&format!("[[stack]]\nname = \"one\"\n{NGINX}\n{SERVER}\n"));
    let file = project.path("scenarios/images.toml");
    let load =
        "[[load]]\nname = \"closed\"\ndriver = \"closed\"\npath = \"/headers\"\nconnections = 2\nduration = \"60s\"\n";
    fs::write(&file, format!("{}\n{load}", fs::read_to_string(&file).unwrap())).unwrap();
    names_lead_to_their_own_stack(&project, "run", 1);
}
