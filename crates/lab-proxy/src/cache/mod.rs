//! The cache between requests and the crate `lab-cache`: what nginx's directives and fields make of its rules.
//!
//! [`zones`] opens the folders, [`terms`] decides how long a response is kept, by RFC 9111 or as nginx does. The path of a
//! request through the cache is in `downstream::cached`. This module sends nothing, and knows no connections.

pub(crate) mod nginx_terms;
pub(crate) mod terms;
pub(crate) mod zones;

use std::time::UNIX_EPOCH;

use crate::clock;
pub(crate) use zones::{CacheZoneError, CacheZones};

/// The current time as the cache counts it.
pub(crate) fn now() -> i64 {
    let since = clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
