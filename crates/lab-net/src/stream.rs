//! Connections over TCP or unix sockets, in the clear or under TLS, and their two halves.
//!
//! One generic enum implements reading and writing for streams and halves of every kind. A call costs one `match` before
//! it reaches tokio's own type, and no allocation or dynamic dispatch.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use crate::PlainSocket;
use crate::tls::{ClientOffer, Session, Tls};

/// A TCP or unix socket, or one half of one, possibly under TLS.
#[derive(Debug)]
pub enum Transport<T, U> {
    Tcp(T),
    Unix(U),
    /// Boxed, because an inline variant would make every plain connection as large.
    Tls(Box<Tls<Transport<T, U>>>),
}

/// A connection.
pub type Stream = Transport<TcpStream, UnixStream>;
/// The reading half of a borrowed [`Stream`].
pub type ReadHalf<'s> = Transport<tcp::ReadHalf<'s>, unix::ReadHalf<'s>>;
/// The writing half of a borrowed [`Stream`].
pub type WriteHalf<'s> = Transport<tcp::WriteHalf<'s>, unix::WriteHalf<'s>>;
/// The reading half of a [`Stream`] that was split for good.
pub type OwnedReadHalf = Transport<tcp::OwnedReadHalf, unix::OwnedReadHalf>;
/// The writing half of a [`Stream`] that was split for good.
pub type OwnedWriteHalf = Transport<tcp::OwnedWriteHalf, unix::OwnedWriteHalf>;

impl Stream {
    /// Connects to a TCP address, without Nagle's algorithm.
    pub async fn connect_tcp(address: SocketAddr) -> io::Result<Stream> {
        let stream = TcpStream::connect(address).await?;
        // heads and small bodies are sent in one write, so Nagle's algorithm would only add delay
        stream.set_nodelay(true)?;
        Ok(Stream::Tcp(stream))
    }

    pub async fn connect_unix(path: &Path) -> io::Result<Stream> {
        UnixStream::connect(path).await.map(Stream::Unix)
    }

    /// Performs a TLS handshake as the client, for the server named `name`.
    ///
    /// # Errors
    /// The server speaks something else, its certificate is not trusted, or the connection ends.
    pub async fn connect_tls(self, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Stream> {
        Tls::connect(config, name, self).await.map(|tls| Stream::Tls(Box::new(tls)))
    }

    /// Performs a TLS handshake as the server.
    ///
    /// # Errors
    /// The client speaks something else, is not accepted, or disconnects
    /// ([`UnexpectedEof`](io::ErrorKind::UnexpectedEof)).
    pub async fn accept_tls(self, config: Arc<ServerConfig>) -> io::Result<Stream> {
        Tls::accept(config, self).await.map(|tls| Stream::Tls(Box::new(tls)))
    }

    /// As [`accept_tls`](Stream::accept_tls), with the configuration that `select` returns for the client's offer; None
    /// refuses the client. `received` is the part of the client's first message that was read already.
    ///
    /// # Errors
    /// As for [`accept_tls`](Stream::accept_tls), and [`PermissionDenied`](io::ErrorKind::PermissionDenied) if `select`
    /// refuses.
    pub async fn accept_tls_by_offer(
        self,
        received: &[u8],
        select: impl FnOnce(ClientOffer) -> Option<Arc<ServerConfig>>,
    ) -> io::Result<Stream> {
        Tls::accept_by_offer(self, received, select).await.map(|tls| Stream::Tls(Box::new(tls)))
    }

    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        match self {
            Stream::Tcp(stream) => {
                let (read, write) = stream.split();
                (Transport::Tcp(read), Transport::Tcp(write))
            }
            Stream::Unix(stream) => {
                let (read, write) = stream.split();
                (Transport::Unix(read), Transport::Unix(write))
            }
            Stream::Tls(tls) => {
                let (socket, session) = tls.parts_mut();
                let (read, write) = socket.split();
                wrap_in_tls(read, write, session)
            }
        }
    }

    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        match self {
            Stream::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (Transport::Tcp(read), Transport::Tcp(write))
            }
            Stream::Unix(stream) => {
                let (read, write) = stream.into_split();
                (Transport::Unix(read), Transport::Unix(write))
            }
            Stream::Tls(tls) => {
                let (socket, session) = tls.into_parts();
                let (read, write) = socket.into_split();
                wrap_in_tls(read, write, &session)
            }
        }
    }

    /// The TCP socket underneath, if there is one.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Tcp(stream) => Some(stream),
            Stream::Unix(_) => None,
            Stream::Tls(tls) => tls.socket().tcp(),
        }
    }

    /// The TLS session, if there is one. All bytes for the descriptor must pass through it.
    pub fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Stream::Tcp(_) | Stream::Unix(_) => None,
            Stream::Tls(tls) => Some(tls.session()),
        }
    }

    /// Makes dropping the stream reset the connection, which shows the peer a failure. No effect on a unix socket.
    pub fn reset_on_drop(&self) {
        if let Some(stream) = self.tcp() {
            // a broken connection needs no reset
            _ = stream.set_zero_linger();
        }
    }

    /// The socket, unless the connection is under TLS.
    pub fn plain_socket(&self) -> Option<PlainSocket<'_>> {
        match self {
            Stream::Tcp(stream) => Some(PlainSocket::Tcp(stream)),
            Stream::Unix(stream) => Some(PlainSocket::Unix(stream)),
            Stream::Tls(_) => None,
        }
    }

    /// As [`PlainSocket::write_with`].
    ///
    /// # Errors
    /// Whatever `write` returns, and [`Unsupported`](io::ErrorKind::Unsupported) under TLS, which raw writes would
    /// corrupt.
    pub async fn write_with<R>(&self, write: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        match self.plain_socket() {
            Some(socket) => socket.write_with(write).await,
            None => Err(io::Error::new(io::ErrorKind::Unsupported, "a TLS connection takes no raw bytes")),
        }
    }
}

impl WriteHalf<'_> {
    /// The socket, unless the connection is under TLS.
    pub fn plain_socket(&self) -> Option<PlainSocket<'_>> {
        match self {
            Transport::Tcp(half) => Some(PlainSocket::Tcp(half.as_ref())),
            Transport::Unix(half) => Some(PlainSocket::Unix(half.as_ref())),
            Transport::Tls(_) => None,
        }
    }
}

type Halves<RT, RU, WT, WU> = (Transport<RT, RU>, Transport<WT, WU>);

fn wrap_in_tls<RT, RU, WT, WU>(
    read: Transport<RT, RU>,
    write: Transport<WT, WU>,
    session: &Arc<Session>,
) -> Halves<RT, RU, WT, WU> {
    let read = Tls::new(read, Arc::clone(session));
    let write = Tls::new(write, Arc::clone(session));
    (Transport::Tls(Box::new(read)), Transport::Tls(Box::new(write)))
}

impl OwnedReadHalf {
    /// Whether nothing has arrived on an idle connection: neither its end nor unexpected bytes. If something has, the
    /// connection is unusable, because a byte may be lost.
    ///
    /// With `ask_kernel` this costs a system call; without, it relies on the runtime's last poll.
    pub fn is_quiet(&self, ask_kernel: bool) -> bool {
        would_block(self.try_read(&mut [0])) && (!ask_kernel || self.is_unread())
    }

    fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(half) => half.try_read(into),
            Transport::Unix(half) => half.try_read(into),
            // a TLS 1.3 server sends tickets on an idle connection; only content and an end count
            Transport::Tls(tls) => tls.session().read_with(into, |bytes| tls.socket().try_read(bytes)),
        }
    }

    fn is_unread(&self) -> bool {
        match self {
            Transport::Tcp(half) => has_nothing_to_peek(half.as_ref()),
            Transport::Unix(half) => has_nothing_to_peek(half.as_ref()),
            Transport::Tls(tls) => tls.socket().is_unread(),
        }
    }
}

fn has_nothing_to_peek(socket: impl AsFd) -> bool {
    would_block(socket2::SockRef::from(&socket).peek(&mut [std::mem::MaybeUninit::uninit()]))
}

fn would_block(read: io::Result<usize>) -> bool {
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tls(tls) => tls.socket().as_fd(),
        }
    }
}

impl<T: AsyncRead + Unpin, U: AsyncRead + Unpin> AsyncRead for Transport<T, U> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(io) => Pin::new(io).poll_read(cx, into),
            Transport::Unix(io) => Pin::new(io).poll_read(cx, into),
            Transport::Tls(io) => Pin::new(io).poll_read(cx, into),
        }
    }
}

impl<T: AsyncWrite + Unpin, U: AsyncWrite + Unpin> AsyncWrite for Transport<T, U> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(io) => Pin::new(io).poll_write(cx, bytes),
            Transport::Unix(io) => Pin::new(io).poll_write(cx, bytes),
            Transport::Tls(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(io) => Pin::new(io).poll_write_vectored(cx, slices),
            Transport::Unix(io) => Pin::new(io).poll_write_vectored(cx, slices),
            Transport::Tls(io) => Pin::new(io).poll_write_vectored(cx, slices),
        }
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        match self {
            Transport::Tcp(io) => io.is_write_vectored(),
            Transport::Unix(io) => io.is_write_vectored(),
            Transport::Tls(io) => io.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(io) => Pin::new(io).poll_flush(cx),
            Transport::Unix(io) => Pin::new(io).poll_flush(cx),
            Transport::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    #[inline]
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(io) => Pin::new(io).poll_shutdown(cx),
            Transport::Unix(io) => Pin::new(io).poll_shutdown(cx),
            Transport::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
