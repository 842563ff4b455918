//! One connection: requests in, answers out, in order, until either side has enough. What answers a request is a
//! [`Gateway`].

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use lab_http::{BodyDecoder, Incoming, Outgoing, ReadError, Refusal};
use lab_net::deadline::{TimedOut, within};
use lab_net::proxy_protocol::Addresses;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::order::Order;
use crate::proxy_protocol::Start;
use crate::response;
use crate::settings::Settings;
use crate::wire::{Failure, Wire};
use lab_http::extensions::{ArrivedHead, ConnectionInfo};

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
    let wire = Outgoing::new(Wire::new(incoming));
    let mut connection = Connection { wire, info, proxied: None, settings, orders };
    let ending = match connection.read_proxy_header().await {
        Ok(()) => connection.exchange_all(&mut gateway).await,
        Err(ending) => ending,
    };
    match ending {
        Ending::Linger => connection.linger().await,
        // The client is to know that nothing was cut off (RFC 8446 §6.1).
        Ending::Close if connection.settings.is_tls => {
            let _ = timeout(connection.settings.linger_timeout, connection.wire.shutdown()).await;
        }
        Ending::Close => {}
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<IO> {
    async fn exchange_all<G: Gateway<IO>>(&mut self, gateway: &mut G) -> Ending {
        let mut is_first = true;
        loop {
            let head = match self.next_head(is_first).await {
                Ok(head) => head,
                Err(ending) => return ending,
            };
            is_first = false;
            if let Err(ending) = gateway.exchange(self, head).await {
                return ending;
            }
        }
    }
}

/// A connection, as a gateway sees it.
pub struct Connection<IO> {
    pub(crate) wire: Outgoing<Wire<IO>>,
    pub(crate) info: ConnectionInfo,
    /// What a proxy says of its client.
    proxied: Option<Addresses>,
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

    /// What a proxy has said of its client, in a PROXY header.
    #[must_use]
    pub fn proxied(&self) -> Option<&Addresses> {
        self.proxied.as_ref()
    }

    /// The two ends of the connection, with the client of a proxy instead of the proxy.
    #[must_use]
    pub fn client(&self) -> ConnectionInfo {
        match (&self.proxied, self.info) {
            (None, info) => info,
            (Some(proxied), ConnectionInfo::Tcp { local, .. }) => ConnectionInfo::Tcp { peer: proxied.source, local },
            (Some(proxied), ConnectionInfo::Unix) => {
                ConnectionInfo::Tcp { peer: proxied.source, local: proxied.destination }
            }
        }
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

    /// Reads what a proxy may say in front of the first request, if it may.
    async fn read_proxy_header(&mut self) -> Result<(), Ending> {
        let Some(policy) = self.settings.proxy_protocol.clone() else { return Ok(()) };
        let (patience, info) = (self.settings.header_timeout, self.info);
        let incoming = self.wire.io_mut().incoming().ok_or(Ending::Close)?;
        let look = async {
            loop {
                match policy.examine(&info, incoming.buffered()) {
                    Ok(Start::Undecided) => {}
                    found => return Ok(found),
                }
                if poll_fn(|cx| incoming.poll_fill(cx)).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
        };
        let found: Result<std::io::Result<_>, TimedOut> = tokio::select! {
            biased;
            found = within(patience, look) => found,
            () = until_given_up(&mut self.orders, true) => return Err(Ending::Close),
        };
        match found {
            Ok(Ok(Ok(Start::Header(length, proxied)))) => {
                self.proxied = proxied;
                let behind = incoming.take_buffered().split_off(length);
                incoming.give_back(&behind);
                Ok(())
            }
            Ok(Ok(Ok(Start::Request | Start::Undecided))) => Ok(()),
            Ok(Ok(Err(error))) => {
                tracing::info!("{}: refused with {}: {error}", self.info, error.status());
                response::not_let_in(self.wire.buffer(), error);
                Err(self.last_words().await)
            }
            Ok(Err(_)) | Err(_) => Err(Ending::Close),
        }
    }

    /// Waits for the next request head. Silence and a clean end close the connection without a word.
    async fn next_head(&mut self, is_first: bool) -> Result<ArrivedHead, Ending> {
        let patience = if is_first { self.settings.header_timeout } else { self.settings.keep_alive };
        let header_timeout = self.settings.header_timeout;
        let incoming = self.wire.io_mut().incoming().ok_or(Ending::Close)?;
        let arrived: Result<_, TimedOut> = tokio::select! {
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
pub(crate) async fn until_given_up(orders: &mut watch::Receiver<Order>, is_first: bool) {
    let order = orders.wait_for(|order| *order != Order::Serve).await.map_or(Order::Quit, |order| *order);
    if is_first && order == Order::Finish {
        // Either of the two will do.
        let _ = timeout(FIRST_WORD, orders.wait_for(|order| *order == Order::Quit)).await;
    }
}
