//! A handshake whose configuration the client's first message decides.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::server::Acceptor;
use rustls::{Connection, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};

use super::details::ClientOffer;
use super::session::{Polled, Tls, handshake, pending_if_blocked, write_out};

/// A fatal alert `unrecognized_name` in the clear (RFC 8446 section 6).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

impl<S: AsyncRead + AsyncWrite + Unpin> Tls<S> {
    /// Performs a handshake as the server, with the configuration that `select` returns for the client's offer.
    /// `received` is the part of the first message that was read already. None refuses the name that the client wants.
    pub(crate) async fn accept_by_offer(
        mut socket: S,
        received: &[u8],
        select: impl FnOnce(ClientOffer) -> Option<Arc<ServerConfig>>,
    ) -> io::Result<Tls<S>> {
        let (mut acceptor, mut received, mut select) = (Acceptor::default(), received, Some(select));
        let mut session = None;
        poll_fn(|cx| {
            let mut io = Prefixed { prefix: &mut received, io: Polled { socket: &mut socket, cx: &mut *cx } };
            pending_if_blocked(loop {
                match &mut session {
                    Some(session) => break handshake(session, &mut io),
                    None => match begin(&mut acceptor, &mut io, &mut select) {
                        Ok(begun) => session = begun,
                        Err(error) => break Err(error),
                    },
                }
            })
        })
        .await?;
        // OK because the loop ends without an error only with a session
        Ok(Tls::handshaken(socket, session.expect("a session")))
    }
}

/// Reads a part of the first message. Returns the session once the message is complete.
fn begin<F: FnOnce(ClientOffer) -> Option<Arc<ServerConfig>>>(
    acceptor: &mut Acceptor,
    io: &mut (impl Read + Write),
    select: &mut Option<F>,
) -> io::Result<Option<Connection>> {
    if acceptor.read_tls(io)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut refuse = |error: rustls::Error, mut alert: rustls::server::AcceptedAlert| {
        // an alert tells the peer why, if it still reads
        _ = alert.write_all(&mut *io);
        io::Error::new(io::ErrorKind::InvalidData, error)
    };
    let accepted = match acceptor.accept() {
        Ok(None) => return Ok(None),
        Ok(Some(accepted)) => accepted,
        Err((error, alert)) => return Err(refuse(error, alert)),
    };
    let config = select.take().and_then(|select| select(ClientOffer::of(&accepted.client_hello())));
    let Some(config) = config else {
        _ = io.write(&UNRECOGNIZED_NAME);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the requested server name is refused"));
    };
    let mut session = match accepted.into_connection(config) {
        Ok(session) => Connection::Server(session),
        Err((error, alert)) => return Err(refuse(error, alert)),
    };
    // what arrived behind the first message is in the session already
    if let Err(error) = session.process_new_packets() {
        _ = write_out(&mut session, io);
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    Ok(Some(session))
}

/// Bytes that were read already, then the transport.
struct Prefixed<'a, 'p, I> {
    prefix: &'a mut &'p [u8],
    io: I,
}

impl<I: Read> Read for Prefixed<'_, '_, I> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.prefix.is_empty() { self.io.read(into) } else { self.prefix.read(into) }
    }
}

impl<I: Write> Write for Prefixed<'_, '_, I> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.io.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.io.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
