//! One connection: requests in, answers out, in order, until either side has enough. What answers a request is a
//! [`Gateway`].

use std::rc::Rc;
use std::time::Duration;

use lab_http::{BodyDecoder, Incoming, Outgoing, ReadError, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{error::Elapsed, timeout};

use crate::extensions::{ArrivedHead, ConnectionInfo};
use crate::order::Order;
use crate::response;
use crate::settings::Settings;
use crate::wait::within;
use crate::wire::{Failure, Wire};

/// What answers requests: an app, and the way it is called.
pub trait Gateway<IO> {
    /// Answers one request, up to the last byte of its response; an error ends the connection. Requests of one
    /// connection come one after the other.
    fn exchange(
        &mut self,
        connection: &mut Connection<IO>,
        arrived: ArrivedHead,
    ) -> impl Future<Output = Result<(), Ending>>;
}

/// How long a connection that was accepted just before the order to finish may take to send its first byte: its client
/// has been let in, and could not know.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// Serves `io` through `gateway` until it closes. When the order is no longer to serve, an idle connection is closed,
/// and one with a request in progress behind its answer.
pub async fn serve<G, IO>(
    io: IO,
    info: ConnectionInfo,
    mut gateway: G,
    settings: Rc<Settings>,
    orders: watch::Receiver<Order>,
) where
    G: Gateway<IO>,
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let incoming = Incoming::new(io, settings.limits);
    let mut connection = Connection { wire: Outgoing::new(Wire::new(incoming)), info, settings, orders };
    let mut is_first = true;
    let ending = loop {
        let head = match connection.next_head(is_first).await {
            Ok(head) => head,
            Err(ending) => break ending,
        };
        is_first = false;
        if let Err(ending) = gateway.exchange(&mut connection, head).await {
            break ending;
        }
    };
    if ending == Ending::Linger {
        connection.linger().await;
    }
}

/// A connection, as a gateway sees it.
pub struct Connection<IO> {
    pub(crate) wire: Outgoing<Wire<IO>>,
    pub(crate) info: ConnectionInfo,
    pub(crate) settings: Rc<Settings>,
    orders: watch::Receiver<Order>,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything was read, or nobody is there to read an answer.
    Close,
    /// The client may still be sending, and has an answer to read.
    Linger,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<IO> {
    /// The two ends of the connection.
    #[must_use]
    pub fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// What bounds the client.
    #[must_use]
    pub fn settings(&self) -> &Rc<Settings> {
        &self.settings
    }

    /// Whether another request may be served on this connection: not if the worker is to end, nor without keep-alive.
    #[must_use]
    pub fn may_persist(&self) -> bool {
        !self.settings.keep_alive.is_zero() && *self.orders.borrow() == Order::Serve
    }

    /// Where a response is written to; see [`flush`](Connection::flush).
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.wire.buffer()
    }

    /// Writes what is in the buffer, within the send timeout; an error says that nobody reads any more.
    pub async fn flush(&mut self) -> Result<(), Ending> {
        match within(self.settings.send_timeout, self.wire.flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Ending::Close),
        }
    }

    /// The reading side.
    pub fn incoming(&mut self) -> Result<&mut Incoming<IO>, Ending> {
        self.wire.io_mut().incoming().ok_or(Ending::Close)
    }

    /// Reads the next content of a request body, which may stall for the body timeout; None at its end.
    pub async fn body_piece(&mut self, body: &mut BodyDecoder) -> Result<Option<&[u8]>, ReadError> {
        let patience = self.settings.body_timeout;
        let gone = || ReadError::Io(std::io::ErrorKind::NotConnected.into());
        let incoming = self.wire.io_mut().incoming().ok_or_else(gone)?;
        within(patience, incoming.read_body_piece(body)).await.unwrap_or(Err(Refusal::Timeout.into()))
    }

    /// Answers a request that is not to be served. Nothing that arrived behind it is looked at.
    pub async fn refuse(&mut self, head: bool, refusal: Refusal) -> Ending {
        tracing::info!("{}: refused with {}: {refusal}", self.info, refusal.status());
        response::refusal(self.wire.buffer(), head, refusal);
        self.last_words().await
    }

    /// Answers a request on which the app failed.
    pub async fn fail(&mut self, head: bool) -> Ending {
        response::server_error(self.wire.buffer(), head);
        self.last_words().await
    }

    /// Answers a request on which the app failed: with what was wrong about its body, if that was the reason.
    pub(crate) async fn apologise(&mut self, head: bool) -> Ending {
        match self.wire.io_mut().failure() {
            Some(Failure::Refused(refusal)) => response::refusal(self.wire.buffer(), head, refusal),
            Some(Failure::Io) => return Ending::Close,
            None => response::server_error(self.wire.buffer(), head),
        }
        self.last_words().await
    }

    /// Waits for the next request head. Silence and a clean end close the connection without a word.
    async fn next_head(&mut self, is_first: bool) -> Result<ArrivedHead, Ending> {
        let patience = if is_first { self.settings.header_timeout } else { self.settings.keep_alive };
        let header_timeout = self.settings.header_timeout;
        let incoming = self.wire.io_mut().incoming().ok_or(Ending::Close)?;
        let arrived: Result<_, Elapsed> = tokio::select! {
            biased;
            arrived = within(patience, incoming.wait()) => arrived,
            () = until_given_up(&mut self.orders, is_first) => return Err(Ending::Close),
        };
        if !matches!(arrived, Ok(Ok(true))) {
            return Err(Ending::Close);
        }
        match within(header_timeout, incoming.read_request_head()).await {
            Ok(Ok(Some(head))) => Ok(ArrivedHead::from(head)),
            Ok(Ok(None) | Err(ReadError::Io(_) | ReadError::Refused(Refusal::Truncated))) => Err(Ending::Close),
            Ok(Err(ReadError::Refused(refusal))) => Err(self.refuse(false, refusal).await),
            Err(_) => Err(self.refuse(false, Refusal::Timeout).await),
        }
    }

    async fn last_words(&mut self) -> Ending {
        match self.flush().await {
            Ok(()) => Ending::Linger,
            Err(ending) => ending,
        }
    }

    /// Closes for writing and reads on for a while, so that the client gets to read its answer (RFC 9112 §9.6).
    async fn linger(&mut self) {
        self.wire.io_mut().reclaim();
        let bound = self.settings.linger_bytes;
        let lingering = async {
            self.wire.shutdown().await?;
            match self.wire.io_mut().incoming() {
                Some(incoming) => incoming.discard(bound).await,
                None => Ok(()),
            }
        };
        // Whatever becomes of it, the connection is closed behind it.
        let _ = timeout(self.settings.linger_timeout, lingering).await;
    }
}

/// Waits until no further request is waited for.
async fn until_given_up(orders: &mut watch::Receiver<Order>, is_first: bool) {
    let order = orders.wait_for(|order| *order != Order::Serve).await.map_or(Order::Quit, |order| *order);
    if is_first && order == Order::Finish {
        // Either of the two will do.
        let _ = timeout(FIRST_WORD, orders.wait_for(|order| *order == Order::Quit)).await;
    }
}
