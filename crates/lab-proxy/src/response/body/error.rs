//! Why the body of a response breaks off.

use std::io;

use lab_http::{ReadError, Refusal};

use crate::config::logs::Severity;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("upstream prematurely closed connection while reading upstream")]
    Truncated,
    #[error("upstream sent an invalid body: {0} while reading upstream")]
    Invalid(Refusal),
    #[error("recv() failed ({0}) while reading upstream")]
    Receive(io::Error),
    #[error("a file became shorter while it was sent")]
    FileTruncated,
    #[error("read() failed ({0})")]
    FileRead(io::Error),
    /// A slice cannot be fetched, or does not match the others.
    #[error("{0}")]
    Slice(String),
    /// A filter cannot process the content.
    #[error("{0}")]
    Filter(String),
}

impl BodyError {
    /// How the error log rates the failure.
    pub(crate) fn severity(&self) -> Severity {
        match self {
            BodyError::FileTruncated => Severity::Alert,
            BodyError::FileRead(_) => Severity::Crit,
            BodyError::Truncated
            | BodyError::Invalid(_)
            | BodyError::Receive(_)
            | BodyError::Slice(_)
            | BodyError::Filter(_) => Severity::Error,
        }
    }
}

impl From<ReadError> for BodyError {
    fn from(error: ReadError) -> BodyError {
        match error {
            ReadError::Refused(Refusal::Truncated) => BodyError::Truncated,
            ReadError::Refused(refusal) => BodyError::Invalid(refusal),
            ReadError::Io(error) => BodyError::Receive(error),
        }
    }
}
