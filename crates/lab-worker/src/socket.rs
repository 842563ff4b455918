//! The sockets a worker serves: TCP and unix, one type for both.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::net::{AddressFamily, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::tls_stream::{Session, TlsStream};
use lab_http::extensions::ConnectionInfo;

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// Over TCP.
    Tcp(TcpListener),
    /// At a path.
    Unix(UnixListener),
}

/// An accepted connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// At a path.
    Unix(UnixStream),
    /// Either of them, with TLS in between.
    Tls(Box<TlsStream>),
}

/// Where a socket is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A path; None for a socket without a name.
    Unix(Option<PathBuf>),
}

impl Listener {
    /// Takes over a listening socket of either kind. To be called on a runtime.
    pub fn new(socket: OwnedFd) -> io::Result<Listener> {
        if !sockopt::socket_acceptconn(&socket)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a listening socket"));
        }
        let family = sockopt::socket_domain(&socket)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        match family {
            AddressFamily::INET | AddressFamily::INET6 => TcpListener::from_std(socket.into()).map(Listener::Tcp),
            AddressFamily::UNIX => UnixListener::from_std(socket.into()).map(Listener::Unix),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither a TCP nor a unix socket")),
        }
    }

    /// Where it is bound.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Listener::Unix(listener) => {
                listener.local_addr().map(|address| Address::Unix(address.as_pathname().map(PathBuf::from)))
            }
        }
    }

    /// Accepts a connection; the inner None is one that is broken already, as a peer that resets at once leaves it.
    pub async fn accept(&self) -> io::Result<Option<(Stream, ConnectionInfo)>> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let prepared = stream.set_nodelay(true).and_then(|()| stream.local_addr());
                Ok(prepared.ok().map(|local| (Stream::Tcp(stream), ConnectionInfo::Tcp { peer, local })))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Some((Stream::Unix(stream), ConnectionInfo::Unix)))
            }
        }
    }
}

impl Stream {
    /// Waits until the socket takes bytes, and does `write`, which is to fail with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it does not after all. Not for connections over TLS.
    pub async fn write_by<T>(&self, write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match self {
            Stream::Tcp(stream) => stream.async_io(Interest::WRITABLE, write).await,
            Stream::Unix(stream) => stream.async_io(Interest::WRITABLE, write).await,
            Stream::Tls(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "bytes past TLS are no content")),
        }
    }

    /// What is agreed on the connection, if it is over TLS: what is written to its descriptor has to go through that.
    #[must_use]
    pub fn session(&self) -> Option<&Arc<Session>> {
        if let Stream::Tls(stream) = self { Some(stream.session()) } else { None }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tls(stream) => stream.as_fd(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Address::Unix(None) => f.write_str("unix:"),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, into),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
