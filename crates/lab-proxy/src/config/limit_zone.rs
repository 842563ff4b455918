//! The zones of `limit_req_zone` and `limit_conn_zone`.

use std::sync::Arc;

use crate::limits::{ConnectionZone, RequestZone};
use crate::variables::Template;

/// A `limit_req_zone` or `limit_conn_zone`.
#[derive(Debug, Clone)]
pub struct LimitZone<S> {
    pub name: String,
    pub key: Template,
    pub state: Arc<S>,
}

/// The zones of a configuration, and their state.
#[derive(Debug, Clone, Default)]
pub struct LimitZones {
    pub(crate) requests: Vec<Arc<LimitZone<RequestZone>>>,
    pub(crate) connections: Vec<Arc<LimitZone<ConnectionZone>>>,
}

impl LimitZones {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.requests.iter().any(|zone| zone.name == name) || self.connections.iter().any(|zone| zone.name == name)
    }
}
