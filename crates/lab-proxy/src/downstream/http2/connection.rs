//! A connection of HTTP/2: accepts its streams, and serves their requests side by side.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use http::header::CONTENT_LENGTH;

use super::connection_io::ConnectionIo;
use crate::clock;
use crate::config::logs::Severity;
use crate::config::server::Server;
use crate::connection_counts::OpenRequest;
use crate::context::{ConnectionDisposition, WorkerContext};
use crate::downstream::client_io::{ClientIo, LAST_CALL};
use crate::downstream::request::{ArrivedHead, RequestOrigin, serve_head};
use crate::downstream::stream_fields;
use crate::eval::ClientConnection;
use crate::http2::{self, Traffic};
use crate::upstream::Upstreams;
use lab_net::Stream;
use lab_net::deadline::{TimedOut, Timer, within};

/// The largest window (RFC 9113 section 6.9.1). Streams have windows of their own, so none of them holds up the others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// How many bytes of a response wait for the connection, apart from those that wait for the stream.
const SEND_BUFFER: usize = 64 * 1024;
/// How much memory small frames with unread content may cost beyond that content.
const FRAME_BUDGET: usize = 1 << 20;
/// How many requests a client may cancel beyond the number of those that it lets complete (CVE-2023-44487).
const CANCELLED: usize = 100;

/// Where a connection came from.
#[derive(Clone, Copy)]
pub(crate) struct ClientOrigin<'a> {
    pub(crate) worker: &'a WorkerContext,
    pub(crate) upstreams: &'a Upstreams,
    /// Its slot among the worker's connections.
    pub(crate) slot: usize,
    pub(crate) listen: usize,
    pub(crate) opened: Instant,
}

type Frames = server::Connection<ConnectionIo, Bytes>;

/// What one request leaves to its connection.
struct StreamOutcome {
    /// How long the connection may wait for its next request.
    idle: Duration,
    /// Whether the client did not wait for the response.
    is_cancelled: bool,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and a box would cost every request an allocation"
)]
enum Event {
    Accepted(Request<RecvStream>, SendResponse<Bytes>),
    Ended(StreamOutcome),
    /// The last response has left the connection, which is idle now.
    Flushed,
    /// The worker closes its connections.
    Quit,
    /// The client sends almost nothing but useless frames.
    Flood,
    Closed,
}

/// Serves a connection, whose preface is in `received`, to its end.
pub(crate) async fn serve(origin: ClientOrigin<'_>, connection: ClientConnection, stream: Stream, received: Vec<u8>) {
    let ClientOrigin { worker, listen, .. } = origin;
    let server = &worker.config.servers[worker.config.listens[listen].default_server];
    let traffic = Rc::new(Traffic::default());
    let rules = server.config();
    let io = ConnectionIo::new(stream, received, Rc::clone(&traffic), rules.send_timeout, rules.lingering);
    let handshake = builder(server).handshake(io);
    let Ok(Ok(frames)) = within(server.request_head.timeout, handshake).await else { return };
    let stage = Stage::Open;
    let connection =
        Connection { origin, server, connection, traffic, frames, stage, late: 0, cancelled: 0, completed: 0 };
    connection.run().await;
}

fn builder(server: &Server) -> server::Builder {
    let heads = u32::try_from(server.request_head.total).unwrap_or(u32::MAX);
    let mut builder = server::Builder::new();
    builder
        .max_concurrent_streams(server.http2.max_concurrent_streams)
        .initial_window_size(server.http2.body_window)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(heads)
        .max_send_buffer_size(SEND_BUFFER)
        .data_frame_budget(FRAME_BUDGET);
    builder
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The client knows that it must send no more requests. Those on their way are served.
    Closing,
    /// Nothing more is served.
    Ended,
}

struct Connection<'a> {
    origin: ClientOrigin<'a>,
    server: &'a Server,
    /// As the next request sees it.
    connection: ClientConnection,
    traffic: Rc<Traffic>,
    frames: Frames,
    stage: Stage,
    /// Requests that arrived while the connection was closing.
    late: u32,
    cancelled: usize,
    completed: usize,
}

impl Connection<'_> {
    async fn run(mut self) {
        let mut requests = FuturesUnordered::new();
        let mut timer = Timer::new();
        let mut idle = self.server.request_head.timeout;
        loop {
            let is_idle = requests.is_empty() && !self.frames.has_streams();
            let limit = match self.stage {
                Stage::Open if is_idle => idle,
                Stage::Closing if is_idle => LAST_CALL,
                // the end of a connection has limits of its own
                _ => Duration::MAX,
            };
            let event = poll_fn(|cx| {
                if let Poll::Ready(Some(outcome)) = requests.poll_next_unpin(cx) {
                    return Poll::Ready(Event::Ended(outcome));
                }
                // this also sends what the requests have written
                match self.frames.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, response)))) => {
                        return Poll::Ready(Event::Accepted(request, response));
                    }
                    Poll::Ready(_) => return Poll::Ready(Event::Closed),
                    Poll::Pending => {}
                }
                if self.traffic.is_flood() && self.stage != Stage::Ended {
                    return Poll::Ready(Event::Flood);
                }
                if !is_idle && requests.is_empty() && !self.frames.has_streams() {
                    return Poll::Ready(Event::Flushed);
                }
                if self.origin.worker.is_quitting() && self.stage == Stage::Open {
                    return Poll::Ready(Event::Quit);
                }
                self.origin.worker.connections.register(self.origin.slot, cx.waker());
                Poll::Pending
            });
            match timer.within(limit, event).await {
                Ok(Event::Accepted(request, response)) => {
                    self.count_request();
                    let traffic = Rc::clone(&self.traffic);
                    requests.push(serve_stream(self.origin, self.connection.clone(), traffic, request, response));
                }
                Ok(Event::Ended(outcome)) => {
                    idle = outcome.idle;
                    self.count_end(&outcome);
                }
                Ok(Event::Flushed) => {}
                Ok(Event::Quit) => self.close(),
                Ok(Event::Flood) => self.refuse("http2 flood detected"),
                Ok(Event::Closed) => break,
                Err(TimedOut) if self.stage == Stage::Open => self.close(),
                // a client that does not confirm the announcement is not waited for
                Err(TimedOut) => self.end(Reason::NO_ERROR),
            }
        }
        // each request notices that its client is gone
        while requests.next().await.is_some() {}
    }

    /// Counts an accepted request, which may be the last.
    fn count_request(&mut self) {
        self.connection.requests += 1;
        self.connection.age = clock::now() - self.origin.opened;
        if self.stage != Stage::Open {
            self.late += 1;
            if self.late > self.server.http2.max_concurrent_streams.saturating_mul(2) {
                self.refuse("client sends requests on a closing connection");
            }
            return;
        }
        let rules = self.server.config();
        let may_continue = self.connection.requests < rules.keepalive_requests
            && self.connection.age < rules.keepalive_time
            && !rules.keepalive.idle.is_zero();
        if !may_continue {
            self.close();
        }
    }

    fn count_end(&mut self, outcome: &StreamOutcome) {
        if outcome.is_cancelled {
            self.cancelled += 1;
        } else {
            self.completed += 1;
        }
        if self.cancelled > self.completed + CANCELLED {
            self.refuse("client cancels most of its requests");
        }
    }

    /// Announces the end of the connection. The requests that have begun are served.
    fn close(&mut self) {
        self.stage = Stage::Closing;
        self.frames.graceful_shutdown();
    }

    /// Ends the connection of a client that abuses it.
    fn refuse(&mut self, message: &str) {
        let log = &self.server.config().error_log;
        if Severity::Info <= log.level {
            self.origin.worker.logs.error(log, Severity::Info, message, None);
        }
        self.end(Reason::ENHANCE_YOUR_CALM);
    }

    fn end(&mut self, reason: Reason) {
        if self.stage != Stage::Ended {
            self.stage = Stage::Ended;
            self.frames.abrupt_shutdown(reason);
        }
    }
}

/// Serves the request on one stream.
async fn serve_stream(
    origin: ClientOrigin<'_>,
    connection: ClientConnection,
    traffic: Rc<Traffic>,
    request: Request<RecvStream>,
    response: SendResponse<Bytes>,
) -> StreamOutcome {
    let ClientOrigin { worker, upstreams, listen, .. } = origin;
    let mut open = OpenRequest::new();
    open.begin_writing();
    let (parts, receiver) = request.into_parts();
    traffic.count_content(stream_fields::size(&parts.headers));
    let has_unannounced_body = !receiver.is_end_stream() && !parts.headers.contains_key(CONTENT_LENGTH);
    let (read, write) = http2::halves(receiver, response, has_unannounced_body, &traffic);
    let mut client = ClientIo::of_stream(read, write);
    let rules = &worker.config.servers[worker.config.listens[listen].default_server].request_head;
    let head = match stream_fields::request_head(&parts, rules) {
        Ok(head) => ArrivedHead::Complete { head, has_unannounced_body },
        Err(refusal) => ArrivedHead::Refused { line: stream_fields::request_line(&parts), refusal },
    };
    drop(parts);
    let request = RequestOrigin { worker, upstreams, connection: &connection, listen, started: clock::now() };
    let end = serve_head(&mut client, request, head).await;
    let mut is_cancelled = false;
    if let Some(stream) = client.stream_mut() {
        is_cancelled = stream.is_cancelled();
        if matches!(end.disposition, ConnectionDisposition::Abort | ConnectionDisposition::Reset) && !is_cancelled {
            stream.reset(Reason::INTERNAL_ERROR);
        }
    }
    StreamOutcome { idle: end.idle, is_cancelled }
}
