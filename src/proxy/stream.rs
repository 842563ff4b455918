//! The two sides of a connection, over TCP or a unix socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// Where bytes come from.
#[derive(Debug)]
pub(super) enum ReadSide {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

/// Where bytes go to.
#[derive(Debug)]
pub(super) enum WriteSide {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

/// Takes a TCP connection apart.
pub(super) fn split_tcp(stream: TcpStream) -> (ReadSide, WriteSide) {
    let (read, write) = stream.into_split();
    (ReadSide::Tcp(read), WriteSide::Tcp(write))
}

/// Takes a connection over a unix socket apart.
pub(super) fn split_unix(stream: UnixStream) -> (ReadSide, WriteSide) {
    let (read, write) = stream.into_split();
    (ReadSide::Unix(read), WriteSide::Unix(write))
}

impl ReadSide {
    /// Whether nothing has arrived: neither the end of the connection nor bytes nobody asked for.
    ///
    /// `surely` asks the kernel; otherwise what the last look at all sockets found has to do, which costs nothing.
    pub(super) fn is_quiet(&self, surely: bool) -> bool {
        let would_block =
            |result: io::Result<usize>| result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        let mut byte = [0];
        let mut unread = [std::mem::MaybeUninit::uninit()];
        match self {
            ReadSide::Tcp(half) => {
                would_block(half.try_read(&mut byte))
                    && (!surely || would_block(socket2::SockRef::from(half.as_ref()).peek(&mut unread)))
            }
            ReadSide::Unix(half) => {
                would_block(half.try_read(&mut byte))
                    && (!surely || would_block(socket2::SockRef::from(half.as_ref()).peek(&mut unread)))
            }
        }
    }
}

impl AsyncRead for ReadSide {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ReadSide::Tcp(half) => Pin::new(half).poll_read(cx, buffer),
            ReadSide::Unix(half) => Pin::new(half).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for WriteSide {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            WriteSide::Tcp(half) => Pin::new(half).poll_write(cx, buffer),
            WriteSide::Unix(half) => Pin::new(half).poll_write(cx, buffer),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            WriteSide::Tcp(half) => Pin::new(half).poll_write_vectored(cx, buffers),
            WriteSide::Unix(half) => Pin::new(half).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            WriteSide::Tcp(half) => Pin::new(half).poll_flush(cx),
            WriteSide::Unix(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            WriteSide::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            WriteSide::Unix(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
