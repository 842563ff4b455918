//! One worker: a process with one `current_thread` runtime, which accepts connections and serves them on the core that
//! accepted them.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lab_http::message::extensions::ConnectionInfo;
use lab_net::deadline::now_or_pending;
use lab_net::tls::{HTTP_2, ServerConfig};
use lab_net::{Listener, Stream};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use crate::accept;
use crate::config::{WorkerConfig, WorkerConfigError};
use crate::connection::wait_for_retirement;
use crate::gateway::{Gateway, serve_connection};
use crate::http2::{self, ClientContext, FirstBytes};
use crate::idle_connections::{IdleConnections, IdleSlot, IdleStage};
use crate::shutdown::ShutdownState;

/// How long to wait after `accept` failed for lack of resources, such as descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The most connections that are accepted in one turn of the event loop.
const ACCEPTS_PER_TURN: usize = 16;

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
    let acceptor = ConnectionAcceptor {
        gateway,
        config: Rc::new(config),
        shutdown: shutdown.clone(),
        open: Arc::clone(&open),
        streams: Arc::new(Semaphore::new(max_connections as usize)),
        idle: IdleConnections::default(),
    };
    let listeners: Vec<Rc<Listener>> = listeners.into_iter().map(Rc::new).collect();
    let mut accepting = JoinSet::new();
    for listener in &listeners {
        accepting.spawn_local(acceptor.clone().accept_while_running(Rc::clone(listener)));
    }
    tracing::info!("worker {} is ready", std::process::id());
    // An error means that every sender is gone: nothing can announce a shutdown any more.
    let announced = shutdown.wait_for(|state| *state != ShutdownState::Running).await;
    let state = announced.map_or(ShutdownState::Graceful, |state| *state);
    accepting.shutdown().await;
    if state == ShutdownState::Immediate {
        return Ok(());
    }
    if state == ShutdownState::Graceful {
        acceptor.accept_backlog(&listeners).await;
    }
    drop((acceptor, listeners));
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

/// Accepts connections and serves each in a task of its own.
#[derive(Clone)]
struct ConnectionAcceptor<G> {
    gateway: G,
    config: Rc<WorkerConfig>,
    shutdown: watch::Receiver<ShutdownState>,
    /// One permit for each connection that may be open.
    open: Arc<Semaphore>,
    /// As many permits for the requests of HTTP/2.
    streams: Arc<Semaphore>,
    idle: IdleConnections,
}

impl<G: Gateway<Stream> + Clone + 'static> ConnectionAcceptor<G> {
    /// Accepts until a shutdown is announced, or the task is aborted.
    ///
    /// Serving between two accepts leaves the next connection to another worker, if one is idle. But a turn of the event loop
    /// takes as long as one request of every open connection, and with one accept in each turn new clients would wait
    /// for many of them. So a worker accepts as many connections in a turn as it has open.
    async fn accept_while_running(self, listener: Rc<Listener>) {
        let mut left_in_turn = 1;
        loop {
            let permit = self.permit_or_idle_connection().await;
            let accepted = {
                let mut accept = pin!(accept::accept(&listener));
                // A call can announce a shutdown while connections arrive: no further one is accepted in this turn.
                let accept = poll_fn(|cx| match *self.shutdown.borrow() {
                    ShutdownState::Running => accept.as_mut().poll(cx).map(Some),
                    _ => Poll::Ready(None),
                });
                tokio::select! {
                    biased;
                    accepted = accept => accepted,
                    () = self.idle.wait_for_none(), if permit.is_none() => continue,
                }
            };
            match accepted {
                None => return,
                Some(Ok(accepted)) => {
                    let is_served = accepted.is_some();
                    match permit {
                        Some(permit) => self.spawn(accepted, permit),
                        None => self.spawn_in_place_of_idle(accepted).await,
                    }
                    left_in_turn -= usize::from(is_served);
                    if left_in_turn == 0 {
                        yield_now().await;
                        left_in_turn = self.open_connections().clamp(1, ACCEPTS_PER_TURN);
                    }
                }
                Some(Err(error)) if is_connection_error(&error) => {}
                Some(Err(error)) => {
                    tracing::error!("cannot accept connections for {} ms: {error}", ACCEPT_PAUSE.as_millis());
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Accepts the connections that are in the backlog now. If this worker has the last descriptor of a listener, the
    /// kernel resets them when it is closed, and their clients may have sent a request already.
    async fn accept_backlog(&self, listeners: &[Rc<Listener>]) {
        // The runtime learns of their arrival when it polls the system, which it does before it resumes this task.
        yield_now().await;
        for listener in listeners {
            while let Ok(permit) = Arc::clone(&self.open).try_acquire_owned() {
                match now_or_pending(accept::accept(listener)).await {
                    Poll::Ready(Ok(accepted)) => self.spawn(accepted, permit),
                    Poll::Ready(Err(error)) if is_connection_error(&error) => {}
                    Poll::Ready(Err(_)) | Poll::Pending => break,
                }
            }
        }
    }

    /// Waits until another connection may be accepted: with a permit, or if an idle connection can give way to it (None).
    async fn permit_or_idle_connection(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            // The semaphore is never closed.
            permit = Arc::clone(&self.open).acquire_owned() => permit.ok(),
            () = self.idle.wait_for_any() => None,
        }
    }

    /// Serves a connection as soon as another one has given way, and returns then. The connection is not lost if this is
    /// dropped before.
    async fn spawn_in_place_of_idle(&self, accepted: Option<(Stream, ConnectionInfo)>) {
        // Its client has reset it already.
        if accepted.is_none() {
            return;
        }
        let (acceptor, has_room) = (self.clone(), Rc::new(Notify::new()));
        let served = Rc::clone(&has_room);
        spawn_local(async move {
            let permit = acceptor.idle.make_room(Arc::clone(&acceptor.open)).await;
            served.notify_one();
            if let Some(permit) = permit {
                acceptor.spawn(accepted, permit);
            }
        });
        has_room.notified().await;
    }

    fn open_connections(&self) -> usize {
        (self.config.max_connections as usize).saturating_sub(self.open.available_permits())
    }

    fn spawn(&self, accepted: Option<(Stream, ConnectionInfo)>, permit: OwnedSemaphorePermit) {
        let Some((stream, info)) = accepted else { return };
        let connection = self.clone().serve(stream, info);
        spawn_local(async move {
            connection.await;
            drop(permit);
        });
    }

    async fn serve(mut self, stream: Stream, info: ConnectionInfo) {
        let idle = self.idle.register();
        let stream = match self.config.tls.clone() {
            None => stream,
            Some(tls) => match self.tls_handshake(tls, stream, &info, &idle).await {
                Some(stream) => stream,
                None => return,
            },
        };
        // Boxed, so that the task of an HTTP/1.1 connection stays small.
        let Some(stream) = Box::pin(self.serve_http2(stream, info, &idle)).await else { return };
        serve_connection(stream, info, self.gateway, self.config, self.shutdown, idle).await;
    }

    /// Serves an HTTP/2 connection until it closes. Returns an HTTP/1.1 connection unserved.
    async fn serve_http2(&self, stream: Stream, info: ConnectionInfo, idle: &IdleSlot) -> Option<Stream> {
        let Some(config) = &self.config.http2 else { return Some(stream) };
        let agreed = stream.session().map(|session| session.alpn_protocol().as_deref() == Some(HTTP_2));
        let (stream, received) = match agreed {
            Some(true) => (stream, Vec::new()),
            None if config.cleartext_peers.as_ref().is_some_and(|peers| peers.include(&info)) => {
                match http2::read_preface(stream, &self.config, idle).await {
                    (stream, FirstBytes::Preface(received)) => (stream, received),
                    (stream, FirstBytes::Other) => {
                        http2::refuse_other_protocol(stream, &self.config).await;
                        return None;
                    }
                    (_, FirstBytes::Nothing) => return None,
                }
            }
            Some(false) | None => return Some(stream),
        };
        let (gateway, streams) = (self.gateway.clone(), Arc::clone(&self.streams));
        let client = ClientContext::new(gateway, info, Rc::clone(&self.config), self.shutdown.clone(), streams);
        http2::serve(stream, received, client, config.limits, idle).await;
        None
    }

    /// Each connection does its handshake in its own task, so a slow client delays no other connection.
    async fn tls_handshake(
        &mut self,
        tls: Arc<ServerConfig>,
        stream: Stream,
        info: &ConnectionInfo,
        idle: &IdleSlot,
    ) -> Option<Stream> {
        let handshake = pin!(timeout(self.config.header_timeout, stream.accept_tls(tls)));
        let handshake = tokio::select! {
            biased;
            handshake = idle.while_idle(IdleStage::Partial, handshake) => handshake.ok()?,
            () = wait_for_retirement(&mut self.shutdown, self.config.retirement_grace()) => return None,
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
