//! Raw messages, each parsed whole and byte by byte: fragmentation must not change the result.

mod bodies;
mod connections;
mod requests;
mod responses;

use super::limits::Limits;

/// Limits small enough for a line of a table to reach.
fn small_limits() -> Limits {
    Limits {
        start_line: 40,
        field: 30,
        fields: 4,
        head: 120,
        chunk_extension: 12,
        chunk_extensions: 20,
        trailers: 60,
        body: u64::MAX,
        allows_bare_lf: false,
    }
}

/// Passes `text` to `advance` whole and growing byte by byte, asserts that both results agree, and returns the result.
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
