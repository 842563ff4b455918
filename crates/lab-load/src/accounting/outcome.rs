//! The outcome of one request.

use crate::wire::ErrorClass;

/// The number of error messages that are kept of failures whose class is not specific enough.
pub(crate) const MAX_DETAILS: usize = 5;

/// The outcome of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// A complete response with a status of 2xx or 3xx.
    Ok { body_bytes: u64 },
    /// Anything else.
    Failed {
        class: ErrorClass,
        /// The client library's message, where the class is not specific enough.
        detail: Option<String>,
    },
}

impl RequestOutcome {
    /// A failure without a message, for a specific class.
    #[must_use]
    pub fn failed(class: ErrorClass) -> RequestOutcome {
        RequestOutcome::Failed { class, detail: None }
    }

    /// The outcome of a complete response.
    #[must_use]
    pub fn from_status(status: u16, body_bytes: u64) -> RequestOutcome {
        match ErrorClass::from_status(status) {
            None => RequestOutcome::Ok { body_bytes },
            Some(class) => RequestOutcome::failed(class),
        }
    }

    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self, RequestOutcome::Ok { .. })
    }
}
