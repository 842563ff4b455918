//! The reaper: a process that outlives lab and removes everything that a run made in the engine.
//!
//! It does so at every end of a run, the orderly ones included: there is one way to clean up, and it is always used.
//! Its standard input is its lifeline, as it is a [`keeper`](super::keeper)'s.

use std::io;
use std::time::Duration;

use super::engine::{Engine, EngineError};
use super::sweep::{self, EngineObject};
use crate::stack::guard;

/// How long keepers may take to stop their containers in order before these are removed as they are.
const KEEPERS_DEADLINE: Duration = Duration::from_secs(6);
/// How long removal may take.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(20);
/// How long a reaper may take in all, a slow engine's answers included.
pub(super) const DEADLINE: Duration = Duration::from_secs(40);

/// Why objects of the run may remain.
#[derive(Debug, thiserror::Error)]
pub enum ReaperError {
    /// There is no engine any more, or it refuses.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The time was up.
    #[error("{} could not be removed in time", said(.0))]
    Left(Vec<EngineObject>),
    /// The system refused something.
    #[error("cannot wait for the end of lab")]
    Io(#[from] io::Error),
}

fn said(left: &[EngineObject]) -> String {
    left.iter().map(EngineObject::to_string).collect::<Vec<_>>().join(", ")
}

/// Waits for the end of standard input, and then removes everything of the run.
///
/// # Errors
/// Something may be left; `lab clean` removes it when the engine answers again.
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
