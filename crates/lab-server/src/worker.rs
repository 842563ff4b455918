//! One worker: a process with one `current_thread` runtime, which accepts connections and serves them in place.

use std::fmt::Display;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout};
use tower_service::Service;

use crate::connection;
use crate::extensions::ConnectionInfo;
use crate::request_body::RequestBody;
use crate::settings::Settings;

/// How long no connection is accepted after there were no resources for one.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a worker cannot boot.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The master died before the worker could be tied to it.
    #[error("the master is gone")]
    MasterGone,
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

/// Serves `listener` with `service` until a signal: after SIGTERM in-flight requests get `graceful_timeout` to end in,
/// after SIGINT and SIGQUIT nothing is waited for (gunicorn: "Signal Handling").
pub fn run<S, B>(
    listener: TcpListener,
    service: S,
    settings: Settings,
    graceful_timeout: Duration,
) -> Result<(), WorkerError>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Display,
    B: Body<Data = Bytes> + 'static,
    B::Error: Display,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| WorkerError::Io { what: "start a runtime", error })?;
    LocalSet::new()
        .block_on(&runtime, serve(listener, service, settings, graceful_timeout))
        .map_err(|error| WorkerError::Io { what: "serve the listening socket", error })
}

async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    settings: Settings,
    graceful_timeout: Duration,
) -> io::Result<()>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Display,
    B: Body<Data = Bytes> + 'static,
    B::Error: Display,
{
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let settings = Rc::new(settings);
    let (stop, stopping) = watch::channel(false);
    tracing::info!("worker {} is ready", std::process::id());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Some(info) = prepare(&stream, peer) else { continue };
                    let (service, settings) = (service.clone(), Rc::clone(&settings));
                    spawn_local(connection::serve(stream, info, service, settings, stopping.clone()));
                    // Leaves the next connection to another worker, if one is idle.
                    yield_now().await;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!("cannot accept connections for {} ms: {error}", PAUSE.as_millis());
                    sleep(PAUSE).await;
                }
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => return Ok(()),
            _ = quit.recv() => return Ok(()),
        }
    }
    drop(listener);
    drop(stopping);
    stop.send_replace(true);
    // Every connection holds a receiver, so that the channel is closed when the last one has ended.
    tokio::select! {
        ended = timeout(graceful_timeout, stop.closed()) => if ended.is_err() {
            tracing::warn!("{} connections did not end within {graceful_timeout:?}", stop.receiver_count());
        },
        _ = interrupt.recv() => {}
        _ = quit.recv() => {}
    }
    Ok(())
}

/// The two ends of a connection; None if it is broken already, as a peer that resets at once leaves it.
fn prepare(stream: &TcpStream, peer: std::net::SocketAddr) -> Option<ConnectionInfo> {
    stream.set_nodelay(true).ok()?;
    Some(ConnectionInfo { peer, local: stream.local_addr().ok()? })
}

/// Whether only the connection that was to be accepted is affected (accept(2): errors of the new socket), not the
/// listening socket or the process.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut)
}
