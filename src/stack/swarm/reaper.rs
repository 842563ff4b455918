//! The reaper of a run in a swarm: a process that outlives lab and removes all objects of the run.
//!
//! As the reaper of containers does, it cleans up after every run, and the end of its standard input starts its work.

use std::io;
use std::time::Duration;

use super::docker_client::{DockerClient, DockerError};
use super::sweep::{self, SwarmObject};
use crate::stack::guard;

/// How long removal may take: a network can only be removed after the last container in it.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(40);
/// How long a reaper may take in total, including a slow engine's responses.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// Why objects of the run may remain.
#[derive(Debug, thiserror::Error)]
pub enum ReaperError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error("{} could not be removed in time", names(.0))]
    Left(Vec<SwarmObject>),
    #[error("cannot wait for the end of lab")]
    Io(#[from] io::Error),
}

fn names(left: &[SwarmObject]) -> String {
    left.iter().map(SwarmObject::to_string).collect::<Vec<_>>().join(", ")
}

/// Waits for the end of standard input, then removes all objects of the run.
///
/// # Errors
/// Objects may be left; `lab clean --swarm` removes them once the manager responds again.
pub fn run(run: &str, context: Option<String>) -> Result<(), ReaperError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        guard::end_of_input().await;
        let left = sweep::remove_run(&DockerClient::new(context), run, REMOVAL_DEADLINE).await?;
        if left.is_empty() { Ok(()) } else { Err(ReaperError::Left(left)) }
    })
}
