//! Runs work until it ends or Ctrl-C or SIGTERM interrupts it, and then waits for its subprocesses to end.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::measure::procfs::{self, ProcfsError};

/// How long subprocesses may take to stop. A busy container engine needs most of this time.
const STOP_DEADLINE: Duration = Duration::from_secs(45);

/// Time between two looks for subprocesses that have not ended yet.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Why work could not be run or did not end in order.
#[derive(Debug, thiserror::Error)]
pub enum InterruptionError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Procfs(#[from] ProcfsError),
    #[error("the subprocesses did not stop in time")]
    StillRunning(#[source] tokio::time::error::Elapsed),
}

/// Runs `work` on one thread; `None` if Ctrl-C or SIGTERM ended it. In both cases `work` is dropped, which stops
/// everything that it started, and this function returns once no subprocess is left.
///
/// # Errors
/// [`InterruptionError`].
pub fn run_until_interrupted<T>(work: impl Future<Output = T>) -> Result<Option<T>, InterruptionError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let outcome = tokio::select! {
            outcome = work => Some(outcome),
            interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None)?,
            _ = terminate.recv() => None,
        };
        let stopped = tokio::time::timeout(STOP_DEADLINE, subprocesses_ended());
        stopped.await.map_err(InterruptionError::StillRunning)??;
        Ok(outcome)
    })
}

async fn subprocesses_ended() -> Result<(), ProcfsError> {
    while !procfs::descendants_of(std::process::id())?.is_empty() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}
