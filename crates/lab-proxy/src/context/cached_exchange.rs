//! A request to an upstream whose response the cache may store or replace.

use std::sync::Arc;

use lab_cache::policy::control::RequestControl;
use lab_cache::store::{Flight, Key, StoredResponse, Zone};

/// An update of a stored response that follows the response to the client.
#[derive(Debug)]
pub(crate) struct PendingUpdate {
    pub(crate) zone: Arc<Zone>,
    pub(crate) key: Key,
    pub(crate) flight: Flight,
}

/// What the cache knows of a request that is passed to an upstream.
#[derive(Debug)]
pub(crate) struct CachedExchange {
    pub(crate) zone: Arc<Zone>,
    pub(crate) key: Key,
    pub(crate) control: RequestControl,
    /// When the request was sent, in seconds since 1970.
    pub(crate) sent: i64,
    /// The stored response that is validated, or that may be used if the upstream fails.
    pub(crate) stored: Option<Box<StoredResponse>>,
    /// Other requests for the key wait for this one.
    pub(crate) flight: Option<Flight>,
    /// Whether the request changes something, so that entries for its target are not used again.
    pub(crate) invalidates: bool,
    /// Whether the key names the range of a slice.
    pub(crate) is_for_slice: bool,
}
