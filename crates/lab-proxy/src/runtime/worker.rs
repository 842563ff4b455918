//! A worker: one thread, one `current_thread` runtime. A connection stays with the worker that accepted it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lab_net::Listener;
use socket2::Socket;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock;
use crate::config::Config;
use crate::config::address::Address;
use crate::config::logs::Severity;
use crate::context::WorkerContext;
use crate::downstream::connection::{self, Accepted};
use crate::logging::{self, LogFiles};
use crate::upstream::Upstreams;

/// What the master wants its workers to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Accept and serve.
    Serve,
    /// Accept nothing more, finish what has begun, then end (SIGQUIT).
    Quit,
    /// End at once (SIGTERM, SIGINT).
    Stop,
}

/// One worker thread's state.
struct Worker {
    context: WorkerContext,
    upstreams: Upstreams,
    /// Notified when a client's connection was closed.
    closed: Notify,
}

/// How often idle upstream connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// How long accepting rests when there are no descriptors left, as in nginx.
const ACCEPT_REST: Duration = Duration::from_millis(500);

/// A listening socket of this worker, with the `listen`s it serves.
pub(crate) type BoundListener = (Socket, Vec<usize>);

/// Runs a worker on the present thread until it is told to end.
///
/// # Errors
/// No runtime could be made.
pub(crate) fn run(
    settings: Arc<Config>,
    logs: LogFiles,
    listeners: Vec<BoundListener>,
    phases: watch::Receiver<Phase>,
) -> io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // lines of access logs are written when there is nothing better to do
    let runtime = runtime
        .enable_all()
        .on_thread_park(logging::flush)
        .on_thread_unpark(clock::begin_turn)
        .build_local(Default::default())?;
    logs.begin_gathering();
    let upstreams = Upstreams::new(&settings);
    let context = WorkerContext::new(settings, logs);
    let worker = Rc::new(Worker { context, upstreams, closed: Notify::new() });
    let served = runtime.block_on(worker.serve(listeners, phases));
    drop(runtime);
    logging::flush_all();
    served
}

impl Worker {
    async fn serve(
        self: Rc<Self>,
        listeners: Vec<BoundListener>,
        mut phases: watch::Receiver<Phase>,
    ) -> io::Result<()> {
        let mut accepting = Vec::new();
        for (socket, listens) in listeners {
            let Some(listen) = listens.first().map(|&index| &self.context.settings.listens[index]) else { continue };
            if let Address::Internet(_) = listen.address {
                // what is accepted inherits it
                socket.set_tcp_nodelay(self.context.settings.servers[listen.default_server].config().tcp_nodelay)?;
            }
            let listener = Listener::new(socket.into())?;
            accepting.push(tokio::task::spawn_local(Rc::clone(&self).accept(listener, listens.into())));
        }
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = sweep.tick() => {
                    self.upstreams.sweep();
                    logging::flush_due();
                }
                // a master that is gone is a master that says stop
                phase = phases.wait_for(|phase| *phase > Phase::Serve) => match phase.map_or(Phase::Stop, |phase| *phase) {
                    Phase::Stop => return Ok(()),
                    Phase::Quit | Phase::Serve => break,
                },
            }
        }
        for task in accepting {
            task.abort();
        }
        self.context.quit();
        let finished = async {
            while self.context.connections.count() > 0 {
                self.closed.notified().await;
            }
        };
        let shutdown_timeout = self.context.settings.process.shutdown_timeout;
        tokio::select! {
            () = finished => {}
            _ = phases.wait_for(|phase| *phase == Phase::Stop) => {}
            () = sleep(shutdown_timeout.unwrap_or_default()), if shutdown_timeout.is_some() => {}
        }
        Ok(())
    }

    async fn accept(self: Rc<Self>, listener: Listener, listens: Rc<[usize]>) {
        loop {
            while self.context.connections.count() >= self.context.settings.process.worker_connections {
                self.closed.notified().await;
            }
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let slot = ConnectionSlot::new(Rc::clone(&self));
                    let listens = Rc::clone(&listens);
                    tokio::task::spawn_local(async move {
                        let accepted = Accepted { slot: slot.number, peer, listens: &listens };
                        connection::serve(&slot.worker.context, &slot.worker.upstreams, accepted, stream).await;
                    });
                }
                Err(error) => {
                    let log = &self.context.settings.process.error_log;
                    self.context.logs.error(log, Severity::Crit, &format!("accept() failed ({error})"), None);
                    sleep(ACCEPT_REST).await;
                }
            }
        }
    }
}

/// A connection's slot in the worker's set, until its task ends.
struct ConnectionSlot {
    worker: Rc<Worker>,
    number: usize,
}

impl ConnectionSlot {
    fn new(worker: Rc<Worker>) -> ConnectionSlot {
        ConnectionSlot { number: worker.context.connections.reserve(), worker }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.worker.context.connections.release(self.number);
        self.worker.closed.notify_waiters();
    }
}
