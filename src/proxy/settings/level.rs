//! What one block says that the blocks inside it inherit, and what holds in the end.

use std::path::Path;
use std::time::Duration;

use super::super::conf::{ConfError, Directive};
use super::buffering::{Buffering, BufferingLevel};
use super::logs::{AccessLog, ErrorLog, LogFormats};
use super::pass::ProxyLevel;
use super::retry::{Retry, RetryLevel};

/// What the directives of one block say; `None` where they say nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub(super) access_log: Option<Vec<AccessLog>>,
    pub(super) error_log: Option<ErrorLog>,
    pub(super) server_tokens: Option<bool>,
    pub(super) tcp_nodelay: Option<bool>,
    pub(super) client_header_timeout: Option<Duration>,
    pub(super) client_body_timeout: Option<Duration>,
    pub(super) client_max_body_size: Option<u64>,
    pub(super) send_timeout: Option<Duration>,
    pub(super) keepalive: Option<KeepAlive>,
    pub(super) keepalive_requests: Option<usize>,
    pub(super) intercept_errors: Option<bool>,
    pub(super) ignore_client_abort: Option<bool>,
    pub(super) retry: RetryLevel,
    pub(super) buffering: BufferingLevel,
    pub(super) proxy: ProxyLevel,
}

/// `keepalive_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long a connection may wait for its next request; zero closes it after each.
    pub idle: Duration,
    /// What the `Keep-Alive: timeout=` field of answers says; without it there is no such field.
    pub announced: Option<Duration>,
}

/// What holds for a request, once its server and location are known.
#[derive(Debug, Clone)]
pub struct Rules {
    /// `access_log`; empty when off. Without the directive it is off, unlike in nginx.
    pub access_log: Vec<AccessLog>,
    /// `error_log`
    pub error_log: ErrorLog,
    /// `server_tokens`: whether the version is named in `Server` and error pages.
    pub server_tokens: bool,
    /// `tcp_nodelay`
    pub tcp_nodelay: bool,
    /// `client_body_timeout`: between two reads of a body.
    pub client_body_timeout: Duration,
    /// `client_max_body_size` in bytes; more is 413. None for no limit (`0`).
    pub client_max_body_size: Option<u64>,
    /// `send_timeout`: between two writes of an answer.
    pub send_timeout: Duration,
    /// `keepalive_timeout`
    pub keepalive: KeepAlive,
    /// `keepalive_requests`: after that many a connection is closed.
    pub keepalive_requests: usize,
    /// `proxy_intercept_errors`: whether an upstream's answers of 300 and more give way to `error_page`.
    pub intercept_errors: bool,
    /// `proxy_ignore_client_abort`: whether an upstream is left to finish for a client that is gone.
    pub ignore_client_abort: bool,
    /// `proxy_next_upstream`
    pub retry: Retry,
    /// What the proxy takes upon itself of bodies.
    pub buffering: Buffering,
}

impl Level {
    /// Reads what a block says itself; directives that do not inherit are left to others.
    pub(super) fn read(block: &[Directive], formats: &LogFormats, prefix: &Path) -> Result<Level, ConfError> {
        let mut level = Level::default();
        for directive in block {
            match directive.name.as_str() {
                "access_log" => {
                    let logs = level.access_log.get_or_insert_default();
                    logs.extend(AccessLog::read(directive, formats, prefix)?);
                }
                "error_log" => level.error_log = Some(ErrorLog::read(directive, prefix)?),
                "server_tokens" => level.server_tokens = Some(server_tokens(directive)?),
                // how the kernel is told to send; lab has no choice to offer, but the value has to be one
                "sendfile" | "tcp_nopush" => {
                    directive.flag()?;
                }
                "tcp_nodelay" => level.tcp_nodelay = Some(directive.flag()?),
                "client_header_timeout" => level.client_header_timeout = Some(directive.time()?),
                "client_body_timeout" => level.client_body_timeout = Some(directive.time()?),
                "client_max_body_size" => level.client_max_body_size = Some(directive.size()?),
                "send_timeout" => level.send_timeout = Some(directive.time()?),
                "keepalive_timeout" => level.keepalive = Some(keep_alive(directive)?),
                "keepalive_requests" => level.keepalive_requests = Some(directive.number()?),
                "proxy_intercept_errors" => level.intercept_errors = Some(directive.flag()?),
                "proxy_ignore_client_abort" => level.ignore_client_abort = Some(directive.flag()?),
                "client_body_buffer_size" | "client_body_temp_path" => level.buffering.read(directive, prefix)?,
                name if name.starts_with("proxy_") => {
                    level.retry.read(directive)?;
                    level.buffering.read(directive, prefix)?;
                    level.proxy.read(directive)?;
                }
                _ => {}
            }
        }
        Ok(level)
    }

    /// Fills in from the enclosing block what this one does not say.
    pub(super) fn inherit(self, outer: &Level) -> Level {
        Level {
            access_log: self.access_log.or_else(|| outer.access_log.clone()),
            error_log: self.error_log.or_else(|| outer.error_log.clone()),
            server_tokens: self.server_tokens.or(outer.server_tokens),
            tcp_nodelay: self.tcp_nodelay.or(outer.tcp_nodelay),
            client_header_timeout: self.client_header_timeout.or(outer.client_header_timeout),
            client_body_timeout: self.client_body_timeout.or(outer.client_body_timeout),
            client_max_body_size: self.client_max_body_size.or(outer.client_max_body_size),
            send_timeout: self.send_timeout.or(outer.send_timeout),
            keepalive: self.keepalive.or(outer.keepalive),
            keepalive_requests: self.keepalive_requests.or(outer.keepalive_requests),
            intercept_errors: self.intercept_errors.or(outer.intercept_errors),
            ignore_client_abort: self.ignore_client_abort.or(outer.ignore_client_abort),
            retry: self.retry.inherit(&outer.retry),
            buffering: self.buffering.inherit(&outer.buffering),
            proxy: self.proxy.inherit(&outer.proxy),
        }
    }

    /// What holds, with nginx's defaults where nothing is said.
    pub(super) fn rules(&self) -> Rules {
        let minute = Duration::from_secs(60);
        Rules {
            access_log: self.access_log.clone().unwrap_or_default(),
            error_log: self.error_log.clone().unwrap_or_default(),
            server_tokens: self.server_tokens.unwrap_or(true),
            tcp_nodelay: self.tcp_nodelay.unwrap_or(true),
            client_body_timeout: self.client_body_timeout.unwrap_or(minute),
            client_max_body_size: Some(self.client_max_body_size.unwrap_or(1 << 20)).filter(|size| *size > 0),
            send_timeout: self.send_timeout.unwrap_or(minute),
            keepalive: self.keepalive.unwrap_or(KeepAlive { idle: Duration::from_secs(75), announced: None }),
            keepalive_requests: self.keepalive_requests.unwrap_or(1000),
            intercept_errors: self.intercept_errors.unwrap_or(false),
            ignore_client_abort: self.ignore_client_abort.unwrap_or(false),
            retry: self.retry.finish(),
            buffering: self.buffering.finish(),
        }
    }
}

fn server_tokens(directive: &Directive) -> Result<bool, ConfError> {
    if directive.first() == "build" {
        return Err(directive.unsupported("\"build\"", "on, off"));
    }
    directive.flag()
}

fn keep_alive(directive: &Directive) -> Result<KeepAlive, ConfError> {
    let announced = directive.arg(1).map(|value| directive.time_of(value)).transpose()?;
    Ok(KeepAlive { idle: directive.time()?, announced: announced.filter(|time| !time.is_zero()) })
}
