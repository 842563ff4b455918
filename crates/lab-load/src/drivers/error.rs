//! The errors of a drive.

use std::io;
use std::time::Duration;

use ::goose::prelude::GooseError;

use crate::client::target::TargetError;
use crate::client::tls::TlsError;
use crate::wire::{DivisionError, ProtocolError};

/// The limit for all users to start.
pub(super) const START_DEADLINE: Duration = Duration::from_secs(30);

/// The reason why a drive failed.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The plan cannot be read, or an event cannot be written.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("cannot drive `{url}`: expected http://HOST[:PORT]/PATH, or https:// in a plan with a `tls` section")]
    Url { url: String },
    /// The driver does not support the plan.
    #[error("driver `{driver}` does not {what}")]
    Unsupported {
        driver: &'static str,
        /// A verb phrase, as in "speak HTTP/2".
        what: &'static str,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Division(#[from] DivisionError),
    /// An open loop's schedule is not as long as its warm-up and window.
    #[error("the schedule lasts {} ms, but warm-up and window {} ms", .schedule.as_millis(), .plan.as_millis())]
    Schedule { schedule: Duration, plan: Duration },
    /// One of several drivers learned too late when it should begin.
    #[error("the start was {:.1} ms ago when it arrived", .late.as_secs_f64() * 1000.0)]
    LateStart { late: Duration },
    /// The external program is not installed.
    #[error("unavailable: {0}")]
    Unavailable(String),
    #[error("{program} failed: {message}")]
    ProgramFailed { program: &'static str, message: String },
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Standard input or output failed because lab has exited; or the system is out of threads or timers.
    #[error("cannot communicate with lab, or the system has no resources left")]
    Io(#[from] io::Error),
    #[error("cannot build the HTTP client")]
    Client(#[from] reqwest::Error),
    #[error("goose cannot run")]
    Goose(#[from] Box<GooseError>),
    #[error("goose ended before the measured window")]
    EndedEarly,
    #[error("{started} of {users} users had started after {} s", START_DEADLINE.as_secs())]
    SlowStart { started: usize, users: usize },
}

/// An external program printed something unexpected.
#[derive(Debug, thiserror::Error)]
#[error("cannot find {what} in what {program} printed")]
pub struct OutputError {
    pub(super) program: &'static str,
    pub(super) what: &'static str,
}

impl From<TargetError> for DriveError {
    fn from(error: TargetError) -> DriveError {
        match error {
            TargetError::Url(url) => DriveError::Url { url },
            TargetError::Resolve(error) => DriveError::Io(error),
            TargetError::Tls(error) => DriveError::Tls(error),
        }
    }
}
