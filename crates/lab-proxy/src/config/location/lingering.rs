//! `lingering_close` and its limits: how a connection closes while its client may still be sending.

use std::time::Duration;

use lab_nginx_conf::{ConfError, Directive};

/// How long the bytes of a client are read and discarded before its connection closes. A connection that is closed with
/// unread bytes is reset, which may take the response away from the client (RFC 9112 §9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lingering {
    /// `lingering_close`
    pub close: LingeringClose,
    /// `lingering_time`: the limit for the whole lingering close.
    pub time: Duration,
    /// `lingering_timeout`: the limit for each wait.
    pub timeout: Duration,
}

/// `lingering_close`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LingeringClose {
    /// `off`: only while the rest of a request is arriving.
    Off,
    /// `on`: also if the client has sent something else, such as its next request.
    On,
    /// `always`: at the end of every connection.
    Always,
}

/// The directives of one block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LingeringLevel {
    close: Option<LingeringClose>,
    time: Option<Duration>,
    timeout: Option<Duration>,
}

impl LingeringLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "lingering_close" => {
                self.close = Some(match directive.first() {
                    "off" => LingeringClose::Off,
                    "on" => LingeringClose::On,
                    "always" => LingeringClose::Always,
                    other => return Err(directive.invalid(other, "on, off, always")),
                });
            }
            "lingering_time" => self.time = Some(directive.time()?),
            "lingering_timeout" => self.timeout = Some(directive.time()?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: LingeringLevel) -> LingeringLevel {
        LingeringLevel {
            close: self.close.or(outer.close),
            time: self.time.or(outer.time),
            timeout: self.timeout.or(outer.timeout),
        }
    }

    /// The effective values, with nginx's defaults.
    pub(crate) fn resolve(self) -> Lingering {
        Lingering {
            close: self.close.unwrap_or(LingeringClose::On),
            time: self.time.unwrap_or(Duration::from_secs(30)),
            timeout: self.timeout.unwrap_or(Duration::from_secs(5)),
        }
    }
}
