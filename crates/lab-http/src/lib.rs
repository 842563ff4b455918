//! The HTTP of lab's servers and clients: strict about what it accepts, exact about what it keeps.
//!
//! A message keeps its field lines as they arrived: their order, their number, the case of their names and their
//! bytes. A message that two parties could read differently is refused, with the reason as a [`Refusal`].
//!
//! The crate has three rooms:
//!
//! - [`message`] holds what every version of HTTP has: heads, fields, targets. It knows no syntax of a connection and
//!   must not use the other two.
//! - [`h1`] reads and writes messages in the syntax of HTTP/1.1.
//! - [`http2`] is the server's side of HTTP/2, around the frames of the `h2` crate. It must not use [`h1`].
//!
//! Nothing here depends on another crate of lab.

pub mod h1;
pub mod http2;
pub mod message;

mod pool;

pub use h1::{BodyDecoder, BodyEncoder, BodyLength, Incoming, Limits, Outgoing, ReadError};
pub use message::{Headers, Refusal, RequestHead, ResponseHead, Version};
