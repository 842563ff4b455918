//! `keepalive_timeout`: how long a client's connection waits for its next request.

use std::time::Duration;

use lab_nginx_conf::{ConfError, Directive};

/// `keepalive_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long a connection may wait for its next request; zero closes it after each.
    pub idle: Duration,
    /// The value of `Keep-Alive: timeout=` in responses.
    pub announced: Option<Duration>,
}

impl Default for KeepAlive {
    fn default() -> KeepAlive {
        KeepAlive { idle: Duration::from_secs(75), announced: None }
    }
}

impl KeepAlive {
    pub(super) fn read(directive: &Directive) -> Result<KeepAlive, ConfError> {
        let announced = directive.arg(1).map(|value| directive.parse_time(value)).transpose()?;
        Ok(KeepAlive { idle: directive.time()?, announced: announced.filter(|time| !time.is_zero()) })
    }
}
