//! The messages between lab and a keeper: the container to run, and its location once it runs. JSON between two processes
//! of one lab binary.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A container to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Its name for the engine, which within the run's network leads to it: its role in its stack's domain.
    pub name: String,
    /// Its stack's domain, in which its names are looked up: there `proxy` and `server` lead to the stack's own.
    pub domain: String,
    /// The image's name.
    pub image: String,
    /// The image's tag.
    pub tag: String,
    /// Labels; `dev.lab.component` among them.
    pub labels: BTreeMap<String, String>,
    /// The run's network.
    pub network: String,
    /// Names the container knows, with their addresses.
    pub hosts: BTreeMap<String, IpAddr>,
    /// The whole command line; the image's own is ignored.
    pub command: Vec<String>,
    /// Variables on top of the image's own.
    pub environment: BTreeMap<String, String>,
    /// The user, as `uid:gid`.
    pub user: String,
    /// Where it runs; `None` leaves that to the image.
    pub working_folder: Option<PathBuf>,
    /// Files of the machine, each at its own path.
    pub mounts: Vec<BindMount>,
    /// Folders in memory that it may write.
    pub scratch: Vec<PathBuf>,
    /// How these are mounted.
    pub scratch_options: String,
    /// The port it listens on.
    pub port: u16,
    /// Cores it may use; empty: all.
    pub cores: Vec<u16>,
    /// The most memory it may use, in bytes, without swap.
    pub memory_bytes: i64,
    /// The most processes and threads.
    pub pids: i64,
    /// The most open files per process, soft and hard; `None` leaves the engine's own.
    pub open_files: Option<(i64, i64)>,
    /// The most processes of its user on the machine, soft and hard; `None` leaves the engine's own.
    pub processes: Option<(i64, i64)>,
    /// The user namespace mode in which its users are the machine's, where the engine needs one.
    pub users: Option<String>,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_s: i32,
}

/// A file or folder of the machine in a container, at the same path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindMount {
    /// The path.
    pub path: PathBuf,
    /// Whether the container may write there.
    pub writable: bool,
}

/// A container that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedContainer {
    /// The engine's name for it.
    pub id: String,
    /// Its first process, as this machine counts.
    pub pid: u32,
    /// Its address in the run's network.
    pub address: IpAddr,
    /// The loopback address its port is published at.
    pub published: SocketAddr,
}
