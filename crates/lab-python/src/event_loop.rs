//! The event loop of a worker: accepts connections and serves their requests until the worker ends. No Python.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lab_net::Listener;
use lab_worker::bootstrap::{InheritedSocket, WorkerSettings};
use lab_worker::{ShutdownState, WorkerConfig};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::interval;

use crate::access_reporter::AccessReporter;
use crate::access_writer::AccessWriter;
use crate::call::Application;
use crate::executor::Executor;
use crate::gateway::{WorkerState, WsgiGateway};
use crate::inherited::inherited;
use crate::response_batch::ResponseBatch;
use crate::{scoreboard, signals};

/// How often an idle worker writes a heartbeat.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// How long an application may wait for a body after `100 Continue`, at most.
const LONGEST_CONTINUE: Duration = Duration::from_secs(60);

/// Everything the event loop of a worker starts with.
pub(crate) struct EventLoop {
    pub(crate) settings: Arc<WorkerSettings>,
    pub(crate) config: WorkerConfig,
    pub(crate) application: Arc<Application>,
    /// Where signal numbers are read.
    pub(crate) signals: OwnedFd,
    pub(crate) announce: watch::Sender<ShutdownState>,
    /// What writes the access log, if Python does.
    pub(crate) writer: Option<AccessWriter>,
    /// Added to `max_requests`.
    pub(crate) jitter: u64,
}

impl EventLoop {
    /// Runs until the worker ends. Returns whether every call has ended, as far as the executor knows.
    pub(crate) fn run(self, executor: Executor) -> io::Result<bool> {
        let runtime = lab_worker::worker::runtime().map_err(io::Error::other)?;
        runtime.block_on(self.serve(executor))
    }

    async fn serve(self, executor: Executor) -> io::Result<bool> {
        let EventLoop { settings, config, application, signals, announce, writer, jitter } = self;
        let shutdown = announce.subscribe();
        signals::announce_shutdown(signals, announce.clone())?;
        if !executor.shows_requests() {
            spawn_local(beat());
        }
        let pipe = settings.access_log.as_ref().map(|log| Ok::<_, io::Error>((log.clone(), inherited(log.fd)?)));
        let access_reporter = AccessReporter::start(pipe.transpose()?, writer)?;
        let batch = if executor.is_event_loop() { Some(ResponseBatch::start()?) } else { None };
        let worker = Rc::new(WorkerState {
            application,
            executor,
            batch,
            access_reporter,
            shutdown: announce,
            max_requests: if settings.max_requests == 0 { 0 } else { settings.max_requests + jitter },
            continue_timeout: continue_timeout(&settings),
            served: Cell::new(0),
            in_progress: Cell::new(0),
        });
        let gateway = WsgiGateway::new(Rc::clone(&worker));
        lab_worker::worker::serve(listeners(&settings)?, gateway, config, shutdown).await?;
        if let Some(reporter) = &worker.access_reporter {
            reporter.finish().await;
        }
        Ok(worker.executor.close())
    }
}

async fn beat() {
    let mut beats = interval(HEARTBEAT_INTERVAL);
    loop {
        beats.tick().await;
        scoreboard::beat();
    }
}

fn listeners(settings: &WorkerSettings) -> io::Result<Vec<Listener>> {
    let listener = |socket: &InheritedSocket| {
        let listener = inherited(socket.fd).and_then(Listener::new);
        listener.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", socket.address)))
    };
    settings.sockets.iter().map(listener).collect()
}

/// The wait for a body after `100 Continue`: well below the worker timeout, because the application is in the call and a
/// worker that waits must not look hung.
fn continue_timeout(settings: &WorkerSettings) -> Duration {
    match settings.timeout_s {
        0 => LONGEST_CONTINUE,
        timeout_s => Duration::from_secs(timeout_s).min(LONGEST_CONTINUE * 2) / 2,
    }
}
