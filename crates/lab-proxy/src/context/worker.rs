//! The state that all connections of a worker share.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::CacheZones;
use crate::config::Config;
use crate::context::WakerSet;
use crate::logging::LogFiles;
use crate::tls::TlsContexts;

/// The configuration, the logs and the open client connections of one worker.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    pub(crate) config: Arc<Config>,
    pub(crate) logs: LogFiles,
    pub(crate) tls: Arc<TlsContexts>,
    pub(crate) caches: Arc<CacheZones>,
    /// The open client connections.
    pub(crate) connections: WakerSet,
    is_quitting: Cell<bool>,
}

impl WorkerContext {
    pub(crate) fn new(
        config: Arc<Config>,
        logs: LogFiles,
        tls: Arc<TlsContexts>,
        caches: Arc<CacheZones>,
    ) -> WorkerContext {
        WorkerContext { config, logs, tls, caches, connections: WakerSet::default(), is_quitting: Cell::new(false) }
    }

    /// Whether connections are closed as soon as they are idle.
    pub(crate) fn is_quitting(&self) -> bool {
        self.is_quitting.get()
    }

    /// Closes idle connections from now on.
    pub(crate) fn quit(&self) {
        self.is_quitting.set(true);
        self.connections.wake_all();
    }

    /// Unique in this process.
    pub(crate) fn next_serial(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}
