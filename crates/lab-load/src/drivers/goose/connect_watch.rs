//! Watches a client's connections: whether it is connecting, how many it has opened, and whether it still needs one.
//!
//! A layer around reqwest's connector, because reqwest reports neither: its errors do not distinguish a timeout while
//! connecting from one while waiting for the response, and it does not count connections.
//!
//! The layer also prevents unnecessary connections. When a request immediately follows another, the kept-alive
//! connection may not be back in the client's pool yet. hyper-util then waits for the pool and connects at the same
//! time; when the pool wins, it finishes the new connection in a background task and drops it. A closed loop with
//! multi-read bodies triggers this constantly. So connecting begins with a yield, and continues only in the task that
//! started it. On a single-threaded runtime the yield lets the task run that returns the old connection; on several
//! threads there is no such guarantee.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

/// Watches the connector of one client; clones share their state.
#[derive(Debug, Clone, Default)]
pub(super) struct ConnectWatch(Arc<State>);

#[derive(Debug, Default)]
struct State {
    connecting: AtomicBool,
    opened: AtomicU64,
}

impl ConnectWatch {
    /// Whether the client has begun to connect without success: it is still connecting, or has failed.
    pub(super) fn is_connecting(&self) -> bool {
        self.0.connecting.load(Ordering::Relaxed)
    }

    /// The number of connections opened so far.
    pub(super) fn opened(&self) -> u64 {
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

/// A connector with a [`ConnectWatch`].
#[derive(Debug, Clone)]
pub(super) struct WatchedConnector<S> {
    inner: S,
    watch: ConnectWatch,
}

/// The pool had a connection after all. No caller sees this error: the background task in which it occurs has no other
/// purpose.
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
        let started_by = tokio::task::try_id();
        Box::pin(async move {
            tokio::task::yield_now().await;
            if tokio::task::try_id() != started_by {
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
