//! The HTTP/1.1 that both twins of lab speak: strict in what it accepts, exact in what it keeps.
//!
//! A message keeps its field lines as they arrived: their order, their number, the case of their names and their
//! bytes. A message that two parties could read differently is refused, with the reason as a [`Refusal`].
//!
//! The crate has two halves. The pure half turns bytes into judgements and knows no socket: [`head`] and [`headers`]
//! hold messages, [`parse`] reads and [`mod@write`] writes them, [`target`] and [`framing`] judge them, [`chunked`] and
//! [`body`] take bodies apart and [`encode`] puts them together. The other half moves bytes: [`Incoming`] reads heads
//! and bodies from one side of a connection, [`Outgoing`] writes to the other. Neither spawns, neither asks for
//! `Send`, and both can be dropped between two polls without losing a byte, so that a proxy can read one connection
//! while it writes another.
//!
//! It knows nothing of the lab around it.

pub mod headers;
pub mod head;
pub mod limits;
pub mod refusal;
pub mod parse;
pub mod target;
pub mod framing;
pub mod connection;
pub mod chunked;
pub mod body;
pub mod encode;
pub mod write;
pub mod date;
pub mod incoming;
pub mod outgoing;
pub mod extensions;

mod pool;
mod syntax;

pub use body::BodyDecoder;
pub use encode::BodyEncoder;
pub use framing::BodyLength;
pub use head::{RequestHead, ResponseHead, Version};
pub use headers::Headers;
pub use incoming::{Incoming, ReadError};
pub use limits::Limits;
pub use outgoing::Outgoing;
pub use refusal::Refusal;

#[cfg(test)]
mod tests;
