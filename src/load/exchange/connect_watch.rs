//! Knows whether a client is connecting right now, and how often it has.
//!
//! reqwest's errors do not tell a timeout while connecting from one while waiting for the answer, and nothing in it
//! counts connections; a layer around its connector does both.

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
    pub(super) fn reset(&self) {
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

impl<S, Destination> Service<Destination> for WatchedConnector<S>
where
    S: Service<Destination>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, destination: Destination) -> Self::Future {
        self.watch.0.connecting.store(true, Ordering::Relaxed);
        let connect = self.inner.call(destination);
        let watch = self.watch.clone();
        Box::pin(async move {
            let connection = connect.await?;
            watch.0.connecting.store(false, Ordering::Relaxed);
            watch.0.opened.fetch_add(1, Ordering::Relaxed);
            Ok(connection)
        })
    }
}
