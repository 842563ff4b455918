//! The two halves of one request's client: an HTTP/1.1 connection, or an HTTP/2 stream.
//!
//! Bodies are read and written through these halves in either version. Only heads, ends and resets differ, which
//! `downstream::response_writer` knows.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use lab_http::http2::{RequestHalf, ResponseHalf};
use lab_net::{PlainSocket, ReadHalf, WriteHalf};

/// What the client sends. An enum, so that HTTP/1.1 pays one branch for it.
#[derive(Debug)]
pub(crate) enum ClientReadHalf<'s> {
    Connection(ReadHalf<'s>),
    /// Boxed, so that an HTTP/1.1 connection stays small.
    Stream(Box<RequestHalf>),
}

/// What the client receives.
#[derive(Debug)]
pub(crate) enum ClientWriteHalf<'s> {
    Connection(WriteHalf<'s>),
    Stream(Box<ResponseHalf>),
}

impl ClientWriteHalf<'_> {
    /// The stream, if the client speaks HTTP/2.
    pub(crate) fn stream_mut(&mut self) -> Option<&mut ResponseHalf> {
        match self {
            ClientWriteHalf::Connection(_) => None,
            ClientWriteHalf::Stream(stream) => Some(stream),
        }
    }

    /// The socket, if the client speaks HTTP/1.1 without TLS.
    pub(crate) fn plain_socket(&self) -> Option<PlainSocket<'_>> {
        match self {
            ClientWriteHalf::Connection(half) => half.plain_socket(),
            ClientWriteHalf::Stream(_) => None,
        }
    }
}

impl AsyncRead for ClientReadHalf<'_> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientReadHalf::Connection(half) => Pin::new(half).poll_read(cx, into),
            ClientReadHalf::Stream(half) => Pin::new(&mut **half).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for ClientWriteHalf<'_> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientWriteHalf::Connection(half) => Pin::new(half).poll_write(cx, bytes),
            ClientWriteHalf::Stream(half) => Pin::new(&mut **half).poll_write(cx, bytes),
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientWriteHalf::Connection(half) => Pin::new(half).poll_write_vectored(cx, slices),
            ClientWriteHalf::Stream(half) => Pin::new(&mut **half).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            ClientWriteHalf::Connection(half) => half.is_write_vectored(),
            ClientWriteHalf::Stream(half) => half.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientWriteHalf::Connection(half) => Pin::new(half).poll_flush(cx),
            ClientWriteHalf::Stream(half) => Pin::new(&mut **half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientWriteHalf::Connection(half) => Pin::new(half).poll_shutdown(cx),
            ClientWriteHalf::Stream(half) => Pin::new(&mut **half).poll_shutdown(cx),
        }
    }
}
