//! The sending side of a stream, which both of its halves use.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};

/// The sending side of a stream, which also learns that the client has reset it.
#[derive(Debug)]
pub(super) struct StreamSender {
    pub(super) response: SendResponse<Bytes>,
    /// None before the head was sent.
    pub(super) body: Option<SendStream<Bytes>>,
}

impl StreamSender {
    /// Waits until the client resets the stream, or the connection fails.
    pub(super) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let reset = match &mut self.body {
            Some(body) => body.poll_reset(cx),
            None => self.response.poll_reset(cx),
        };
        reset.map(|reset| match reset {
            Ok(reason) => io::Error::new(io::ErrorKind::ConnectionReset, format!("the stream was reset ({reason})")),
            Err(error) => io::Error::other(error),
        })
    }

    pub(super) fn reset(&mut self, reason: Reason) {
        match &mut self.body {
            Some(body) => body.send_reset(reason),
            None => self.response.send_reset(reason),
        }
    }
}
