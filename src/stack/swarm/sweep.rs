//! Removes the objects of one run from a swarm, or the leftovers of ended runs. Only objects with lab's label are touched.
//!
//! Images stay: lab's own is named for its content and serves the next run, and those of applications can be removed on the
//! manager only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::docker_client::{DockerClient, DockerError};
use super::task;
use crate::measure::procfs;
use crate::stack::container::labels::{self, Owner, RunState};

/// The time between two attempts to remove objects that were in use.
const INTERVAL: Duration = Duration::from_millis(300);

/// The types of objects, in the order in which they can be removed.
const TYPES: [ObjectType; 6] = [
    ObjectType {
        name: "service",
        list: &["service", "ls"],
        labels: "/Spec/Labels",
        names: "/Spec/Name",
        remove: &["rm"],
    },
    ObjectType {
        name: "container",
        list: &["container", "ls", "--all"],
        labels: "/Config/Labels",
        names: "/Name",
        remove: &["rm", "--force", "--volumes"],
    },
    ObjectType {
        name: "secret",
        list: &["secret", "ls"],
        labels: "/Spec/Labels",
        names: "/Spec/Name",
        remove: &["rm"],
    },
    ObjectType {
        name: "config",
        list: &["config", "ls"],
        labels: "/Spec/Labels",
        names: "/Spec/Name",
        remove: &["rm"],
    },
    ObjectType { name: "network", list: &["network", "ls"], labels: "/Labels", names: "/Name", remove: &["rm"] },
    ObjectType {
        name: "image",
        list: &["image", "ls"],
        labels: "/Config/Labels",
        names: "/RepoTags/0",
        remove: &["rm", "--force"],
    },
];

#[derive(Debug)]
struct ObjectType {
    /// As docker names it in its commands.
    name: &'static str,
    list: &'static [&'static str],
    /// Where a description has the labels and the name.
    labels: &'static str,
    names: &'static str,
    remove: &'static [&'static str],
}

/// An object that lab created in a swarm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SwarmObject {
    /// `service` or `network`, for example.
    pub kind: &'static str,
    pub name: String,
}

impl fmt::Display for SwarmObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// The remaining objects of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmLeftovers {
    pub state: RunState,
    /// In the order in which they can be removed.
    pub objects: Vec<SwarmObject>,
}

/// All objects of runs, by run.
///
/// # Errors
/// The context has no manager of a swarm.
pub async fn find_leftovers(docker: &DockerClient) -> Result<BTreeMap<String, SwarmLeftovers>, DockerError> {
    let me = Owner::this_process().ok();
    let mut runs: BTreeMap<String, SwarmLeftovers> = BTreeMap::new();
    for (labels, object) in list(docker, labels::RUN).await? {
        let Some(run) = labels.get(labels::RUN) else { continue };
        let owner = labels.get(labels::OWNER).and_then(|text| Owner::parse(text));
        let state = me.as_ref().zip(owner);
        let state = state.map_or(RunState::Unknown, |(me, owner)| owner.run_state(me, procfs::started_ticks));
        let left = runs.entry(run.clone()).or_insert_with(|| SwarmLeftovers { state, objects: Vec::new() });
        // A resumed run has two owners; it runs if either of them does.
        left.state = left.state.max(state);
        left.objects.push(object);
    }
    Ok(runs)
}

/// Removes all objects of one run, repeatedly until nothing is left or the deadline has passed. Returns the objects that are
/// left. A manager that does not respond may have been restarted, so it is given that time too.
///
/// # Errors
/// The manager cannot list its objects.
pub async fn remove_run(docker: &DockerClient, run: &str, deadline: Duration) -> Result<Vec<SwarmObject>, DockerError> {
    let label = format!("{}={run}", labels::RUN);
    let until = tokio::time::Instant::now() + deadline;
    // A network that is removed before the last task in it has ended stays on that node.
    let mut tasks: BTreeSet<String> = BTreeSet::new();
    loop {
        let is_late = tokio::time::Instant::now() > until;
        let objects: Vec<SwarmObject> = match list(docker, &label).await {
            Ok(listed) => listed.into_iter().map(|(_, object)| object).collect(),
            Err(error) if is_late => return Err(error),
            Err(_) => {
                tokio::time::sleep(INTERVAL).await;
                continue;
            }
        };
        for service in objects.iter().filter(|object| object.kind == "service") {
            let list = ["service", "ps", "--no-trunc", "--quiet", &service.name];
            tasks.extend(docker.lines("list the tasks of a service", &list).await.unwrap_or_default());
        }
        tasks = task::remaining(docker, &tasks).await;
        for object in objects.iter().filter(|object| tasks.is_empty() || object.kind != "network") {
            // It may still be in use, or removed by another process.
            let _ = remove(docker, object).await;
        }
        if objects.is_empty() || is_late {
            return Ok(objects);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Removes one object.
///
/// # Errors
/// It is in use, or gone.
pub async fn remove(docker: &DockerClient, object: &SwarmObject) -> Result<(), DockerError> {
    let options = TYPES.iter().find(|kind| kind.name == object.kind).map_or(&[][..], |kind| kind.remove);
    let mut command = vec![object.kind];
    command.extend(options);
    command.push(&object.name);
    docker.run(&format!("remove the {object}"), &command).await.map(drop)
}

type Labelled = (BTreeMap<String, String>, SwarmObject);

/// All objects with this label (`name` or `name=value`).
async fn list(docker: &DockerClient, label: &str) -> Result<Vec<Labelled>, DockerError> {
    let filter = format!("label={label}");
    let mut found = Vec::new();
    for kind in &TYPES {
        let mut command = kind.list.to_vec();
        command.extend(["--quiet", "--filter", &filter]);
        let mut ids = docker.lines(&format!("list {}s", kind.name), &command).await?;
        ids.sort();
        ids.dedup();
        for id in ids {
            // It may be removed meanwhile.
            let Ok(described) = docker.inspect::<serde_json::Value>(kind.name, &[&id]).await else { continue };
            found.extend(described.iter().map(|object| labelled(kind, &id, object)));
        }
    }
    Ok(found)
}

fn labelled(kind: &ObjectType, id: &str, described: &serde_json::Value) -> Labelled {
    let labels = described.pointer(kind.labels).and_then(|labels| labels.as_object());
    let labels = labels.into_iter().flatten();
    let labels = labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    let name = described.pointer(kind.names).and_then(|name| name.as_str()).unwrap_or(id);
    (labels, SwarmObject { kind: kind.name, name: name.trim_start_matches('/').to_owned() })
}
