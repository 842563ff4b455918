//! Fields that a client can spoof because the proxy does not set them.

use super::finding::SourceLocation;

/// A field about the client that the proxy passes on as the client sent it, although applications trust it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoofableField {
    pub name: &'static str,
    /// The first `proxy_pass` that sends the field unchanged.
    pub location: SourceLocation,
}
