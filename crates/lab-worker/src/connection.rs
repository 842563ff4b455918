//! One connection, as a [`Gateway`](crate::Gateway) sees it: reading heads and bodies, writing responses and errors, and
//! closing in an orderly way.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use lab_http::message::extensions::{ConnectionInfo, RawHead};
use lab_http::{BodyDecoder, Incoming, Outgoing, ReadError, Refusal};
use lab_net::deadline::{TimedOut, last_look, now_or_pending, within};
use lab_net::proxy_protocol::Addresses;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::admission::check_trailers;
use crate::config::WorkerConfig;
use crate::copies;
use crate::idle_connections::{Evicted, IdleSlot, IdleStage};
use crate::lendable::{BodyFailure, LendableStream};
use crate::proxy_protocol::Start;
use crate::response;
use crate::shutdown::ShutdownState;

/// A connection that requests arrive on.
pub struct Connection<IO> {
    pub(crate) outgoing: Outgoing<LendableStream<IO>>,
    pub(crate) info: ConnectionInfo,
    proxied: Option<Addresses>,
    pub(crate) config: Rc<WorkerConfig>,
    shutdown: watch::Receiver<ShutdownState>,
    idle: IdleSlot,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// Close at once: either everything was read, or the client can no longer receive a response.
    Close,
    /// Close for writing and keep reading for a while: the client may still be sending and has a response to read.
    Linger,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<IO> {
    pub(crate) fn new(
        outgoing: Outgoing<LendableStream<IO>>,
        info: ConnectionInfo,
        config: Rc<WorkerConfig>,
        shutdown: watch::Receiver<ShutdownState>,
        idle: IdleSlot,
    ) -> Connection<IO> {
        Connection { outgoing, info, proxied: None, config, shutdown, idle }
    }

    /// The addresses of the connection itself.
    #[must_use]
    pub fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// The addresses from a PROXY header, if there was one.
    #[must_use]
    pub fn proxied(&self) -> Option<&Addresses> {
        self.proxied.as_ref()
    }

    /// The addresses of the connection; behind a PROXY header, those of the proxy's client.
    #[must_use]
    pub fn client_info(&self) -> ConnectionInfo {
        match (&self.proxied, self.info) {
            (None, info) => info,
            (Some(proxied), ConnectionInfo::Tcp { local, .. }) => ConnectionInfo::Tcp { peer: proxied.source, local },
            (Some(proxied), ConnectionInfo::Unix) => {
                ConnectionInfo::Tcp { peer: proxied.source, local: proxied.destination }
            }
        }
    }

    /// The limits and timeouts of this connection.
    #[must_use]
    pub fn config(&self) -> &Rc<WorkerConfig> {
        &self.config
    }

    /// Whether the worker has no other connection.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.idle.is_alone()
    }

    /// Whether another request may follow on this connection: not during a shutdown, nor without keep-alive.
    #[must_use]
    pub fn may_keep_alive(&self) -> bool {
        !self.config.keep_alive.is_zero() && *self.shutdown.borrow() == ShutdownState::Running
    }

    /// The buffer that a response is written to; see [`flush`](Connection::flush).
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.outgoing.buffer()
    }

    /// Writes the buffer. An error means that the client is gone, or has accepted nothing for the send timeout.
    pub async fn flush(&mut self) -> Result<(), ConnectionEnd> {
        match now_or_pending(self.outgoing.flush()).await {
            Poll::Ready(flushed) => flushed.map_err(|_| ConnectionEnd::Close),
            Poll::Pending => self.send(&[]).await,
        }
    }

    /// As [`flush`](Connection::flush), for the buffer and then `content`.
    pub async fn send(&mut self, mut content: &[u8]) -> Result<(), ConnectionEnd> {
        let limit = self.config.send_timeout;
        while !(content.is_empty() && self.outgoing.is_flushed()) {
            match within(limit, self.outgoing.write_some(content)).await {
                Ok(Ok(written)) => content = &content[written..],
                _ => return Err(ConnectionEnd::Close),
            }
        }
        // A TLS session may still hold encrypted bytes.
        match within(limit, self.outgoing.flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(ConnectionEnd::Close),
        }
    }

    /// The reading side.
    pub fn incoming(&mut self) -> Result<&mut Incoming<IO>, ConnectionEnd> {
        self.outgoing.io_mut().incoming().ok_or(ConnectionEnd::Close)
    }

    /// Reads the next content of a request body; None at its end. A client that sends nothing for the body timeout is a
    /// [`Refusal::Timeout`].
    pub async fn read_body(&mut self, body: &mut BodyDecoder) -> Result<Option<&[u8]>, ReadError> {
        let limit = self.config.body_timeout;
        let lent = || ReadError::Io(std::io::ErrorKind::NotConnected.into());
        let incoming = self.outgoing.io_mut().incoming().ok_or_else(lent)?;
        let piece = within(limit, incoming.read_body_piece(body)).await.unwrap_or(Err(Refusal::Timeout.into()))?;
        if piece.is_none() {
            check_trailers(body)?;
        }
        Ok(piece)
    }

    /// Sends the error response of a request that is not handed to the application. Bytes that arrived behind the
    /// request are ignored.
    pub async fn refuse(&mut self, is_head: bool, refusal: Refusal) -> ConnectionEnd {
        tracing::info!("{}: refused with {}: {refusal}", self.info, refusal.status());
        response::write_refusal(self.outgoing.buffer(), is_head, refusal);
        self.flush_and_close().await
    }

    /// Sends a 500 for a request on which the application failed.
    pub async fn send_server_error(&mut self, is_head: bool) -> ConnectionEnd {
        response::write_server_error(self.outgoing.buffer(), is_head);
        self.flush_and_close().await
    }

    /// Sends the error response of a request on which the application failed while the connection was lent to its body:
    /// what was wrong with the body if that was the reason, and a 500 otherwise.
    pub(crate) async fn send_body_or_server_error(&mut self, is_head: bool) -> ConnectionEnd {
        match self.outgoing.io_mut().failure() {
            Some(BodyFailure::Refused(refusal)) => {
                response::write_refusal(self.outgoing.buffer(), is_head, refusal);
                self.flush_and_close().await
            }
            Some(BodyFailure::Io) => ConnectionEnd::Close,
            None => self.send_server_error(is_head).await,
        }
    }

    /// Reads the PROXY header in front of the first request, where the configuration allows one.
    pub(crate) async fn read_proxy_header(&mut self) -> Result<(), ConnectionEnd> {
        let Some(policy) = self.config.proxy_protocol.clone() else { return Ok(()) };
        let (limit, info) = (self.config.header_timeout, self.info);
        let incoming = self.outgoing.io_mut().incoming().ok_or(ConnectionEnd::Close)?;
        let read_start = async {
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
        let found: Result<Result<std::io::Result<_>, TimedOut>, Evicted> = {
            let reading = pin!(within(limit, read_start));
            tokio::select! {
                biased;
                found = self.idle.while_idle(IdleStage::Partial, reading) => found,
                () = wait_for_retirement(&mut self.shutdown, self.config.retirement_grace()) => {
                    return Err(ConnectionEnd::Close);
                }
            }
        };
        match found {
            Ok(Ok(Ok(Ok(Start::Header(length, proxied))))) => {
                self.proxied = proxied;
                let behind = incoming.take_buffered().split_off(length);
                incoming.unread(&behind);
                Ok(())
            }
            Ok(Ok(Ok(Ok(Start::Request | Start::Undecided)))) => Ok(()),
            Ok(Ok(Ok(Err(error)))) => {
                tracing::info!("{}: refused with {}: {error}", self.info, error.status());
                response::write_proxy_header_error(self.outgoing.buffer(), error);
                Err(self.flush_and_close().await)
            }
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => Err(ConnectionEnd::Close),
        }
    }

    /// Waits for the next request head. A connection that stays idle, ends between two requests or gives way to another is
    /// closed without a response.
    pub(crate) async fn next_head(&mut self, is_first: bool) -> Result<RawHead, ConnectionEnd> {
        let idle_timeout = if is_first { self.config.idle_timeout } else { self.config.keep_alive };
        let header_timeout = self.config.header_timeout;
        let incoming = self.outgoing.io_mut().incoming().ok_or(ConnectionEnd::Close)?;
        let arrived: Result<Result<_, TimedOut>, Evicted> = {
            let waiting = pin!(within(idle_timeout, incoming.wait()));
            tokio::select! {
                biased;
                arrived = self.idle.while_idle(IdleStage::Silent, waiting) => arrived,
                () = wait_for_retirement(&mut self.shutdown, self.config.retirement_grace()) => Ok(Err(TimedOut)),
            }
        };
        let has_request = match arrived {
            Ok(Ok(arrived)) => matches!(arrived, Ok(true)),
            Ok(Err(TimedOut)) => matches!(last_look(incoming.wait()).await, Poll::Ready(Ok(true))),
            Err(Evicted) => false,
        };
        if !has_request {
            return Err(ConnectionEnd::Close);
        }
        let read = {
            let reading = pin!(within(header_timeout, incoming.read_request_head()));
            self.idle.while_idle(IdleStage::Partial, reading).await
        };
        let Ok(read) = read else { return Err(ConnectionEnd::Close) };
        match read {
            Ok(Ok(Some(head))) => Ok(RawHead::from(head)),
            Ok(Ok(None) | Err(ReadError::Io(_) | ReadError::Refused(Refusal::Truncated))) => Err(ConnectionEnd::Close),
            Ok(Err(ReadError::Refused(refusal))) => Err(self.refuse(false, refusal).await),
            Err(_) => Err(self.refuse(false, Refusal::Timeout).await),
        }
    }

    async fn flush_and_close(&mut self) -> ConnectionEnd {
        match self.flush().await {
            Ok(()) => ConnectionEnd::Linger,
            Err(end) => end,
        }
    }

    pub(crate) async fn close(&mut self, end: ConnectionEnd) {
        match end {
            ConnectionEnd::Linger => self.linger().await,
            // TLS tells a complete end from a cut by its close_notify alert (RFC 8446 §6.1).
            ConnectionEnd::Close if self.config.is_tls() || copies::exist() => {
                let _ = timeout(self.config.linger_timeout, self.outgoing.shutdown()).await;
            }
            ConnectionEnd::Close => {}
        }
    }

    /// Closes for writing and keeps reading for a while. A close with unread bytes makes the kernel send a reset, which
    /// can destroy the response before the client has read it (RFC 9112 §9.6).
    async fn linger(&mut self) {
        self.outgoing.io_mut().reclaim();
        let bound = self.config.linger_bytes;
        let lingering = async {
            self.outgoing.shutdown().await?;
            match self.outgoing.io_mut().incoming() {
                Some(incoming) => incoming.discard(bound).await,
                None => Ok(()),
            }
        };
        // The connection is closed next, whether this succeeded or not.
        let _ = timeout(self.config.linger_timeout, lingering).await;
    }
}

/// Returns when a connection should stop waiting for a request: `grace` after a shutdown is announced, because its client
/// does not know yet and may be sending one, or at once if the shutdown is immediate.
pub(crate) async fn wait_for_retirement(shutdown: &mut watch::Receiver<ShutdownState>, grace: Duration) {
    // An error means that the worker is gone.
    if shutdown.wait_for(|state| *state != ShutdownState::Running).await.is_ok() {
        let _ = timeout(grace, shutdown.wait_for(|state| *state == ShutdownState::Immediate)).await;
    }
}
