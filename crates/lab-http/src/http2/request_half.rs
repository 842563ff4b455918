//! The request's body on a stream.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h2::RecvStream;
use tokio::io::{AsyncRead, ReadBuf};

use super::stream_sender::StreamSender;
use super::traffic::Traffic;

/// Reads the body of a request. The window grows only as the body is read, so an unread body stays at the client.
#[derive(Debug)]
pub struct RequestHalf {
    receiver: RecvStream,
    /// Content that has arrived and was not read.
    arrived: Bytes,
    /// Whether the bytes that have arrived are the last ones.
    has_ended: bool,
    /// Whether the reader learns the body's end from the stream alone. It is an end of file then, once.
    announces_end: bool,
    sender: Rc<RefCell<StreamSender>>,
    traffic: Rc<Traffic>,
}

impl RequestHalf {
    /// `announces_end` is whether no field says how long the body is.
    pub(super) fn new(
        receiver: RecvStream,
        announces_end: bool,
        sender: Rc<RefCell<StreamSender>>,
        traffic: Rc<Traffic>,
    ) -> RequestHalf {
        let has_ended = receiver.is_end_stream();
        RequestHalf { receiver, arrived: Bytes::new(), has_ended, announces_end, sender, traffic }
    }
}

impl AsyncRead for RequestHalf {
    /// After the end of the body this waits until the client resets the stream, or its connection ends.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.arrived.is_empty() {
                let length = this.arrived.len().min(into.remaining());
                into.put_slice(&this.arrived[..length]);
                this.arrived.advance(length);
                this.traffic.count_content(length);
                this.receiver.flow_control().release_capacity(length).map_err(io::Error::other)?;
                return Poll::Ready(Ok(()));
            }
            if this.has_ended {
                if std::mem::take(&mut this.announces_end) {
                    return Poll::Ready(Ok(()));
                }
                let error = ready!(this.sender.borrow_mut().poll_reset(cx));
                return Poll::Ready(Err(error));
            }
            match ready!(this.receiver.poll_data(cx)) {
                Some(Ok(data)) => this.arrived = data,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => this.has_ended = true,
            }
        }
    }
}
