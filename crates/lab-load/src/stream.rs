//! What requests are written to and answers read from: a TCP connection, in the clear or under TLS.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::accounting::RequestOutcome;
use crate::client::failure::{Phase, failed, timed_out};
use crate::timer::Patience;
use crate::tls::Tls;

/// A connection to a stack.
#[derive(Debug)]
pub(super) enum Stream {
    /// In the clear.
    Tcp(TcpStream),
    /// Under TLS, whose state is some kilobytes.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects, and shakes hands if there is TLS, as long as there is patience.
    pub(super) async fn connect(
        address: SocketAddr,
        tls: Option<&Tls>,
        patience: &mut Patience,
    ) -> Result<Stream, RequestOutcome> {
        let late = || timed_out(Phase::Connecting);
        let connect = patience.limit(TcpStream::connect(address)).await.ok_or_else(late)?;
        let tcp = connect.map_err(|error| failed(&error, Phase::Connecting))?;
        // Requests go out in one write, so that this only matters for the rest of a large one.
        _ = tcp.set_nodelay(true);
        let Some(tls) = tls else { return Ok(Stream::Tcp(tcp)) };
        let shaken = patience.limit(tls.handshake(tcp)).await.ok_or_else(late)?;
        Ok(Stream::Tls(Box::new(shaken.map_err(|error| failed(&error, Phase::Connecting))?)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
