//! The messages between lab and a keeper: the container to run, and its location once it runs. JSON between two processes
//! of one lab binary.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A container to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The container's name, which the run's network resolves: its role in its stack's domain.
    pub name: String,
    /// The stack's domain, the search domain of the container: `proxy` and `server` resolve to its own stack.
    pub domain: String,
    pub image: String,
    pub tag: String,
    /// Including `dev.lab.component`.
    pub labels: BTreeMap<String, String>,
    pub network: String,
    /// Additional names and their addresses.
    pub hosts: BTreeMap<String, IpAddr>,
    /// The command line, instead of the image's.
    pub command: Vec<String>,
    /// Variables in addition to the image's.
    pub environment: BTreeMap<String, String>,
    /// The user, as `uid:gid`, who may write into scratch folders only and has no capabilities. `None` for the user, the
    /// capabilities and the writable file system of the image.
    pub user: Option<String>,
    /// `None` for the image's.
    pub working_folder: Option<PathBuf>,
    /// Files of the machine, each at its own path.
    pub mounts: Vec<BindMount>,
    /// Writable folders in memory.
    pub scratch: Vec<PathBuf>,
    /// The mount options of the scratch folders.
    pub scratch_options: String,
    /// The port on which the component listens.
    pub port: u16,
    /// Empty for all cores.
    pub cores: Vec<u16>,
    /// The memory limit, without swap.
    pub memory_bytes: i64,
    /// The limit of processes and threads.
    pub pids: i64,
    /// The limit of open files per process, soft and hard; `None` for the engine's default.
    pub open_files: Option<(i64, i64)>,
    /// The limit of processes of the user on the machine, soft and hard; `None` for the engine's default.
    pub processes: Option<(i64, i64)>,
    /// The user namespace mode in which the container's users are the machine's, if it is not the default.
    pub users: Option<String>,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_s: i32,
}

/// A file or folder of the machine in a container, at the same path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindMount {
    pub path: PathBuf,
    pub writable: bool,
}

/// A running container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedContainer {
    /// The container's id.
    pub id: String,
    /// The pid of the container's first process on this machine.
    pub pid: u32,
    /// The container's address in the run's network.
    pub address: IpAddr,
    /// The loopback address at which the port is published.
    pub published: SocketAddr,
}
