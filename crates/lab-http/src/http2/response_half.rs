//! The response on a stream.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Response};
use tokio::io::AsyncWrite;

use super::stream_sender::StreamSender;
use super::traffic::Traffic;

/// The most content that is passed on at a time: what fits into a frame of the usual size.
const PIECE: usize = 16 * 1024;

/// Writes one response. Content is accepted as far as the client's windows and the connection's buffer allow.
///
/// The head waits until content or a flush follows it, and the last content until the end of the response is known, so
/// that a short response takes one write and no frame of its own for its end.
#[derive(Debug)]
pub struct ResponseHalf {
    sender: Rc<RefCell<StreamSender>>,
    head: Option<Response<()>>,
    held: Bytes,
    end: Option<StreamEnd>,
    traffic: Rc<Traffic>,
}

/// How a response ends, once its content is complete.
#[derive(Debug)]
enum StreamEnd {
    Content,
    Trailers(HeaderMap),
    Sent,
}

impl ResponseHalf {
    pub(super) fn new(sender: Rc<RefCell<StreamSender>>, traffic: Rc<Traffic>) -> ResponseHalf {
        ResponseHalf { sender, head: None, held: Bytes::new(), end: None, traffic }
    }

    /// Sets the head, which precedes the content.
    pub fn set_head(&mut self, head: Response<()>) {
        self.head = Some(head);
    }

    /// Sends the head of a 1xx response.
    pub fn send_informational(&mut self, head: Response<()>) -> io::Result<()> {
        self.sender.borrow_mut().response.send_informational(head).map_err(io::Error::other)
    }

    /// Marks the response as complete. The next flush ends it.
    pub fn finish(&mut self, trailers: Option<HeaderMap>) {
        if self.end.is_none() {
            self.end = Some(trailers.map_or(StreamEnd::Content, StreamEnd::Trailers));
        }
    }

    /// Resets the stream, unless the response is complete.
    pub fn reset(&mut self, reason: Reason) {
        if !matches!(self.end, Some(StreamEnd::Sent)) {
            self.sender.borrow_mut().reset(reason);
        }
    }

    /// Whether the client has reset the stream, or its connection has ended.
    pub fn is_cancelled(&self) -> bool {
        self.poll_cancelled(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Waits until the client resets the stream, or its connection ends.
    pub fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.sender.borrow_mut().poll_reset(cx).map(drop)
    }

    /// Passes the head and the held content on. After the last content the response ends.
    fn pass_on(&mut self, is_last: bool) -> io::Result<()> {
        let ends = is_last && matches!(self.end, Some(StreamEnd::Content));
        let mut sender = self.sender.borrow_mut();
        if let Some(head) = self.head.take() {
            let is_bare = ends && self.held.is_empty();
            let body = sender.response.send_response(head, is_bare).map_err(io::Error::other)?;
            sender.body = Some(body);
            if is_bare {
                self.end = Some(StreamEnd::Sent);
                return Ok(());
            }
        }
        let Some(body) = &mut sender.body else { return Ok(()) };
        if ends || !self.held.is_empty() {
            self.traffic.count_content(self.held.len());
            body.send_data(std::mem::take(&mut self.held), ends).map_err(io::Error::other)?;
        }
        if ends {
            self.end = Some(StreamEnd::Sent);
        } else if is_last && let Some(StreamEnd::Trailers(trailers)) = &mut self.end {
            body.send_trailers(std::mem::take(trailers)).map_err(io::Error::other)?;
            self.end = Some(StreamEnd::Sent);
        }
        Ok(())
    }
}

impl AsyncWrite for ResponseHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, content: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.pass_on(false)?;
        let mut sender = this.sender.borrow_mut();
        // a body without a head would be a mistake of the caller
        let Some(body) = &mut sender.body else { return Poll::Ready(Err(io::ErrorKind::InvalidInput.into())) };
        let wanted = content.len().min(PIECE);
        body.reserve_capacity(wanted);
        while body.capacity() == 0 {
            match ready!(body.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let length = wanted.min(body.capacity());
        this.held = Bytes::copy_from_slice(&content[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().pass_on(true))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
