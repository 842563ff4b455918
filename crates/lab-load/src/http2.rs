//! HTTP/2 as lab's own drivers speak it: a connection that several requests share, each a stream of its own.
//!
//! The frames of all streams are written by one task of the connection, as they have to be: a request's instant of the
//! send is that of its being handed to that task, on the same thread. A connection ends for the ones that come later when
//! the server says so (GOAWAY), and the next request opens another; nothing that was handed over is asked again.

use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Error, Reason};
use http::Request;
use lab_net::deadline::{Deadline, TimedOut};
use tokio::sync::Mutex;

use crate::exchange::{Phase, class_of_status, class_of_timeout, failed};
use crate::ledger::ErrorClass;
use crate::recorder::Outcome;
use crate::target::Target;
use crate::tls::connect;

/// Room for a body's bytes that a stream and a connection grant the server beforehand, so that it is the server and
/// not this client that sets the pace.
const STREAM_WINDOW: u32 = 1 << 20;
/// See [`STREAM_WINDOW`].
const CONNECTION_WINDOW: u32 = 1 << 24;

/// A connection that is there when it is needed, for all who share it.
///
/// Whoever needs it first opens it, and the others wait meanwhile. Each request has its own try: where connecting
/// fails, the next in line tries again, so that a failure is counted once for each request that met one.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<Option<SendRequest<Bytes>>>);

/// A way onto a connection.
#[derive(Debug)]
pub(super) struct Opened {
    sender: SendRequest<Bytes>,
    /// How long connecting took, if this request had to.
    pub(super) connecting: Option<Duration>,
}

impl Shared {
    /// The connection, opened if there is none that takes more requests.
    pub(super) async fn open(&self, target: &Target, deadline: &mut Deadline) -> Result<Opened, Outcome> {
        let late = |_: TimedOut| of_class(class_of_timeout(Phase::Connecting));
        let mut place = deadline.limit(self.0.lock()).await.map_err(late)?;
        if let Some(sender) = place.as_ref().filter(|sender| takes_more(sender)) {
            return Ok(Opened { sender: sender.clone(), connecting: None });
        }
        *place = None;
        let began = Instant::now();
        let stream = connect(target.address, target.tls.as_ref(), deadline).await?;
        let mut builder = Builder::new();
        builder.enable_push(false);
        builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
        let opened = deadline.limit(builder.handshake(stream)).await.map_err(late)?;
        let (sender, connection) = opened.map_err(|error| failure(&error, Phase::Connecting))?;
        // What ends it is told to the requests that are under way, each by itself.
        tokio::task::spawn_local(async move { _ = connection.await });
        *place = Some(sender.clone());
        Ok(Opened { sender, connecting: Some(began.elapsed()) })
    }
}

/// Whether a connection has neither broken nor been ended by its server.
fn takes_more(sender: &SendRequest<Bytes>) -> bool {
    // A new handle has nothing to wait for: this looks, and registers nobody.
    !matches!(sender.clone().poll_ready(&mut Context::from_waker(Waker::noop())), std::task::Poll::Ready(Err(_)))
}

impl Opened {
    /// Sends `head`, a GET, and reads the answer to its end.
    pub(super) async fn ask(mut self, head: &Request<()>, deadline: &mut Deadline) -> Outcome {
        match self.exchange(head, deadline).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }

    async fn exchange(&mut self, head: &Request<()>, deadline: &mut Deadline) -> Result<Outcome, Outcome> {
        let (answer, _) =
            self.sender.send_request(head.clone(), true).map_err(|error| failure(&error, Phase::AwaitingAnswer))?;
        let answer = within(deadline, Phase::AwaitingAnswer, answer).await?;
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        let mut body_bytes = 0;
        while let Some(piece) = deadline.limit(body.data()).await.map_err(|_| timed_out(Phase::ReadingBody))? {
            let piece = piece.map_err(|error| failure(&error, Phase::ReadingBody))?;
            body_bytes += piece.len() as u64;
            let released = body.flow_control().release_capacity(piece.len());
            released.map_err(|error| failure(&error, Phase::ReadingBody))?;
        }
        Ok(match class_of_status(status) {
            None => Outcome::Ok { body_bytes },
            Some(class) => of_class(class),
        })
    }
}

async fn within<T>(
    deadline: &mut Deadline,
    phase: Phase,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Outcome> {
    let done = deadline.limit(step).await.map_err(|_| timed_out(phase))?;
    done.map_err(|error| failure(&error, phase))
}

/// What an error of HTTP/2 in `phase` makes of its request.
fn failure(error: &Error, phase: Phase) -> Outcome {
    if let Some(io) = error.get_io() {
        // The words of the library for a connection that ends without a GOAWAY; the system's own error has a number.
        let ended = io.kind() == std::io::ErrorKind::BrokenPipe && io.raw_os_error().is_none();
        return if ended { of_class(ErrorClass::PrematureEof) } else { failed(io, phase) };
    }
    let is_refused = match error.reason() {
        Some(Reason::REFUSED_STREAM) => true,
        Some(Reason::NO_ERROR) => error.is_go_away(),
        _ => false,
    };
    match (error.is_remote(), phase) {
        (true, _) if is_refused => of_class(ErrorClass::StreamRefused),
        (true, Phase::ReadingBody) => of_class(ErrorClass::ResetMidBody),
        (true, _) => of_class(ErrorClass::ResetBeforeFirstByte),
        // What the library found wrong with the answer.
        (false, _) if error.is_library() || error.reason().is_some() => of_class(ErrorClass::Protocol),
        (false, _) => failed(error, phase),
    }
}

fn of_class(class: ErrorClass) -> Outcome {
    Outcome::Failed { class, detail: None }
}

fn timed_out(phase: Phase) -> Outcome {
    of_class(class_of_timeout(phase))
}
