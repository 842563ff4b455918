//! A slot for one request at a time: a connection of its own over HTTP/1, or a stream of a shared connection over
//! HTTP/2.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use http::Request;

use super::connection::{Connection, ConnectionState};
use super::http2::SharedConnection;
use super::target::{PreparedRequest, Target};
use crate::accounting::RequestOutcome;
use lab_net::deadline::Deadline;

/// Sends one request at a time, and connects when it has no connection.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the larger variant is the hot one; a box would cost it an indirection")]
pub(crate) enum RequestSlot {
    Http1 {
        request: Arc<[u8]>,
        keep_alive: bool,
        /// The idle connection, if there is one.
        idle: Option<Connection>,
    },
    Http2 {
        head: Arc<Request<()>>,
        connection: Rc<SharedConnection>,
        /// The slot's own, because each stream has its own deadline.
        deadline: Option<Deadline>,
    },
}

/// The result of one request.
#[derive(Debug)]
pub(crate) struct RequestResult {
    pub(crate) outcome: RequestOutcome,
    /// When it was sent; `None` without a connection.
    pub(crate) sent: Option<Instant>,
    /// The time to connect, TLS included, if this request opened a connection.
    pub(crate) connected: Option<Duration>,
    /// Whether the response was complete, whatever its status.
    pub(crate) is_complete: bool,
}

impl RequestSlot {
    /// A slot that shares its connection with no other.
    pub(crate) fn new(target: &Target) -> RequestSlot {
        RequestSlot::with(target, &Rc::default())
    }

    /// The slots of `connections` connections; over HTTP/2 each connection has one slot for each stream. Neighbouring
    /// slots have different connections, so the first few slots spread over all connections.
    pub(crate) fn for_connections(target: &Target, connections: usize) -> Vec<RequestSlot> {
        let shared: Vec<Rc<SharedConnection>> = (0..connections).map(|_| Rc::default()).collect();
        (0..target.streams()).flat_map(|_| shared.iter().map(|shared| RequestSlot::with(target, shared))).collect()
    }

    fn with(target: &Target, shared: &Rc<SharedConnection>) -> RequestSlot {
        match &target.request {
            PreparedRequest::Http1 { bytes, keep_alive } => {
                RequestSlot::Http1 { request: bytes.clone(), keep_alive: *keep_alive, idle: None }
            }
            PreparedRequest::Http2 { head, .. } => {
                RequestSlot::Http2 { head: head.clone(), connection: shared.clone(), deadline: None }
            }
        }
    }

    /// Connects if necessary, sends the request, and reads the response to its end, within the target's timeout from
    /// `began`.
    pub(crate) async fn send(&mut self, target: &Target, began: Instant) -> RequestResult {
        match self {
            RequestSlot::Http1 { request, keep_alive, idle } => {
                let (mut sent, mut connected) = (began, None);
                let mut connection = match idle.take() {
                    Some(connection) => connection,
                    None => match Connection::open(target, began).await {
                        Ok(connection) => {
                            sent = Instant::now();
                            connected = Some(sent - began);
                            connection
                        }
                        Err(outcome) => return RequestResult::unsent(outcome),
                    },
                };
                let exchanged = connection.send(request, began).await;
                if *keep_alive && exchanged.connection == ConnectionState::Reusable {
                    *idle = Some(connection);
                }
                let is_complete = exchanged.connection != ConnectionState::Broken;
                RequestResult { outcome: exchanged.outcome, sent: Some(sent), connected, is_complete }
            }
            RequestSlot::Http2 { head, connection, deadline } => {
                let deadline = deadline.get_or_insert_with(|| Deadline::new(began + target.timeout));
                deadline.extend(began + target.timeout);
                let opened = match connection.open(target, deadline).await {
                    Ok(opened) => opened,
                    Err(outcome) => return RequestResult::unsent(outcome),
                };
                let (sent, connected) = (Instant::now(), opened.connecting);
                let outcome = opened.send(head, deadline).await;
                let is_complete = match &outcome {
                    RequestOutcome::Ok { .. } => true,
                    RequestOutcome::Failed { class, .. } => class.is_status(),
                };
                RequestResult { outcome, sent: Some(sent), connected, is_complete }
            }
        }
    }

    /// Drops an idle connection that the server has closed; the next request opens another. Nothing was sent on it, so
    /// nothing is retried. A shared connection is checked when it is next needed.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) {
        if let RequestSlot::Http1 { idle, .. } = self
            && idle.as_mut().is_some_and(|connection| connection.poll_closed(cx).is_ready())
        {
            *idle = None;
        }
    }
}

impl RequestResult {
    fn unsent(outcome: RequestOutcome) -> RequestResult {
        RequestResult { outcome, sent: None, connected: None, is_complete: false }
    }
}
