//! The process: opens what the workers share, starts them, and listens to signals.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::log::{LogFiles, OpenError};
use super::settings::Settings;
use super::settings::logs::Severity;
use super::settings::process::Workers;
use super::sockets::{self, SocketError};
use super::worker::{self, Phase};

/// Why the proxy did not run, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A log cannot be written.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The pid file cannot be written.
    #[error("cannot write pid file {}: {source}", path.display())]
    Pid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What every program gets from the system was refused: a thread, signals, a poll of sockets.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    /// A worker ended though nobody had told it to.
    #[error("a worker ended unexpectedly")]
    Worker,
}

/// Runs the proxy until a signal ends it: SIGTERM and SIGINT at once, SIGQUIT when what has begun is finished.
///
/// `inherited` is the value of [`sockets::INHERITED`] in the environment.
///
/// # Errors
/// Something that is needed cannot be had. Nothing has been accepted then.
pub fn run(settings: Settings, inherited: Option<&str>) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    // from here on a signal ends the proxy in order, whatever it is doing
    let mut signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()].map(signal).into_iter();
    let mut next_signal = || signals.next().unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()));
    let (mut terminate, mut interrupt, mut quit) = (next_signal()?, next_signal()?, next_signal()?);

    let logs = LogFiles::open(&settings)?;
    let bound = sockets::open(&settings.listens, inherited)?;
    let _pid = settings.process.pid.clone().map(PidFile::write).transpose()?;
    let settings = Arc::new(settings);
    let (phase, phases) = watch::channel(Phase::Serve);
    let (ended, mut endings) = mpsc::unbounded_channel();
    let mut threads = Vec::new();
    for number in 0..count(settings.process.workers) {
        let listeners = bound.iter().map(|bound| Ok((bound.socket.try_clone()?, bound.listens.clone())));
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let (settings, logs, phases, ended) = (Arc::clone(&settings), logs.clone(), phases.clone(), ended.clone());
        let run = move || {
            let _ended = Ended(ended);
            worker::run(settings, logs, listeners, phases)
        };
        threads.push(thread::Builder::new().name(format!("worker {number}")).spawn(run)?);
    }
    drop((bound, ended, phases));
    logs.error(&settings.process.error_log, Severity::Notice, "start worker threads", None);

    let was_told = runtime.block_on(async {
        let mut was_told = false;
        loop {
            let wanted = tokio::select! {
                _ = terminate.recv() => Phase::Stop,
                _ = interrupt.recv() => Phase::Stop,
                _ = quit.recv() => Phase::Quit,
                ended = endings.recv() => match ended {
                    Some(()) if was_told => continue,
                    // one that ends by itself is broken; serving on with the others would hide it
                    Some(()) => {
                        phase.send_replace(Phase::Stop);
                        continue;
                    }
                    None => return was_told,
                },
            };
            was_told = true;
            // a worker that stops does not go back to quitting
            let more = wanted.max(*phase.borrow());
            phase.send_replace(more);
        }
    });
    for thread in threads {
        thread.join().map_err(|_| RunError::Worker)??;
    }
    if was_told { Ok(()) } else { Err(RunError::Worker) }
}

/// Tells the master that a worker has ended, by a panic too.
struct Ended(mpsc::UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        // a master that does not listen any more knows
        _ = self.0.send(());
    }
}

/// How many threads there will be: inside a container or under taskset, only as many as cores may be used.
fn count(workers: Workers) -> usize {
    match workers {
        Workers::Count(count) => count,
        Workers::Auto => thread::available_parallelism().map_or(1, std::num::NonZero::get),
    }
}

/// The file with the process's id, there as long as this value.
struct PidFile {
    path: PathBuf,
}

impl PidFile {
    fn write(path: PathBuf) -> Result<PidFile, RunError> {
        match std::fs::write(&path, format!("{}\n", std::process::id())) {
            Ok(()) => Ok(PidFile { path }),
            Err(source) => Err(RunError::Pid { path, source }),
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // somebody may have removed it already
        _ = std::fs::remove_file(&self.path);
    }
}
