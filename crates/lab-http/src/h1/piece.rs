//! A step of a body's decoder.

/// How the next bytes of a connection split: framing to skip, then content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Piece {
    /// Bytes of framing.
    pub framing: usize,
    /// Bytes of content after the framing.
    pub content: usize,
}
