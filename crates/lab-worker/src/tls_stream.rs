//! A connection over TLS: the handshake, and bytes of the application through it, for the loop and past it.
//!
//! The session is behind a lock that nobody ever waits for: while an application answers on another thread, the loop
//! waits for it and does not touch the connection.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::Stream;

/// A connection over TLS whose handshake is done.
#[derive(Debug)]
pub struct TlsStream {
    socket: Stream,
    session: Arc<Session>,
}

/// What is agreed on a connection, to send and receive by outside the loop.
#[derive(Debug)]
pub struct Session(Mutex<ServerConnection>);

impl TlsStream {
    /// Shakes hands with a client, however long that takes.
    ///
    /// # Errors
    /// The client speaks something else, is not accepted, or goes away.
    pub async fn accept(config: Arc<ServerConfig>, mut socket: Stream) -> io::Result<TlsStream> {
        let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
        std::future::poll_fn(|cx| {
            let mut io = Polled { socket: &mut socket, cx };
            pending(shake_hands(&mut session, &mut io))
        })
        .await?;
        Ok(TlsStream { socket, session: Arc::new(Session(Mutex::new(session))) })
    }

    /// What is agreed on it.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Session {
    /// Sends content on the socket, as far as it takes it without being waited for. What was taken is on its way when
    /// the stream has been flushed.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it takes nothing, and whatever is wrong with it.
    pub fn send(&self, socket: BorrowedFd<'_>, content: &[u8]) -> io::Result<usize> {
        let mut session = self.lock();
        let mut sent = 0;
        while sent < content.len() {
            sent += session.writer().write(&content[sent..])?;
            match push(&mut session, &mut Direct(socket)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Receives content, as far as it is there; 0 at its end.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is there, and whatever is wrong with it.
    pub fn receive(&self, socket: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
        read(&mut self.lock(), &mut Direct(socket), into)
    }

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, ServerConnection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shake_hands(session: &mut ServerConnection, io: &mut (impl Read + Write)) -> io::Result<()> {
    loop {
        push(session, io)?;
        if !session.is_handshaking() {
            return Ok(());
        }
        if pull(session, io)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Sends what the session has to say.
fn push(session: &mut ServerConnection, io: &mut impl Write) -> io::Result<()> {
    while session.wants_write() {
        if session.write_tls(io)? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// Hears what the client has to say; 0 at the end of the connection.
fn pull(session: &mut ServerConnection, io: &mut (impl Read + Write)) -> io::Result<usize> {
    let heard = session.read_tls(io)?;
    if let Err(error) = session.process_new_packets() {
        // Tells the client why, if it still listens.
        let _ = push(session, io);
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    Ok(heard)
}

/// Content that has arrived. An end without a farewell is an end (gunicorn's `suppress_ragged_eofs`): whether something
/// is missing, HTTP knows.
fn read(session: &mut ServerConnection, io: &mut (impl Read + Write), into: &mut [u8]) -> io::Result<usize> {
    loop {
        match session.reader().read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            read => return read,
        }
        pull(session, io)?;
        // New keys may have been asked for.
        match push(session, io) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
}

/// A socket as the session sees it on the loop: what would wait leaves its waker behind.
struct Polled<'a, 'c> {
    socket: &'a mut Stream,
    cx: &'a mut Context<'c>,
}

impl Read for Polled<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut into = ReadBuf::new(into);
        match Pin::new(&mut *self.socket).poll_read(self.cx, &mut into) {
            Poll::Ready(read) => read.map(|()| into.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Polled<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        now(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        now(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket outside the loop.
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

fn now<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn pending<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl AsFd for TlsStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let TlsStream { socket, session } = self.get_mut();
        let read = read(&mut session.lock(), &mut Polled { socket, cx }, into.initialize_unfilled());
        pending(read).map_ok(|read| into.advance(read))
    }
}

impl TlsStream {
    /// Takes content by `take`, and sends what there is to send.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        take: impl Fn(&mut ServerConnection) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let TlsStream { socket, session } = self;
        let mut session = session.lock();
        loop {
            let taken = take(&mut session)?;
            let pushed = push(&mut session, &mut Polled { socket, cx });
            match pushed {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return if taken > 0 { Poll::Ready(Ok(taken)) } else { Poll::Pending };
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok(()) if taken > 0 => return Poll::Ready(Ok(taken)),
                // It was full, and now has room.
                Ok(()) => {}
            }
        }
    }
}

impl AsyncWrite for TlsStream {
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

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let TlsStream { socket, session } = self.get_mut();
        pending(push(&mut session.lock(), &mut Polled { socket, cx }))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let TlsStream { socket, session } = self.get_mut();
        {
            let mut session = session.lock();
            // Said once, however often this is called.
            session.send_close_notify();
            std::task::ready!(pending(push(&mut session, &mut Polled { socket: &mut *socket, cx })))?;
        }
        Pin::new(socket).poll_shutdown(cx)
    }
}
