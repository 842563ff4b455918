//! Connections and their two sides, over TCP or a unix socket.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// One of two.
#[derive(Debug)]
pub(crate) enum Either<T, U> {
    Tcp(T),
    Unix(U),
}

/// A connection.
pub(crate) type Stream = Either<TcpStream, UnixStream>;
/// Where a client's bytes come from.
pub(crate) type ClientRead<'s> = Either<tcp::ReadHalf<'s>, unix::ReadHalf<'s>>;
/// Where a client's bytes go to.
pub(crate) type ClientWrite<'s> = Either<tcp::WriteHalf<'s>, unix::WriteHalf<'s>>;
/// Where an upstream's bytes come from.
pub(crate) type UpstreamRead = Either<tcp::OwnedReadHalf, unix::OwnedReadHalf>;
/// Where an upstream's bytes go to.
pub(crate) type UpstreamWrite = Either<tcp::OwnedWriteHalf, unix::OwnedWriteHalf>;

impl Stream {
    /// Its two sides, for as long as it is lent.
    pub(crate) fn split(&mut self) -> (ClientRead<'_>, ClientWrite<'_>) {
        match self {
            Either::Tcp(stream) => {
                let (read, write) = stream.split();
                (Either::Tcp(read), Either::Tcp(write))
            }
            Either::Unix(stream) => {
                let (read, write) = stream.split();
                (Either::Unix(read), Either::Unix(write))
            }
        }
    }

    /// Its two sides, for good.
    pub(crate) fn into_split(self) -> (UpstreamRead, UpstreamWrite) {
        match self {
            Either::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (Either::Tcp(read), Either::Tcp(write))
            }
            Either::Unix(stream) => {
                let (read, write) = stream.into_split();
                (Either::Unix(read), Either::Unix(write))
            }
        }
    }

    /// Has the peer see that the connection broke, once it is dropped. A unix socket has no way to say so.
    pub(crate) fn reset_when_dropped(&self) {
        if let Either::Tcp(stream) = self {
            // one that is broken already needs no help
            _ = stream.set_zero_linger();
        }
    }
}

impl UpstreamRead {
    /// Whether nothing has arrived: neither the end of the connection nor bytes nobody asked for.
    ///
    /// `surely` asks the kernel; otherwise what the last look at all sockets found has to do, which costs nothing.
    pub(crate) fn is_quiet(&self, surely: bool) -> bool {
        let mut byte = [0];
        match self {
            Either::Tcp(half) => would_block(half.try_read(&mut byte)) && (!surely || is_unread(half.as_ref())),
            Either::Unix(half) => would_block(half.try_read(&mut byte)) && (!surely || is_unread(half.as_ref())),
        }
    }
}

fn is_unread(socket: impl AsFd) -> bool {
    would_block(socket2::SockRef::from(&socket).peek(&mut [std::mem::MaybeUninit::uninit()]))
}

fn would_block(read: io::Result<usize>) -> bool {
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl<T: AsyncRead + Unpin, U: AsyncRead + Unpin> AsyncRead for Either<T, U> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Either::Tcp(half) => Pin::new(half).poll_read(cx, buffer),
            Either::Unix(half) => Pin::new(half).poll_read(cx, buffer),
        }
    }
}

impl<T: AsyncWrite + Unpin, U: AsyncWrite + Unpin> AsyncWrite for Either<T, U> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Either::Tcp(half) => Pin::new(half).poll_write(cx, buffer),
            Either::Unix(half) => Pin::new(half).poll_write(cx, buffer),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Either::Tcp(half) => Pin::new(half).poll_write_vectored(cx, buffers),
            Either::Unix(half) => Pin::new(half).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Either::Tcp(half) => half.is_write_vectored(),
            Either::Unix(half) => half.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Either::Tcp(half) => Pin::new(half).poll_flush(cx),
            Either::Unix(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Either::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            Either::Unix(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
