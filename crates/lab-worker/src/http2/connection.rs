//! An HTTP/2 connection: accepts its streams, and serves each request in a task.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use lab_http::http2::{ConnectionEvent, Http2Limits, IoLimits, LingeringLimits, Reason, ServerConnection, Stage};
use lab_net::Stream;
use lab_net::deadline::{TimedOut, within};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client_context::ClientContext;
use super::stream;
use crate::connection::wait_for_retirement;
use crate::gateway::Gateway;
use crate::idle_connections::{Evicted, IdleSlot, IdleStage};
use crate::shutdown::ShutdownState;

#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and a box would cost every request an allocation"
)]
enum Event {
    Frames(ConnectionEvent),
    /// A request was served. The value is whether the client did not wait for its response.
    Served(bool),
    /// The last response has left the connection.
    Idle,
    /// No request has come in time.
    IdleTooLong,
    /// The connection has to give way to another.
    Evicted,
    /// The worker ends.
    Retire,
}

struct Http2Connection<'i, G> {
    client: Rc<ClientContext<G>>,
    shutdown: watch::Receiver<ShutdownState>,
    idle: &'i IdleSlot,
    frames: ServerConnection<Stream>,
}

/// Serves the requests of a connection until it closes. `received` are the bytes that were read from it before.
pub(crate) async fn serve<G>(
    stream: Stream,
    received: Vec<u8>,
    client: ClientContext<G>,
    limits: Http2Limits,
    idle: &IdleSlot,
) where
    G: Gateway<Stream> + Clone + 'static,
{
    let config = Rc::clone(&client.config);
    let lingering = LingeringLimits { total: config.linger_timeout, pause: config.linger_timeout };
    let io_limits = IoLimits { send_timeout: config.send_timeout, lingering: Some(lingering) };
    let handshake = ServerConnection::handshake(stream, received, limits, io_limits);
    let handshake = pin!(within(config.header_timeout, handshake));
    let mut shutdown = client.shutdown.clone();
    let handshake = tokio::select! {
        biased;
        handshake = idle.while_idle(IdleStage::Partial, handshake) => handshake,
        () = wait_for_retirement(&mut shutdown, config.retirement_grace()) => return,
    };
    match handshake {
        Ok(Ok(Ok(frames))) => Http2Connection { client: Rc::new(client), shutdown, idle, frames }.run().await,
        Ok(Ok(Err(error))) => {
            tracing::info!("{}: the connection does not begin as one of HTTP/2: {error}", client.info);
        }
        Ok(Err(TimedOut)) | Err(Evicted) => {}
    }
}

impl<G: Gateway<Stream> + Clone + 'static> Http2Connection<'_, G> {
    async fn run(mut self) {
        let mut requests = JoinSet::new();
        let mut idle_timeout = self.client.config.idle_timeout;
        loop {
            let event = match requests.is_empty() && self.frames.is_idle() {
                true => self.idle_event(idle_timeout).await,
                false => self.busy_event(&mut requests).await,
            };
            match event {
                Event::Frames(ConnectionEvent::Stream(request, response)) => {
                    let traffic = Rc::clone(self.frames.traffic());
                    requests.spawn_local(stream::serve(Rc::clone(&self.client), traffic, request, response));
                }
                Event::Frames(ConnectionEvent::Abuse(message)) => tracing::info!("{}: {message}", self.client.info),
                Event::Frames(ConnectionEvent::Closed) => break,
                Event::Served(is_cancelled) => {
                    idle_timeout = self.keep_alive();
                    self.frames.count_served(is_cancelled);
                }
                // An idle connection has one descriptor.
                Event::Idle => self.client.close_spare(),
                Event::Retire => self.frames.close(),
                Event::IdleTooLong if self.frames.stage() == Stage::Open => self.frames.close(),
                Event::IdleTooLong | Event::Evicted => self.frames.end(Reason::NO_ERROR),
            }
        }
        // The requests learn that their client is gone.
        drop(self.frames);
        while requests.join_next().await.is_some() {}
    }

    /// How long the connection may be idle between two requests. Without keep-alive, as in gunicorn, it is not closed for
    /// that alone.
    fn keep_alive(&self) -> Duration {
        let config = &self.client.config;
        if config.keep_alive.is_zero() { config.idle_timeout } else { config.keep_alive }
    }

    /// The next event of a connection without a request.
    async fn idle_event(&mut self, timeout: Duration) -> Event {
        let limit = match self.frames.stage() {
            Stage::Open => timeout,
            Stage::Closing => self.client.config.retirement_grace(),
            // The end of a connection has limits of its own.
            Stage::Ended => Duration::MAX,
        };
        let is_open = self.frames.stage() == Stage::Open;
        let arriving = pin!(within(limit, poll_fn(|cx| self.frames.poll_event(cx))));
        tokio::select! {
            biased;
            arrived = self.idle.while_idle(IdleStage::Silent, arriving) => match arrived {
                Ok(Ok(event)) => Event::Frames(event),
                Ok(Err(TimedOut)) => Event::IdleTooLong,
                Err(Evicted) => Event::Evicted,
            },
            // An error means that the worker is gone.
            _ = self.shutdown.wait_for(|state| *state != ShutdownState::Running), if is_open => Event::Retire,
        }
    }

    /// The next event of a connection with requests, or with frames to send.
    async fn busy_event(&mut self, requests: &mut JoinSet<bool>) -> Event {
        let is_open = self.frames.stage() == Stage::Open;
        let next = poll_fn(|cx| {
            if let Poll::Ready(Some(served)) = requests.poll_join_next(cx) {
                // A panic was reported, and its stream is reset.
                return Poll::Ready(Event::Served(served.unwrap_or(false)));
            }
            // This also sends what the requests have written.
            if let Poll::Ready(event) = self.frames.poll_event(cx) {
                return Poll::Ready(Event::Frames(event));
            }
            if requests.is_empty() && self.frames.is_idle() { Poll::Ready(Event::Idle) } else { Poll::Pending }
        });
        tokio::select! {
            biased;
            event = next => event,
            // An error means that the worker is gone.
            _ = self.shutdown.wait_for(|state| *state != ShutdownState::Running), if is_open => Event::Retire,
        }
    }
}
