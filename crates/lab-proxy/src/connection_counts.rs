//! The counts of `stub_status`: connections and requests of all workers since the process started.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::variables::ConnectionCount;

static ACCEPTED: AtomicU64 = AtomicU64::new(0);
static ACTIVE: AtomicU64 = AtomicU64::new(0);
static REQUESTS: AtomicU64 = AtomicU64::new(0);
static READING: AtomicU64 = AtomicU64::new(0);
static WRITING: AtomicU64 = AtomicU64::new(0);

/// The counts at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionCounts {
    pub(crate) accepted: u64,
    pub(crate) active: u64,
    pub(crate) requests: u64,
    /// Connections whose request is being read.
    pub(crate) reading: u64,
    /// Connections whose request is being served.
    pub(crate) writing: u64,
}

impl ConnectionCounts {
    #[must_use]
    pub(crate) fn now() -> ConnectionCounts {
        let [accepted, active, requests, reading, writing] =
            [&ACCEPTED, &ACTIVE, &REQUESTS, &READING, &WRITING].map(|count| count.load(Relaxed));
        ConnectionCounts { accepted, active, requests, reading, writing }
    }

    /// Idle connections.
    #[must_use]
    pub(crate) fn waiting(&self) -> u64 {
        self.active.saturating_sub(self.reading + self.writing)
    }

    #[must_use]
    pub(crate) fn get(&self, count: ConnectionCount) -> u64 {
        match count {
            ConnectionCount::Active => self.active,
            ConnectionCount::Reading => self.reading,
            ConnectionCount::Waiting => self.waiting(),
            ConnectionCount::Writing => self.writing,
        }
    }

    /// The page of `stub_status`.
    #[must_use]
    pub(crate) fn page(&self) -> String {
        let ConnectionCounts { accepted, active, requests, reading, writing } = self;
        let waiting = self.waiting();
        format!(
            "Active connections: {active} \nserver accepts handled requests\n {accepted} {accepted} {requests} \n\
             Reading: {reading} Writing: {writing} Waiting: {waiting} \n"
        )
    }
}

/// An open connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(());

impl OpenConnection {
    pub(crate) fn new() -> OpenConnection {
        ACCEPTED.fetch_add(1, Relaxed);
        ACTIVE.fetch_add(1, Relaxed);
        OpenConnection(())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        ACTIVE.fetch_sub(1, Relaxed);
    }
}

/// A request that is being read and then served, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    is_read: bool,
}

impl OpenRequest {
    pub(crate) fn new() -> OpenRequest {
        REQUESTS.fetch_add(1, Relaxed);
        READING.fetch_add(1, Relaxed);
        OpenRequest { is_read: false }
    }

    /// The head was read.
    pub(crate) fn begin_writing(&mut self) {
        if !std::mem::replace(&mut self.is_read, true) {
            READING.fetch_sub(1, Relaxed);
            WRITING.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        (if self.is_read { &WRITING } else { &READING }).fetch_sub(1, Relaxed);
    }
}
