//! What a filter of content is asked for.

/// How far a filter must come with its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It may keep content back.
    AsConvenient,
    /// The client must be able to use everything that went in.
    Flush,
    /// Nothing more goes in.
    Finish,
}
