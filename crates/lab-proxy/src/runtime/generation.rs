//! The workers of one configuration, from its sockets and logs to their ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::config::logs::Severity;
use crate::config::process::WorkerCount;
use crate::logging::LogFiles;
use crate::runtime::affinity;
use crate::runtime::error::RunError;
use crate::runtime::sockets::{self, Bound};
use crate::runtime::worker::{self, Phase};

/// What a configuration needs opened.
pub(crate) struct Opened {
    pub(crate) logs: LogFiles,
    /// Kept here too, so that none is closed while workers change.
    pub(crate) sockets: Vec<Bound>,
}

impl Opened {
    pub(crate) fn new(settings: &Config, present: &[Bound], inherited: Option<&str>) -> Result<Opened, RunError> {
        let logs = LogFiles::open(settings)?;
        Ok(Opened {
            logs,
            sockets: sockets::open(&settings.listens, count(settings.process.workers), present, inherited)?,
        })
    }
}

/// The workers of one configuration.
pub(crate) struct Generation {
    pub(crate) settings: Arc<Config>,
    pub(crate) serial: usize,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) threads: Vec<JoinHandle<io::Result<()>>>,
    /// How many of them run.
    pub(crate) running: usize,
}

impl Generation {
    pub(crate) fn start(
        settings: Config,
        opened: &Opened,
        ended: &mpsc::UnboundedSender<usize>,
    ) -> Result<Generation, RunError> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let settings = Arc::new(settings);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let (phase, phases) = watch::channel(Phase::Serve);
        let mut generation = Generation { settings, serial, phase, threads: Vec::new(), running: 0 };
        let settings = &generation.settings;
        let count = count(settings.process.workers);
        let allowed = affinity::allowed().unwrap_or_default();
        for (number, cores) in affinity::plan(&settings.process.affinity, count, &allowed).into_iter().enumerate() {
            let listeners = opened.sockets.iter().map(|bound| Ok((bound.of_worker(number)?, bound.listens.clone())));
            let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
            let (settings, logs, phases) = (Arc::clone(settings), opened.logs.clone(), phases.clone());
            let ended = Ended { serial, channel: ended.clone() };
            let run = move || {
                let _ended = ended;
                if let Err(error) = affinity::pin(&cores) {
                    let message = format!("sched_setaffinity() failed ({error})");
                    logs.error(&settings.process.error_log, Severity::Alert, &message, None);
                }
                worker::run(settings, logs, listeners, phases)
            };
            generation.threads.push(thread::Builder::new().name(format!("worker {number}")).spawn(run)?);
            generation.running += 1;
        }
        Ok(generation)
    }

    pub(crate) fn tell(&self, phase: Phase) {
        // a worker that stops does not go back to quitting
        self.phase.send_if_modified(|present| {
            let is_more = phase > *present;
            *present = phase.max(*present);
            is_more
        });
    }
}

/// Tells the master that a worker has ended, by a panic too.
struct Ended {
    serial: usize,
    channel: mpsc::UnboundedSender<usize>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // a master that does not listen any more knows
        _ = self.channel.send(self.serial);
    }
}

/// How many threads there will be: inside a container or under taskset, only as many as cores may be used.
fn count(workers: WorkerCount) -> usize {
    match workers {
        WorkerCount::Fixed(count) => count,
        WorkerCount::Auto => thread::available_parallelism().map_or(1, std::num::NonZero::get),
    }
}
