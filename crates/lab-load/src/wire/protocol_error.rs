//! Violations of the protocol between lab and its driver.

/// A document or line that is not part of the protocol.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    #[error("cannot read {what}")]
    Json {
        /// The document: the plan, or an event of the driver.
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("the driver reported `{found}`, expected `{expected}`")]
    OutOfOrder { found: &'static str, expected: &'static str },
    #[error("the driver ended without reporting `{expected}`")]
    EndedEarly { expected: &'static str },
}
