//! The server's side of HTTP/2 (RFC 9113), in the terms of HTTP/1.1.
//!
//! The `h2` crate reads and writes frames. A [`ServerConnection`] accepts streams, sends the frames of one turn together, and
//! ends the connections of clients that abuse it. A stream becomes a [`RequestHalf`], which yields the bytes of the
//! request's body, and a [`ResponseHalf`], which takes those of the response's. [`fields`] converts heads.

mod connection_io;
pub mod fields;
mod request_half;
mod response_half;
mod server_connection;
mod stream_sender;
mod traffic;

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;

use stream_sender::StreamSender;

pub use connection_io::{IoLimits, LingeringLimits};
pub use request_half::RequestHalf;
pub use response_half::ResponseHalf;
pub use server_connection::{ConnectionEvent, Http2Limits, ServerConnection, Stage};
pub use traffic::Traffic;

pub use h2::Reason;

/// The bytes that a connection begins with (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a server sends to a client that begins with something else: an empty SETTINGS frame, and GOAWAY with
/// PROTOCOL_ERROR.
pub const PREFACE_REFUSAL: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01";

/// The two halves of a stream. `announces_end` is whether no field says how long the request's body is.
#[must_use]
pub fn halves(
    receiver: RecvStream,
    response: SendResponse<Bytes>,
    announces_end: bool,
    traffic: &Rc<Traffic>,
) -> (RequestHalf, ResponseHalf) {
    let sender = Rc::new(RefCell::new(StreamSender { response, body: None }));
    let request = RequestHalf::new(receiver, announces_end, Rc::clone(&sender), Rc::clone(traffic));
    (request, ResponseHalf::new(sender, Rc::clone(traffic)))
}

#[cfg(test)]
mod tests;
