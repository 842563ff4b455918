//! A worker: one thread, one `current_thread` runtime. A connection stays with the worker that accepted it.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use lab_net::Listener;
use socket2::Socket;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::Settings;
use crate::config::logs::Severity;
use crate::config::upstream::Address;
use crate::downstream::client;
use crate::runtime::clock;
use crate::runtime::log::{self, LogFiles};
use crate::runtime::roll::Roll;
use crate::upstream::group::Group;
use crate::upstream::resolver::Names;

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

/// What a worker knows, and its connections share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) settings: Arc<Settings>,
    pub(crate) logs: LogFiles,
    upstreams: Vec<Group>,
    /// What was found of names that are not in the configuration.
    pub(crate) names: Names,
    /// Open connections of clients.
    clients: Roll,
    is_quitting: Cell<bool>,
    /// Told when a client's connection was closed.
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
    settings: Arc<Settings>,
    logs: LogFiles,
    listeners: Vec<BoundListener>,
    phases: watch::Receiver<Phase>,
) -> io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // lines of access logs are written when there is nothing better to do
    let runtime = runtime
        .enable_all()
        .on_thread_park(log::flush)
        .on_thread_unpark(clock::begin_turn)
        .build_local(Default::default())?;
    logs.begin_gathering();
    let upstreams = settings.upstreams.iter().map(Group::new).collect();
    let worker = Rc::new(Worker {
        settings,
        logs,
        upstreams,
        names: Names::default(),
        clients: Roll::default(),
        is_quitting: Cell::new(false),
        closed: Notify::new(),
    });
    let served = runtime.block_on(worker.serve(listeners, phases));
    drop(runtime);
    log::flush_all();
    served
}

impl Worker {
    /// An upstream by its index in the settings.
    pub(crate) fn upstream(&self, index: usize) -> &Group {
        &self.upstreams[index]
    }

    /// Whether connections are to be closed as soon as they are idle.
    pub(crate) fn is_quitting(&self) -> bool {
        self.is_quitting.get()
    }

    /// Has a connection's task woken when the worker begins to quit.
    pub(crate) fn sign(&self, place: usize, waker: &Waker) {
        self.clients.sign(place, waker);
    }

    /// A number no other connection of the process has.
    pub(crate) fn next_serial(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    async fn serve(
        self: Rc<Self>,
        listeners: Vec<BoundListener>,
        mut phases: watch::Receiver<Phase>,
    ) -> io::Result<()> {
        let mut accepting = Vec::new();
        for (socket, listens) in listeners {
            let Some(listen) = listens.first().map(|&index| &self.settings.listens[index]) else { continue };
            if let Address::Internet(_) = listen.address {
                // what is accepted inherits it
                socket.set_tcp_nodelay(self.settings.servers[listen.default_server].rules().tcp_nodelay)?;
            }
            let listener = Listener::new(socket.into())?;
            accepting.push(tokio::task::spawn_local(Rc::clone(&self).accept(listener, listens.into())));
        }
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = sweep.tick() => {
                    self.upstreams.iter().for_each(Group::sweep);
                    log::flush_due();
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
        self.is_quitting.set(true);
        self.clients.call();
        let finished = async {
            while self.clients.count() > 0 {
                self.closed.notified().await;
            }
        };
        let shutdown_timeout = self.settings.process.shutdown_timeout;
        tokio::select! {
            () = finished => {}
            _ = phases.wait_for(|phase| *phase == Phase::Stop) => {}
            () = sleep(shutdown_timeout.unwrap_or_default()), if shutdown_timeout.is_some() => {}
        }
        Ok(())
    }

    async fn accept(self: Rc<Self>, listener: Listener, listens: Rc<[usize]>) {
        loop {
            while self.clients.count() >= self.settings.process.worker_connections {
                self.closed.notified().await;
            }
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let (worker, listens) = (Rc::clone(&self), Rc::clone(&listens));
                    let place = Place::new(worker);
                    tokio::task::spawn_local(async move {
                        client::serve(&place.worker, place.number, stream, peer, &listens).await;
                    });
                }
                Err(error) => {
                    let log = &self.settings.process.error_log;
                    self.logs.error(log, Severity::Crit, &format!("accept() failed ({error})"), None);
                    sleep(ACCEPT_REST).await;
                }
            }
        }
    }
}

/// A client's connection among all of a worker's, however it ends.
struct Place {
    worker: Rc<Worker>,
    number: usize,
}

impl Place {
    fn new(worker: Rc<Worker>) -> Place {
        Place { number: worker.clients.take(), worker }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker.clients.leave(self.number);
        self.worker.closed.notify_waiters();
    }
}
