//! A stream of HTTP/2 as the two halves of a request's client.
//!
//! The `h2` crate reads and writes frames. Here a stream gets the shape that the rest of the proxy knows from HTTP/1.1:
//! a [`RequestHalf`] yields the bytes of the request's body, and a [`ResponseHalf`] takes those of the response's.
//! `downstream::http2` accepts the streams. This module knows no other of the crate.

mod request_half;
mod response_half;
mod stream_sender;
mod traffic;

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;

use stream_sender::StreamSender;

pub(crate) use request_half::RequestHalf;
pub(crate) use response_half::ResponseHalf;
pub(crate) use traffic::Traffic;

/// The two halves of a stream. `announces_end` is whether no field says how long the request's body is.
pub(crate) fn halves(
    receiver: RecvStream,
    response: SendResponse<Bytes>,
    announces_end: bool,
    traffic: &Rc<Traffic>,
) -> (RequestHalf, ResponseHalf) {
    let sender = Rc::new(RefCell::new(StreamSender { response, body: None }));
    let request = RequestHalf::new(receiver, announces_end, Rc::clone(&sender), Rc::clone(traffic));
    (request, ResponseHalf::new(sender, Rc::clone(traffic)))
}
