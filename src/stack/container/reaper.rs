//! The reaper: a process that outlives lab and removes all objects of a run from the engine.
//!
//! It cleans up after every run, also an orderly one, so there is only one way to clean up. As in a
//! [`keeper`](super::keeper), the end of its standard input starts its work.

use std::io;
use std::time::Duration;

use super::engine::{Engine, EngineError};
use super::sweep::{self, EngineObject};
use crate::stack::guard;

/// How long keepers may take to stop their containers before these are removed by force.
const KEEPERS_DEADLINE: Duration = Duration::from_secs(6);
/// How long removal may take.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(20);
/// How long a reaper may take in total, including a slow engine's responses.
pub(super) const DEADLINE: Duration = Duration::from_secs(40);

/// Why objects of the run may remain.
#[derive(Debug, thiserror::Error)]
pub enum ReaperError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{} could not be removed in time", names(.0))]
    Left(Vec<EngineObject>),
    #[error("cannot wait for the end of lab")]
    Io(#[from] io::Error),
}

fn names(left: &[EngineObject]) -> String {
    left.iter().map(EngineObject::to_string).collect::<Vec<_>>().join(", ")
}

/// Waits for the end of standard input, then removes all objects of the run.
///
/// # Errors
/// Objects may be left; `lab clean` removes them once the engine responds again.
pub fn run(run: &str) -> Result<(), ReaperError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        guard::end_of_input().await;
        let engine = Engine::find().await?;
        sweep::wait_for_keepers(&engine, run, KEEPERS_DEADLINE).await?;
        let left = sweep::remove_run(&engine, run, REMOVAL_DEADLINE).await?;
        if left.is_empty() { Ok(()) } else { Err(ReaperError::Left(left)) }
    })
}
