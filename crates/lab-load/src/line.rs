//! Where the requests of one task go, one after the other: a connection of its own over HTTP/1.1, a stream of a
//! connection that it may share with others over HTTP/2.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use http::Request;
use lab_net::deadline::Deadline;

use crate::connection::{After, Connection};
use crate::http2::Shared;
use crate::recorder::Outcome;
use crate::target::{Said, Target};

/// One request under way at a time, over whatever connection there is.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the larger one is the one that has to be as fast as it can be")]
pub(super) enum Line {
    /// HTTP/1.1 or 1.0.
    Own {
        /// What is sent.
        request: Arc<[u8]>,
        /// Whether a connection serves further requests.
        keeps: bool,
        /// The connection, while there is one.
        connection: Option<Connection>,
    },
    /// HTTP/2.
    Shared {
        /// What is sent.
        head: Arc<Request<()>>,
        /// The connection.
        connection: Rc<Shared>,
        /// This line's own, for each stream has its own time.
        deadline: Option<Deadline>,
    },
}

/// What a request came to.
#[derive(Debug)]
pub(super) struct Asked {
    /// What it came to.
    pub(super) outcome: Outcome,
    /// When it was sent; `None` if there was no connection to send it on.
    pub(super) sent: Option<Instant>,
    /// How long connecting took, TLS included, if a connection was opened for it.
    pub(super) connected: Option<Duration>,
    /// Whether the answer was complete, whatever it said.
    pub(super) is_complete: bool,
}

impl Line {
    /// Without a connection yet, and with none to share.
    pub(super) fn new(target: &Target) -> Line {
        Line::with(target, &Rc::default())
    }

    /// The lines over so many connections: over HTTP/2 each connection has as many as it may have streams. Neighbours
    /// have different connections, so that the first few lines use all of them.
    pub(super) fn over(target: &Target, connections: usize) -> Vec<Line> {
        let shared: Vec<Rc<Shared>> = (0..connections).map(|_| Rc::default()).collect();
        (0..target.streams()).flat_map(|_| shared.iter().map(|shared| Line::with(target, shared))).collect()
    }

    fn with(target: &Target, shared: &Rc<Shared>) -> Line {
        match &target.said {
            Said::Http1 { bytes, keeps } => Line::Own { request: bytes.clone(), keeps: *keeps, connection: None },
            Said::Http2 { head, .. } => Line::Shared { head: head.clone(), connection: shared.clone(), deadline: None },
        }
    }

    /// Connects if there is no connection, asks, and reads the answer to its end; no later than the target's timeout from
    /// `began`.
    pub(super) async fn ask(&mut self, target: &Target, began: Instant) -> Asked {
        match self {
            Line::Own { request, keeps, connection: place } => {
                let (mut sent, mut connected) = (began, None);
                let mut connection = match place.take() {
                    Some(connection) => connection,
                    None => match Connection::open(target, began).await {
                        Ok(connection) => {
                            sent = Instant::now();
                            connected = Some(sent - began);
                            connection
                        }
                        Err(outcome) => return Asked::unsent(outcome),
                    },
                };
                let exchanged = connection.ask(request, began).await;
                if *keeps && exchanged.after == After::Reusable {
                    *place = Some(connection);
                }
                let is_complete = exchanged.after != After::Broken;
                Asked { outcome: exchanged.outcome, sent: Some(sent), connected, is_complete }
            }
            Line::Shared { head, connection, deadline } => {
                let deadline = deadline.get_or_insert_with(|| Deadline::new(began + target.timeout));
                deadline.extend(began + target.timeout);
                let opened = match connection.open(target, deadline).await {
                    Ok(opened) => opened,
                    Err(outcome) => return Asked::unsent(outcome),
                };
                let (sent, connected) = (Instant::now(), opened.connecting);
                let outcome = opened.ask(head, deadline).await;
                let is_complete = match &outcome {
                    Outcome::Ok { .. } => true,
                    Outcome::Failed { class, .. } => class.is_of_a_status(),
                };
                Asked { outcome, sent: Some(sent), connected, is_complete }
            }
        }
    }

    /// Waits on an idle line for the end of its connection, which then is forgotten: the server may end it while nothing
    /// is asked of it, and the next request opens another. Nothing was sent, so nothing is repeated. One that is shared is
    /// looked at when it is next needed.
    pub(super) fn poll_spoilt(&mut self, cx: &mut Context<'_>) {
        if let Line::Own { connection: place, .. } = self
            && place.as_mut().is_some_and(|idle| idle.poll_spoilt(cx).is_ready())
        {
            *place = None;
        }
    }
}

impl Asked {
    fn unsent(outcome: Outcome) -> Asked {
        Asked { outcome, sent: None, connected: None, is_complete: false }
    }
}
