//! What all streams of a connection share.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use lab_http::message::extensions::ConnectionInfo;
use tokio::sync::{Semaphore, watch};

use super::inner_connection::InnerConnection;
use crate::config::WorkerConfig;
use crate::shutdown::ShutdownState;

/// The client of a connection, and what serves its requests.
pub(crate) struct ClientContext<G> {
    gateway: G,
    pub(super) info: ConnectionInfo,
    pub(super) config: Rc<WorkerConfig>,
    pub(super) shutdown: watch::Receiver<ShutdownState>,
    /// One permit for each request that the worker may serve at a time over HTTP/2.
    pub(super) streams: Arc<Semaphore>,
    /// Inner connections without a request.
    spare: RefCell<Vec<InnerConnection<G>>>,
}

impl<G: Clone> ClientContext<G> {
    pub(crate) fn new(
        gateway: G,
        info: ConnectionInfo,
        config: Rc<WorkerConfig>,
        shutdown: watch::Receiver<ShutdownState>,
        streams: Arc<Semaphore>,
    ) -> ClientContext<G> {
        ClientContext { gateway, info, config, shutdown, streams, spare: RefCell::default() }
    }

    /// A spare inner connection, or a new one.
    pub(super) fn take_inner(&self) -> io::Result<InnerConnection<G>> {
        let spare = self.spare.borrow_mut().pop();
        let open = || InnerConnection::open(self.gateway.clone(), self.info, &self.config, self.shutdown.clone());
        spare.map_or_else(open, Ok)
    }

    pub(super) fn give_back(&self, inner: InnerConnection<G>) {
        self.spare.borrow_mut().push(inner);
    }

    /// Closes the spare inner connections.
    pub(super) fn close_spare(&self) {
        self.spare.borrow_mut().clear();
    }
}
