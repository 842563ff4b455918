//! The syntax of HTTP/1.1 (RFC 9112).
//!
//! One half is pure and knows no socket: [`parse`] reads and [`mod@write`] writes heads, [`request`], [`framing`] and
//! [`connection`] interpret them, [`decode`] and [`encode`] handle bodies. The other half moves bytes: [`Incoming`]
//! reads heads and bodies from one side of a connection, [`Outgoing`] writes to the other. Neither spawns tasks or
//! requires `Send`. Both are cancel-safe, so a proxy can read one connection while it writes another.

pub mod chunked;
pub mod connection;
pub mod decode;
pub mod encode;
pub mod framing;
pub mod incoming;
pub mod limits;
pub mod outgoing;
pub mod parse;
pub mod piece;
pub mod request;
pub mod write;

pub use decode::BodyDecoder;
pub use encode::BodyEncoder;
pub use framing::BodyLength;
pub use incoming::{Incoming, ReadError};
pub use limits::Limits;
pub use outgoing::Outgoing;

#[cfg(test)]
mod tests;
