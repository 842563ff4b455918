//! What is assembled with the content of a response before it is compressed: `addition` and `ssi`.

use crate::response::FilterChain;

#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// The filters in front: those that see only the response's own content.
    pub(crate) filters: Option<Box<FilterChain>>,
    /// The path whose content comes first.
    pub(crate) before: Option<String>,
    /// The path whose content comes last.
    pub(crate) after: Option<String>,
    /// Whether the content has commands of `ssi`.
    pub(crate) has_commands: bool,
}
