//! Raw messages and what becomes of them, each fed whole and byte by byte: where the cuts fall must change nothing.

mod bodies;
mod connections;
mod requests;
mod responses;

use crate::limits::Limits;

/// Bounds small enough to be reached in a line of a table.
fn small() -> Limits {
    Limits { start_line: 40, field: 30, fields: 4, head: 120, chunk_extension: 12, chunk_extensions: 20, trailers: 60 }
}

/// Shows `text` to `advance` whole, then growing byte by byte, asserts that both agree, and returns the outcome.
fn whole_and_by_bytes<P: Default, T: PartialEq + std::fmt::Debug, E: PartialEq + std::fmt::Debug>(
    text: &[u8],
    advance: impl Fn(&mut P, &[u8]) -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let whole = advance(&mut P::default(), text);
    let mut parser = P::default();
    let by_bytes = (0..=text.len()).find_map(|end| advance(&mut parser, &text[..end]).transpose()).transpose();
    assert_eq!(whole, by_bytes, "{}", text.escape_ascii());
    whole
}
