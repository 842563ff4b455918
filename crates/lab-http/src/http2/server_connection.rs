//! An HTTP/2 connection: its streams, its end, and the bounds for clients that abuse it.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection_io::{ConnectionIo, IoLimits};
use super::traffic::Traffic;

/// The largest window (RFC 9113 section 6.9.1). Streams have windows of their own, so none of them holds up the others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// How many bytes of a response wait for the connection, apart from those that wait for the stream.
const SEND_BUFFER: usize = 64 * 1024;
/// How much memory small frames with unread content may cost beyond that content.
const FRAME_BUDGET: usize = 1 << 20;
/// How many requests a client may cancel beyond the number of those that it lets complete (CVE-2023-44487).
const CANCELLED: usize = 100;

/// The limits that the server announces at the start of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Http2Limits {
    pub max_concurrent_streams: u32,
    /// How many bytes of a request's body the client may send before it is read.
    pub stream_window: u32,
    /// The largest frame that the client may send, from 16 KiB to 16 MiB.
    pub max_frame_size: u32,
    /// The size in bytes of a head.
    pub max_header_list_size: u32,
}

/// How far a connection is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Open,
    /// The client knows that it must send no more requests. Those on their way are served.
    Closing,
    /// Nothing more is served.
    Ended,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and a box would cost every request an allocation"
)]
#[derive(Debug)]
pub enum ConnectionEvent {
    /// A request has arrived.
    Stream(Request<RecvStream>, SendResponse<Bytes>),
    /// The client abuses the connection, which ends. The text is for the log.
    Abuse(&'static str),
    Closed,
}

/// The frames of one connection.
#[derive(Debug)]
pub struct ServerConnection<IO> {
    frames: server::Connection<ConnectionIo<IO>, Bytes>,
    io: ConnectionIo<IO>,
    traffic: Rc<Traffic>,
    max_concurrent_streams: u32,
    stage: Stage,
    abuse: Option<&'static str>,
    /// Requests that arrived while the connection was closing.
    late: u32,
    cancelled: usize,
    completed: usize,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> ServerConnection<IO> {
    /// Reads the preface and announces the limits. `received` are the bytes that were read from `io` before.
    ///
    /// # Errors
    /// The connection failed, or does not begin with the preface.
    pub async fn handshake(
        io: IO,
        received: Vec<u8>,
        limits: Http2Limits,
        io_limits: IoLimits,
    ) -> Result<ServerConnection<IO>, h2::Error> {
        let traffic = Rc::new(Traffic::default());
        let io = ConnectionIo::new(io, received, Rc::clone(&traffic), io_limits);
        let mut builder = server::Builder::new();
        builder
            .max_concurrent_streams(limits.max_concurrent_streams)
            .initial_window_size(limits.stream_window)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(limits.max_frame_size)
            .max_header_list_size(limits.max_header_list_size)
            .max_send_buffer_size(SEND_BUFFER)
            .data_frame_budget(FRAME_BUDGET);
        let handshake: server::Handshake<_, Bytes> = builder.handshake(io.clone());
        let mut handshake = pin!(handshake);
        let frames = poll_fn(|cx| {
            let shaken = handshake.as_mut().poll(cx);
            if shaken.is_pending() {
                // a client may wait for the settings of its server; an error is found by the next read
                _ = io.poll_send(cx);
            }
            shaken
        })
        .await?;
        Ok(ServerConnection {
            frames,
            io,
            traffic,
            max_concurrent_streams: limits.max_concurrent_streams,
            stage: Stage::Open,
            abuse: None,
            late: 0,
            cancelled: 0,
            completed: 0,
        })
    }

    /// Processes received frames and sends those of the streams, until either would block.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEvent> {
        if let Some(message) = self.abuse.take() {
            return Poll::Ready(ConnectionEvent::Abuse(message));
        }
        match self.frames.poll_accept(cx) {
            Poll::Ready(Some(Ok((request, response)))) => {
                self.count_late();
                return Poll::Ready(ConnectionEvent::Stream(request, response));
            }
            Poll::Ready(_) => return Poll::Ready(ConnectionEvent::Closed),
            Poll::Pending => {}
        }
        if self.traffic.is_flood() {
            self.refuse("http2 flood detected");
        }
        if let Some(message) = self.abuse.take() {
            return Poll::Ready(ConnectionEvent::Abuse(message));
        }
        match self.io.poll_send(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(ConnectionEvent::Closed),
            _ => Poll::Pending,
        }
    }

    /// Whether no stream is open, and all frames were sent.
    pub fn is_idle(&self) -> bool {
        !self.frames.has_streams() && !self.io.has_unsent()
    }

    /// Announces the end of the connection. The requests that have begun are served.
    pub fn close(&mut self) {
        if self.stage == Stage::Open {
            self.stage = Stage::Closing;
            self.frames.graceful_shutdown();
        }
    }
}

impl<IO> ServerConnection<IO> {
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Counts the bytes and the content of the connection.
    pub fn traffic(&self) -> &Rc<Traffic> {
        &self.traffic
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> ServerConnection<IO> {
    /// Counts a request that was served. `is_cancelled` is whether the client did not wait for its response.
    pub fn count_served(&mut self, is_cancelled: bool) {
        if is_cancelled {
            self.cancelled += 1;
        } else {
            self.completed += 1;
        }
        if self.cancelled > self.completed + CANCELLED {
            self.refuse("client cancels most of its requests");
        }
    }

    /// Ends the connection, whatever its streams are doing.
    pub fn end(&mut self, reason: Reason) {
        if self.stage != Stage::Ended {
            self.stage = Stage::Ended;
            self.frames.abrupt_shutdown(reason);
        }
    }

    fn count_late(&mut self) {
        if self.stage != Stage::Open {
            self.late += 1;
            if self.late > self.max_concurrent_streams.saturating_mul(2) {
                self.refuse("client sends requests on a closing connection");
            }
        }
    }

    fn refuse(&mut self, message: &'static str) {
        if self.stage != Stage::Ended {
            self.abuse = Some(message);
            self.end(Reason::ENHANCE_YOUR_CALM);
        }
    }
}
