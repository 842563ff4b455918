//! A worker: one thread, one `current_thread` runtime. A connection stays with the worker that accepted it.
//!
//! A panic ends the connection it happened on, whose task it unwinds. Outside of connections it ends the worker, which
//! starts again on the same sockets, as nginx replaces a worker that died.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lab_net::Listener;
use socket2::Socket;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::cache::CacheZones;
use crate::clock;
use crate::config::Config;
use crate::config::address::Address;
use crate::config::logs::Severity;
use crate::context::WorkerContext;
use crate::downstream::connection;
use crate::downstream::opening::Accepted;
use crate::logging::{self, LogFiles};
use crate::tls::TlsContexts;
use crate::upstream::Upstreams;

/// What the master wants its workers to do. A later command is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WorkerCommand {
    /// Accept and serve.
    Serve,
    /// Accept no more connections, finish the requests in progress, then end (SIGQUIT).
    Quit,
    /// End at once (SIGTERM, SIGINT).
    Stop,
}

struct Worker {
    context: WorkerContext,
    upstreams: Upstreams,
    /// Notified when a client's connection has closed.
    closed: Notify,
}

/// How often idle upstream connections are checked.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How long accepting pauses when there are no descriptors left, as in nginx.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// The pause before a worker that has panicked starts again, in case it panics at once.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket of this worker, with the `listen`s it serves.
pub(crate) type WorkerListener = (Socket, Vec<usize>);

/// What a worker shares with the others of its generation.
#[derive(Clone)]
pub(crate) struct WorkerState {
    pub(crate) config: Arc<Config>,
    pub(crate) logs: LogFiles,
    pub(crate) tls: Arc<TlsContexts>,
    pub(crate) caches: Arc<CacheZones>,
}

/// Runs a worker on the calling thread until a command ends it, also across panics.
///
/// # Errors
/// The runtime or a listener cannot be created.
pub(crate) fn run(
    state: &WorkerState,
    listeners: Vec<WorkerListener>,
    commands: &watch::Receiver<WorkerCommand>,
) -> io::Result<()> {
    let listeners = RefCell::new(listeners);
    loop {
        let (own_state, own_commands) = (state.clone(), commands.clone());
        // what the panic may have left half done is dropped with the runtime
        let run = AssertUnwindSafe(|| run_once(own_state, &listeners, own_commands));
        if let Ok(served) = catch_unwind(run) {
            return served;
        }
        logging::flush_all();
        let WorkerState { config, logs, .. } = state;
        logs.error(&config.process.error_log, Severity::Alert, "worker panicked, and starts again", None);
        if *commands.borrow() > WorkerCommand::Serve {
            return Ok(());
        }
        std::thread::sleep(RESTART_PAUSE);
    }
}

fn run_once(
    state: WorkerState,
    listeners: &RefCell<Vec<WorkerListener>>,
    commands: watch::Receiver<WorkerCommand>,
) -> io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // access logs are written when the worker is idle
    let runtime = runtime
        .enable_all()
        .on_thread_park(logging::flush)
        .on_thread_unpark(|| _ = clock::begin_turn())
        .build_local(Default::default())?;
    state.logs.begin_buffering();
    let upstreams = Upstreams::new(&state.config);
    let context = WorkerContext::new(state.config, state.logs, state.tls, state.caches);
    let worker = Rc::new(Worker { context, upstreams, closed: Notify::new() });
    let served = runtime.block_on(worker.serve(listeners, commands));
    drop(runtime);
    logging::flush_all();
    served
}

impl Worker {
    /// Accepts and serves connections. `listeners` is emptied when the worker accepts no more.
    async fn serve(
        self: Rc<Self>,
        listeners: &RefCell<Vec<WorkerListener>>,
        mut commands: watch::Receiver<WorkerCommand>,
    ) -> io::Result<()> {
        let mut accepting = JoinSet::new();
        for (socket, listens) in listeners.borrow().iter() {
            let socket = socket.try_clone()?;
            let Some(listen) = listens.first().map(|&index| &self.context.config.listens[index]) else { continue };
            if let Address::Internet(_) = listen.address {
                // accepted sockets inherit it
                socket.set_tcp_nodelay(self.context.config.servers[listen.default_server].config().tcp_nodelay)?;
            }
            let listener = Listener::new(socket.into())?;
            accepting.spawn_local(Rc::clone(&self).accept(listener, listens.as_slice().into()));
        }
        let mut sweep = interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = sweep.tick() => {
                    self.upstreams.sweep();
                    logging::flush_due();
                    self.fetch_due_staplings();
                }
                // a task that accepts ends only by a panic
                Some(Err(panic)) = accepting.join_next() => resume_unwind(panic.into_panic()),
                // without a master, stop
                command = commands.wait_for(|command| *command > WorkerCommand::Serve) => match command.map_or(WorkerCommand::Stop, |command| *command) {
                    WorkerCommand::Stop => return Ok(()),
                    WorkerCommand::Quit | WorkerCommand::Serve => break,
                },
            }
        }
        drop(accepting);
        listeners.borrow_mut().clear();
        self.context.quit();
        let finished = async {
            while self.context.connections.count() > 0 {
                self.closed.notified().await;
            }
        };
        let shutdown_timeout = self.context.config.process.shutdown_timeout;
        tokio::select! {
            () = finished => {}
            _ = commands.wait_for(|command| *command == WorkerCommand::Stop) => {}
            () = sleep(shutdown_timeout.unwrap_or_default()), if shutdown_timeout.is_some() => {}
        }
        Ok(())
    }

    fn fetch_due_staplings(self: &Rc<Self>) {
        for certificate in self.context.tls.claim_due_staplings() {
            let (certificate, worker) = (Arc::clone(certificate), Rc::clone(self));
            tokio::task::spawn_local(async move {
                if let Err(message) = certificate.refresh().await {
                    let WorkerContext { logs, config, .. } = &worker.context;
                    logs.error(&config.process.error_log, Severity::Error, &message, None);
                }
            });
        }
    }

    async fn accept(self: Rc<Self>, listener: Listener, listens: Rc<[usize]>) {
        loop {
            while self.context.connections.count() >= self.context.config.process.worker_connections {
                self.closed.notified().await;
            }
            match listener.accept().await {
                Ok((stream, peer)) => {
                    #[cfg(test)]
                    tests::panic_if_told(tests::Place::Accepting);
                    let slot = ConnectionSlot::new(Rc::clone(&self));
                    let listens = Rc::clone(&listens);
                    tokio::task::spawn_local(async move {
                        #[cfg(test)]
                        tests::panic_if_told(tests::Place::Connection);
                        let accepted = Accepted { slot: slot.number, peer, listens: &listens };
                        connection::serve(&slot.worker.context, &slot.worker.upstreams, accepted, stream).await;
                    });
                }
                Err(error) => {
                    let log = &self.context.config.process.error_log;
                    self.context.logs.error(log, Severity::Crit, &format!("accept() failed ({error})"), None);
                    sleep(ACCEPT_PAUSE).await;
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
        if std::thread::panicking() {
            let WorkerContext { logs, config, .. } = &self.worker.context;
            logs.error(&config.process.error_log, Severity::Alert, "a connection ended by a panic", None);
        }
        self.worker.context.connections.release(self.number);
        self.worker.closed.notify_waiters();
    }
}
