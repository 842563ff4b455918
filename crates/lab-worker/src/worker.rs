//! One worker: a process with one `current_thread` runtime, which accepts connections and serves them in place.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lab_net::tls::ServerConfig;
use lab_net::{Listener, Stream};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use crate::accept;
use crate::connection::{self, Gateway};
use crate::order::Order;
use crate::settings::Settings;
use crate::worker_settings::TermsError;
use lab_http::extensions::ConnectionInfo;

/// How long no connection is accepted after there were no resources for one.
const PAUSE: Duration = Duration::from_millis(100);

/// How a worker works.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What bounds its clients.
    pub settings: Settings,
    /// How long requests in progress get to end in (gunicorn's `graceful_timeout`).
    pub graceful_timeout: Duration,
    /// Connections open at the same time (gunicorn's `worker_connections`).
    pub connections: u32,
    /// The TLS of all its sockets; None without.
    pub tls: Option<Arc<ServerConfig>>,
}

/// Why a worker cannot boot.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The master died before the worker could be tied to it.
    #[error("the master is gone")]
    MasterGone,
    /// The settings make no sense here.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The system refused something.
    #[error("cannot {what}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// Makes this process die with its master, however that dies, and go by its name; to be called first. `master` is the
/// process that started this one. The signal comes when the *thread* that started this process ends, so a master has
/// to start its workers from its main thread.
pub fn die_with(master: i32) -> Result<(), WorkerError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|errno| WorkerError::Io { what: "tie the worker to its master", error: errno.into() })?;
    // Started through a link in /proc, the process would else be called after that.
    rustix::thread::set_name(c"lab")
        .map_err(|errno| WorkerError::Io { what: "name the worker", error: errno.into() })?;
    // Who had died before that is no longer the parent.
    if getppid().map(Pid::as_raw_nonzero).is_none_or(|parent| parent.get() != master) {
        return Err(WorkerError::MasterGone);
    }
    Ok(())
}

/// The runtime of a worker.
pub fn runtime() -> Result<LocalRuntime, WorkerError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|error| WorkerError::Io { what: "start a runtime", error })
}

/// Accepts connections on all `listeners` and serves them through clones of `gateway`, until the order comes to end.
pub async fn serve<G>(
    listeners: Vec<Listener>,
    gateway: G,
    terms: Terms,
    mut orders: watch::Receiver<Order>,
) -> io::Result<()>
where
    G: Gateway<Stream> + Clone + 'static,
{
    let open = Arc::new(Semaphore::new(terms.connections as usize));
    let reception = Reception { settings: Rc::new(terms.settings), tls: terms.tls, orders: orders.clone() };
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn_local(accept(listener, gateway.clone(), reception.clone(), Arc::clone(&open)));
    }
    drop(gateway);
    tracing::info!("worker {} is ready", std::process::id());
    let ended = |order: &Order| *order != Order::Serve;
    // The sender is held by whoever may give orders; if nobody is left, nothing more is to be done either.
    let order = orders.wait_for(ended).await.map_or(Order::Finish, |order| *order);
    accepting.shutdown().await;
    if order == Order::Quit {
        return Ok(());
    }
    let all_ended = open.acquire_many(terms.connections);
    tokio::select! {
        ended = timeout(terms.graceful_timeout, all_ended) => if ended.is_err() {
            let left = terms.connections as usize - open.available_permits();
            tracing::warn!("{left} connections did not end within {:?}", terms.graceful_timeout);
        },
        _ = orders.wait_for(|order| *order == Order::Quit) => {}
    }
    Ok(())
}

/// What becomes of accepted connections.
#[derive(Clone)]
struct Reception {
    settings: Rc<Settings>,
    tls: Option<Arc<ServerConfig>>,
    orders: watch::Receiver<Order>,
}

impl Reception {
    /// Shakes hands, if there are hands to be shaken, and serves the connection.
    async fn receive<G: Gateway<Stream>>(mut self, stream: Stream, info: ConnectionInfo, gateway: G) {
        let stream = match self.tls.take() {
            None => stream,
            Some(config) => match self.shake_hands(config, stream, &info).await {
                Some(stream) => stream,
                None => return,
            },
        };
        connection::serve(stream, info, gateway, self.settings, self.orders).await;
    }

    /// A handshake takes no longer than a head may, and holds up nobody else.
    async fn shake_hands(
        &mut self,
        config: Arc<ServerConfig>,
        stream: Stream,
        info: &ConnectionInfo,
    ) -> Option<Stream> {
        let shaken = tokio::select! {
            biased;
            shaken = timeout(self.settings.header_timeout, stream.accept_tls(config)) => shaken,
            () = connection::until_given_up(&mut self.orders, true) => return None,
        };
        match shaken {
            Ok(Ok(stream)) => return Some(stream),
            // Such connections are made and given up to see whether somebody listens.
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Ok(Err(error)) => tracing::info!("{info}: the handshake failed: {error}"),
            Err(_) => tracing::info!("{info}: the handshake took too long"),
        }
        None
    }
}

/// Accepts connections on one listener, as long as it is let.
async fn accept<G>(listener: Listener, gateway: G, reception: Reception, open: Arc<Semaphore>)
where
    G: Gateway<Stream> + Clone + 'static,
{
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&open).acquire_owned().await {
        match accept::accept(&listener).await {
            Ok(Some((stream, info))) => {
                let connection = reception.clone().receive(stream, info, gateway.clone());
                spawn_local(async move {
                    connection.await;
                    drop(permit);
                });
                // Leaves the next connection to another worker, if one is idle.
                yield_now().await;
            }
            Ok(None) => {}
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!("cannot accept connections for {} ms: {error}", PAUSE.as_millis());
                sleep(PAUSE).await;
            }
        }
    }
}

/// Turns signals into orders: SIGTERM to finish, SIGINT and SIGQUIT to quit (gunicorn: "Signal Handling"). To be called
/// on a worker's runtime.
pub fn obey_signals(to: watch::Sender<Order>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    spawn_local(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => Order::Finish.give(&to),
                _ = interrupt.recv() => Order::Quit.give(&to),
                _ = quit.recv() => Order::Quit.give(&to),
            }
        }
    });
    Ok(())
}

/// Whether only the connection that was to be accepted is affected (accept(2): errors of the new socket), not the
/// listening socket or the process.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut)
}
