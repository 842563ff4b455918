//! A TLS session over any transport: the handshake, and content on the event loop or directly on the socket.
//!
//! The two halves and an application's threads share the session behind a lock. It is never contended: a
//! connection's halves run in one task, and while an application responds on another thread, the loop waits for it.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::details::SessionDetails;

/// A transport with a TLS session over it, or one half of them. The handshake is complete.
#[derive(Debug)]
pub struct Tls<S> {
    socket: S,
    session: Arc<Session>,
}

/// The keys and buffers of a connection, shared by its halves.
#[derive(Debug)]
pub struct Session(Mutex<Connection>);

impl<S: AsyncRead + AsyncWrite + Unpin> Tls<S> {
    pub(crate) async fn accept(config: Arc<ServerConfig>, socket: S) -> io::Result<Tls<S>> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Tls::handshake(Connection::Server(session), socket).await
    }

    pub(crate) async fn connect(config: Arc<ClientConfig>, name: ServerName<'static>, socket: S) -> io::Result<Tls<S>> {
        let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Tls::handshake(Connection::Client(session), socket).await
    }

    async fn handshake(mut session: Connection, mut socket: S) -> io::Result<Tls<S>> {
        std::future::poll_fn(|cx| {
            pending_if_blocked(handshake(&mut session, &mut Polled { socket: &mut socket, cx: &mut *cx }))
        })
        .await?;
        Ok(Tls::handshaken(socket, session))
    }
}

impl<S> Tls<S> {
    /// `session` has completed its handshake over `socket`.
    pub(crate) fn new(socket: S, session: Arc<Session>) -> Tls<S> {
        Tls { socket, session }
    }

    /// A session that has just completed its handshake.
    pub(super) fn handshaken(socket: S, session: Connection) -> Tls<S> {
        Tls::new(socket, Arc::new(Session(Mutex::new(session))))
    }

    pub fn socket(&self) -> &S {
        &self.socket
    }

    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(crate) fn parts_mut(&mut self) -> (&mut S, &Arc<Session>) {
        (&mut self.socket, &self.session)
    }

    pub(crate) fn into_parts(self) -> (S, Arc<Session>) {
        (self.socket, self.session)
    }
}

impl Session {
    /// The application protocol that both sides agreed on.
    pub fn alpn_protocol(&self) -> Option<Vec<u8>> {
        self.lock().alpn_protocol().map(<[u8]>::to_vec)
    }

    /// What the handshake agreed on.
    pub fn details(&self) -> SessionDetails {
        SessionDetails::of(&self.lock())
    }

    /// Sends content directly on the socket, as much as it accepts without blocking. The stream's next flush sends the
    /// rest of the accepted content.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing was accepted; any error of the socket.
    pub fn send(&self, socket: BorrowedFd<'_>, content: &[u8]) -> io::Result<usize> {
        let mut session = self.lock();
        let mut sent = 0;
        while sent < content.len() {
            sent += session.writer().write(&content[sent..])?;
            match write_out(&mut session, &mut Direct(socket)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Receives content directly from the socket, as much as has arrived; 0 at the end.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing has arrived; any error of the socket or the session.
    pub fn receive(&self, socket: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
        let mut session = self.lock();
        let received = read(&mut session, &mut Direct(socket), into);
        // new keys or an alert; if the socket does not accept them now, the next write sends them
        _ = write_out(&mut session, &mut Direct(socket));
        received
    }

    /// Reads content, with `receive` to receive from the socket.
    pub(crate) fn read_with(
        &self,
        into: &mut [u8],
        receive: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        read(&mut self.lock(), &mut Receive(receive), into)
    }

    // OK because nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn handshake(session: &mut Connection, io: &mut (impl Read + Write)) -> io::Result<()> {
    loop {
        write_out(session, io)?;
        if !session.is_handshaking() {
            return Ok(());
        }
        match read_in(session, io) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) => {
                // an alert tells the peer why, if it still reads
                if error.kind() != io::ErrorKind::WouldBlock {
                    _ = write_out(session, io);
                }
                return Err(error);
            }
        }
    }
}

/// Sends all pending records.
pub(super) fn write_out(session: &mut Connection, io: &mut impl Write) -> io::Result<()> {
    while session.wants_write() {
        if session.write_tls(io)? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// Receives and decrypts records; 0 at the end of the connection.
fn read_in(session: &mut Connection, io: &mut impl Read) -> io::Result<usize> {
    let received = session.read_tls(io)?;
    session.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(received)
}

/// Reads content. A reading half cannot write, so records to send in reply (new keys, alerts) are left to the next
/// write, which must follow them (RFC 8446 section 4.6.3).
///
/// A connection that ends without `close_notify` may have been cut. For a server that is an ordinary end (gunicorn's
/// `suppress_ragged_eofs`), as HTTP knows where its requests end. For a client it is an error, as only the end
/// delimits some responses (RFC 9112 section 9.8).
fn read(session: &mut Connection, io: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    // data that a client sent before its handshake was complete comes first
    if let Connection::Server(server) = session
        && let Some(mut early) = server.early_data()
    {
        match early.read(into)? {
            0 => {}
            length => return Ok(length),
        }
    }
    loop {
        match session.reader().read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && matches!(session, Connection::Server(_)) => {
                return Ok(0);
            }
            read => return read,
        }
        read_in(session, io)?;
    }
}

/// A transport polled on the event loop. A call that would block registers the task's waker.
pub(super) struct Polled<'a, 'c, S> {
    pub(super) socket: &'a mut S,
    pub(super) cx: &'a mut Context<'c>,
}

impl<S: AsyncRead + Unpin> Read for Polled<'_, '_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut into = ReadBuf::new(into);
        blocked_if_pending(Pin::new(&mut *self.socket).poll_read(self.cx, &mut into))?;
        Ok(into.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> Write for Polled<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocked_if_pending(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        blocked_if_pending(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket without the event loop.
struct Direct<'fd>(BorrowedFd<'fd>);

impl Read for Direct<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0, into, RecvFlags::DONTWAIT)?.0)
    }
}

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Receive<F>(F);

impl<F: FnMut(&mut [u8]) -> io::Result<usize>> Read for Receive<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (self.0)(into)
    }
}

fn blocked_if_pending<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

pub(super) fn pending_if_blocked<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tls<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Tls { socket, session } = self.get_mut();
        let read = read(&mut session.lock(), &mut Polled { socket, cx }, into.initialize_unfilled());
        pending_if_blocked(read).map_ok(|read| into.advance(read))
    }
}

impl<S: AsyncWrite + Unpin> Tls<S> {
    /// Adds content to the session with `take`, and sends as much as the socket accepts.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        take: impl Fn(&mut Connection) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Tls { socket, session } = self;
        let mut session = session.lock();
        loop {
            let taken = take(&mut session)?;
            match write_out(&mut session, &mut Polled { socket, cx }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return if taken > 0 { Poll::Ready(Ok(taken)) } else { Poll::Pending };
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok(()) if taken > 0 => return Poll::Ready(Ok(taken)),
                // the session's buffer was full, and now has room
                Ok(()) => {}
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tls<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.get_mut().poll_take(cx, |session| session.writer().write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if slices.iter().all(|slice| slice.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.get_mut().poll_take(cx, |session| session.writer().write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Tls { socket, session } = self.get_mut();
        pending_if_blocked(write_out(&mut session.lock(), &mut Polled { socket, cx }))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Tls { socket, session } = self.get_mut();
        {
            let mut session = session.lock();
            // has an effect only the first time
            session.send_close_notify();
            ready!(pending_if_blocked(write_out(&mut session, &mut Polled { socket: &mut *socket, cx })))?;
        }
        Pin::new(socket).poll_shutdown(cx)
    }
}
