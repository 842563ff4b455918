//! Runs stacks in a swarm: each component as a service with one task, on a node that lab has chosen.
//!
//! ```text
//! lab ──pipe──▶ reaper ──docker──▶ services, networks, secrets, configs      one for each run
//!     ──docker─▶ service ──engine──▶ task on a node                          one for each component
//!     ◀──────── lab connect, in the coordinator's container                  one for each connection of a check
//! ```
//!
//! lab speaks to one manager, by the docker client, and knows no other node. Every object carries the run's name as a label.

mod component;
mod docker_client;
mod forwarder;
mod image_layer;
mod images;
mod launcher;
pub mod reaper;
mod remote_stack;
mod run_swarm;
pub mod sweep;
mod task;

use std::io;

pub use docker_client::{DockerClient, DockerError};
pub use images::{ImageError, Images};
pub use launcher::SwarmLauncher;
pub use remote_stack::{NodePlace, RemoteComponent, RemoteStack, StackPlaces};
pub use run_swarm::RunSwarm;
pub use task::{Task, TaskError, wait_until_running};

/// Why something cannot run in a swarm.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error(transparent)]
    Task(#[from] TaskError),
    #[error("cannot make the images of the run")]
    Image(#[from] ImageError),
    #[error("cannot use a Python environment in a container")]
    Environment(#[from] super::container::python_environment::EnvironmentError),
    #[error("cannot {operation}")]
    Io {
        /// In the imperative, as in "read /proc".
        operation: &'static str,
        source: io::Error,
    },
    #[error(
        "{node} cannot get lab's image, which is made on {manager}: name a registry that all nodes reach, as `registry` of \
         `[placement]`, or place everything on {manager}"
    )]
    NoRegistry { node: String, manager: String },
    #[error("objects of this run may be left in the swarm; `lab clean --swarm` removes them\n  log: {}{last_lines}", log.display())]
    NotClean {
        /// The reaper's log and its end.
        log: std::path::PathBuf,
        last_lines: String,
    },
}
