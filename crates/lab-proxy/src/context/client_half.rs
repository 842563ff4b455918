//! The two halves of the client of one request: a connection of HTTP/1.1.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use lab_net::{ReadHalf, WriteHalf};

/// What the client sends. An enum, so that HTTP/1.1 pays one branch for it.
#[derive(Debug)]
pub(crate) enum ClientReadHalf<'s> {
    Connection(ReadHalf<'s>),
}

/// What the client receives.
#[derive(Debug)]
pub(crate) enum ClientWriteHalf<'s> {
    Connection(WriteHalf<'s>),
}

impl AsyncRead for ClientReadHalf<'_> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientReadHalf::Connection(half) => Pin::new(half).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for ClientWriteHalf<'_> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientWriteHalf::Connection(half) => Pin::new(half).poll_write(cx, bytes),
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
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            ClientWriteHalf::Connection(half) => half.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientWriteHalf::Connection(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientWriteHalf::Connection(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
