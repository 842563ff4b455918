//! HTTP/2 for lab's own drivers: a connection that several requests share, each on a stream of its own.
//!
//! One task of the connection has to write the frames of all streams, so the instant of the send is the instant at
//! which a request is passed to that task, on the same thread. After a GOAWAY the next request opens another
//! connection; nothing that was passed on is retried.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Error, Reason};
use http::Request;
use tokio::sync::Mutex;

use super::failure::{Phase, failed, timed_out};
use super::target::Target;
use super::tls::connect;
use crate::accounting::RequestOutcome;
use crate::wire::ErrorClass;
use lab_net::deadline::{Deadline, TimedOut};

/// Flow-control windows, in bytes, large enough that the server and not this client sets the pace.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 1 << 24;

/// A connection shared by several request slots, opened on demand.
///
/// The first request opens it while the others wait. If connecting fails, the next request in line tries again, so each
/// request counts its own failure.
#[derive(Debug, Default)]
pub(crate) struct SharedConnection(Mutex<Option<SendRequest<Bytes>>>);

/// A handle to send one request on an open connection.
#[derive(Debug)]
pub(crate) struct ConnectionHandle {
    sender: SendRequest<Bytes>,
    /// The time to connect, if this request opened the connection.
    pub(super) connecting: Option<Duration>,
}

impl SharedConnection {
    /// The connection; opens another if there is none that accepts requests.
    pub(super) async fn open(
        &self,
        target: &Target,
        deadline: &mut Deadline,
    ) -> Result<ConnectionHandle, RequestOutcome> {
        let late = |_: TimedOut| timed_out(Phase::Connecting);
        let mut current = deadline.limit(self.0.lock()).await.map_err(late)?;
        if let Some(sender) = current.as_ref().filter(|sender| accepts_requests(sender)) {
            return Ok(ConnectionHandle { sender: sender.clone(), connecting: None });
        }
        *current = None;
        let began = Instant::now();
        let stream = connect(target.address, target.tls.as_ref(), deadline).await?;
        let mut builder = Builder::new();
        builder.enable_push(false);
        builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
        let opened = deadline.limit(builder.handshake(stream)).await.map_err(late)?;
        let (sender, connection) = opened.map_err(|error| failure(&error, Phase::Connecting))?;
        // Each request under way receives the error that ends the connection, so it is ignored here.
        tokio::task::spawn_local(async move { _ = connection.await });
        *current = Some(sender.clone());
        Ok(ConnectionHandle { sender, connecting: Some(began.elapsed()) })
    }
}

/// Whether a connection is neither broken nor closed by its server.
fn accepts_requests(sender: &SendRequest<Bytes>) -> bool {
    // A fresh clone has no pending stream, so polling it with a no-op waker only reads the connection's state.
    !matches!(sender.clone().poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
}

impl ConnectionHandle {
    /// Sends `head`, a GET, and reads the response to its end.
    pub(super) async fn send(mut self, head: &Request<()>, deadline: &mut Deadline) -> RequestOutcome {
        match self.exchange(head, deadline).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }

    async fn exchange(
        &mut self,
        head: &Request<()>,
        deadline: &mut Deadline,
    ) -> Result<RequestOutcome, RequestOutcome> {
        let (response, _) =
            self.sender.send_request(head.clone(), true).map_err(|error| failure(&error, Phase::AwaitingResponse))?;
        let response = within(deadline, Phase::AwaitingResponse, response).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut body_bytes = 0;
        while let Some(piece) = deadline.limit(body.data()).await.map_err(|_| timed_out(Phase::ReadingBody))? {
            let piece = piece.map_err(|error| failure(&error, Phase::ReadingBody))?;
            body_bytes += piece.len() as u64;
            let released = body.flow_control().release_capacity(piece.len());
            released.map_err(|error| failure(&error, Phase::ReadingBody))?;
        }
        Ok(RequestOutcome::from_status(status, body_bytes))
    }
}

async fn within<T>(
    deadline: &mut Deadline,
    phase: Phase,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, RequestOutcome> {
    let done = deadline.limit(step).await.map_err(|_| timed_out(phase))?;
    done.map_err(|error| failure(&error, phase))
}

/// The outcome of an HTTP/2 error in `phase`.
fn failure(error: &Error, phase: Phase) -> RequestOutcome {
    if let Some(io) = error.get_io() {
        // h2 reports a connection that ends without GOAWAY as BrokenPipe without an errno; the kernel's EPIPE has one.
        let ended = io.kind() == std::io::ErrorKind::BrokenPipe && io.raw_os_error().is_none();
        return if ended { RequestOutcome::failed(ErrorClass::PrematureEof) } else { failed(io, phase) };
    }
    let is_refused = match error.reason() {
        Some(Reason::REFUSED_STREAM) => true,
        Some(Reason::NO_ERROR) => error.is_go_away(),
        _ => false,
    };
    match (error.is_remote(), phase) {
        (true, _) if is_refused => RequestOutcome::failed(ErrorClass::StreamRefused),
        (true, Phase::ReadingBody) => RequestOutcome::failed(ErrorClass::ResetMidBody),
        (true, _) => RequestOutcome::failed(ErrorClass::ResetBeforeFirstByte),
        // h2 itself refused the response.
        (false, _) if error.is_library() || error.reason().is_some() => RequestOutcome::failed(ErrorClass::Protocol),
        (false, _) => failed(error, phase),
    }
}
