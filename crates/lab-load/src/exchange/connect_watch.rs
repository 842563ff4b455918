//! Watches over a client's connections: is it connecting right now, how often has it, and does it still need to?
//!
//! A layer around reqwest's connector, because reqwest tells none of it: its errors do not tell a timeout while
//! connecting from one while waiting for the answer, and its connections are not counted.
//!
//! It also keeps the client from opening connections that nobody asked for. When a request follows the last one at
//! once, the kept-alive connection may not be back in the client's pool yet. hyper-util then does both: it waits for
//! the pool and begins to connect, and when the pool wins it finishes the new connection in a task of its own, only
//! to throw it away. Under a closed loop with bodies of several reads that happens all the time. So connecting here
//! begins by giving the others a turn, and goes on only in the task that asked for it. On a runtime of one thread,
//! the task that gives the old connection back is among those others; on several threads nobody could say.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

/// Watches the connector of one client; clones watch the same one.
#[derive(Debug, Clone, Default)]
pub struct ConnectWatch(Arc<State>);

#[derive(Debug, Default)]
struct State {
    connecting: AtomicBool,
    opened: AtomicU64,
}

impl ConnectWatch {
    /// Whether the client has begun to connect and not come through: it still waits, or it failed.
    #[must_use]
    pub fn is_connecting(&self) -> bool {
        self.0.connecting.load(Ordering::Relaxed)
    }

    /// Connections opened so far.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// To be called before each request.
    pub(super) fn request_begins(&self) {
        self.0.connecting.store(false, Ordering::Relaxed);
    }
}

impl<S> Layer<S> for ConnectWatch {
    type Service = WatchedConnector<S>;

    fn layer(&self, inner: S) -> WatchedConnector<S> {
        WatchedConnector { inner, watch: self.clone() }
    }
}

/// A connector with a [`ConnectWatch`] on it.
#[derive(Debug, Clone)]
pub struct WatchedConnector<S> {
    inner: S,
    watch: ConnectWatch,
}

/// The pool had a connection after all. Nobody sees this: the task in which it happens has no other purpose.
#[derive(Debug, thiserror::Error)]
#[error("the connection is no longer needed")]
struct NoLongerNeeded;

type BoxError = Box<dyn Error + Send + Sync>;

impl<S, Destination> Service<Destination> for WatchedConnector<S>
where
    S: Service<Destination, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, destination: Destination) -> Self::Future {
        let connect = self.inner.call(destination);
        let watch = self.watch.clone();
        let asked_by = tokio::task::try_id();
        Box::pin(async move {
            tokio::task::yield_now().await;
            if tokio::task::try_id() != asked_by {
                return Err(NoLongerNeeded.into());
            }
            watch.0.connecting.store(true, Ordering::Relaxed);
            let connection = connect.await?;
            watch.0.connecting.store(false, Ordering::Relaxed);
            watch.0.opened.fetch_add(1, Ordering::Relaxed);
            Ok(connection)
        })
    }
}
