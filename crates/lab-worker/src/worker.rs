//! One worker: a process with one `current_thread` runtime, which accepts connections and serves them on the core that
//! accepted them.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lab_http::extensions::ConnectionInfo;
use lab_net::tls::ServerConfig;
use lab_net::{Listener, Stream};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use crate::accept;
use crate::config::{WorkerConfig, WorkerConfigError};
use crate::connection::wait_for_shutdown;
use crate::gateway::{Gateway, serve_connection};
use crate::shutdown::ShutdownState;

/// How long to wait after `accept` failed for lack of resources, such as descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a worker cannot boot.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The arbiter died before the worker could tie itself to it.
    #[error("the arbiter is gone")]
    ArbiterGone,
    #[error(transparent)]
    Config(#[from] WorkerConfigError),
    #[error("cannot {what}: {error}")]
    Io { what: &'static str, error: io::Error },
}

/// Makes this process die with its arbiter, however that ends, and names it. Call it first. `arbiter` is the process
/// that started this one. The kernel sends the signal when the *thread* that started this process ends, so an arbiter
/// must start its workers from its main thread.
pub fn die_with_arbiter(arbiter: i32) -> Result<(), WorkerError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|errno| WorkerError::Io { what: "tie the worker to its arbiter", error: errno.into() })?;
    // The kernel names a process after the file it was started from, which is a link in /proc here.
    rustix::thread::set_name(c"lab")
        .map_err(|errno| WorkerError::Io { what: "name the worker", error: errno.into() })?;
    // The signal is not sent for a parent that died before the call above.
    if getppid().map(Pid::as_raw_nonzero).is_none_or(|parent| parent.get() != arbiter) {
        return Err(WorkerError::ArbiterGone);
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

/// Accepts connections on all `listeners` and serves each through a clone of `gateway`, until a shutdown is announced
/// and complete.
pub async fn serve<G>(
    listeners: Vec<Listener>,
    gateway: G,
    config: WorkerConfig,
    mut shutdown: watch::Receiver<ShutdownState>,
) -> io::Result<()>
where
    G: Gateway<Stream> + Clone + 'static,
{
    let (max_connections, graceful_timeout) = (config.max_connections, config.graceful_timeout);
    let open = Arc::new(Semaphore::new(max_connections as usize));
    let acceptor = ConnectionAcceptor { config: Rc::new(config), shutdown: shutdown.clone() };
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn_local(accept(listener, gateway.clone(), acceptor.clone(), Arc::clone(&open)));
    }
    drop(gateway);
    tracing::info!("worker {} is ready", std::process::id());
    // An error means that every sender is gone: nothing can announce a shutdown any more.
    let announced = shutdown.wait_for(|state| *state != ShutdownState::Running).await;
    let state = announced.map_or(ShutdownState::Graceful, |state| *state);
    accepting.shutdown().await;
    if state == ShutdownState::Immediate {
        return Ok(());
    }
    let all_closed = open.acquire_many(max_connections);
    tokio::select! {
        closed = timeout(graceful_timeout, all_closed) => if closed.is_err() {
            let left = max_connections as usize - open.available_permits();
            tracing::warn!("{left} connections did not end within {graceful_timeout:?}");
        },
        _ = shutdown.wait_for(|state| *state == ShutdownState::Immediate) => {}
    }
    Ok(())
}

/// Turns accepted sockets into served connections.
#[derive(Clone)]
struct ConnectionAcceptor {
    config: Rc<WorkerConfig>,
    shutdown: watch::Receiver<ShutdownState>,
}

impl ConnectionAcceptor {
    async fn serve<G: Gateway<Stream>>(mut self, stream: Stream, info: ConnectionInfo, gateway: G) {
        let stream = match self.config.tls.clone() {
            None => stream,
            Some(tls) => match self.tls_handshake(tls, stream, &info).await {
                Some(stream) => stream,
                None => return,
            },
        };
        serve_connection(stream, info, gateway, self.config, self.shutdown).await;
    }

    /// Each connection does its handshake in its own task, so a slow client delays no other connection.
    async fn tls_handshake(&mut self, tls: Arc<ServerConfig>, stream: Stream, info: &ConnectionInfo) -> Option<Stream> {
        let handshake = tokio::select! {
            biased;
            handshake = timeout(self.config.header_timeout, stream.accept_tls(tls)) => handshake,
            () = wait_for_shutdown(&mut self.shutdown, true) => return None,
        };
        match handshake {
            Ok(Ok(stream)) => return Some(stream),
            // A health check that only opens and closes a connection is not worth a log line.
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Ok(Err(error)) => tracing::info!("{info}: the handshake failed: {error}"),
            Err(_) => tracing::info!("{info}: the handshake took too long"),
        }
        None
    }
}

/// Accepts connections on one listener until its task is aborted.
async fn accept<G>(listener: Listener, gateway: G, acceptor: ConnectionAcceptor, open: Arc<Semaphore>)
where
    G: Gateway<Stream> + Clone + 'static,
{
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&open).acquire_owned().await {
        match accept::accept(&listener).await {
            Ok(Some((stream, info))) => {
                let connection = acceptor.clone().serve(stream, info, gateway.clone());
                spawn_local(async move {
                    connection.await;
                    drop(permit);
                });
                // Serving first leaves the next connection to another worker, if one is idle.
                yield_now().await;
            }
            Ok(None) => {}
            Err(error) if is_connection_error(&error) => {}
            Err(error) => {
                tracing::error!("cannot accept connections for {} ms: {error}", ACCEPT_PAUSE.as_millis());
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Announces a shutdown on signals: graceful on SIGTERM, immediate on SIGINT and SIGQUIT (gunicorn: "Signal Handling").
/// Call it on a worker's runtime.
pub fn announce_shutdown_on_signals(to: watch::Sender<ShutdownState>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    spawn_local(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => ShutdownState::Graceful.announce(&to),
                _ = interrupt.recv() => ShutdownState::Immediate.announce(&to),
                _ = quit.recv() => ShutdownState::Immediate.announce(&to),
            }
        }
    });
    Ok(())
}

/// Whether an error of `accept` concerns only the new connection (accept(2)), not the listener or the process.
fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut)
}
