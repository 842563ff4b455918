//! An HTTP/2 connection: accepts its streams, and serves their requests side by side.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use http::header::CONTENT_LENGTH;
use lab_http::http2::{
    self, ConnectionEvent, Http2Limits, IoLimits, LingeringLimits, Reason, ServerConnection, Stage, Traffic, fields,
};

use crate::clock;
use crate::config::location::lingering::{Lingering, LingeringClose};
use crate::config::logs::Severity;
use crate::config::server::Server;
use crate::connection_counts::OpenRequest;
use crate::context::{ConnectionDisposition, WorkerContext};
use crate::downstream::client_io::{ClientIo, LAST_CALL};
use crate::downstream::request::{ReceivedHead, RequestOrigin, serve_head};
use crate::eval::ClientConnection;
use crate::upstream::Upstreams;
use lab_net::Stream;
use lab_net::deadline::{TimedOut, Timer, within};

/// The largest frame that a client may send (RFC 9113 section 6.5.2).
const LARGEST_FRAME: u32 = 16 * 1024;

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
    Frames(ConnectionEvent),
    RequestEnded(StreamOutcome),
    /// The last response has left the connection, which is idle now.
    Idle,
    /// The worker closes its connections.
    Quit,
}

/// Serves a connection, whose preface is in `received`, to its end.
pub(crate) async fn serve(origin: ClientOrigin<'_>, connection: ClientConnection, stream: Stream, received: Vec<u8>) {
    let ClientOrigin { worker, listen, .. } = origin;
    let server = &worker.config.servers[worker.config.listens[listen].default_server];
    let handshake = ServerConnection::handshake(stream, received, limits(server), io_limits(server));
    let Ok(Ok(frames)) = within(server.request_head.timeout, handshake).await else { return };
    Connection { origin, server, connection, frames }.run().await;
}

fn limits(server: &Server) -> Http2Limits {
    Http2Limits {
        max_concurrent_streams: server.http2.max_concurrent_streams,
        stream_window: server.http2.body_window,
        max_frame_size: LARGEST_FRAME,
        max_header_list_size: u32::try_from(server.request_head.total).unwrap_or(u32::MAX),
    }
}

fn io_limits(server: &Server) -> IoLimits {
    let rules = server.config();
    let Lingering { close, time, timeout } = rules.lingering;
    let lingers = close != LingeringClose::Off;
    let lingering = lingers.then_some(LingeringLimits { total: time, pause: timeout });
    IoLimits { send_timeout: rules.send_timeout, lingering }
}

struct Connection<'a> {
    origin: ClientOrigin<'a>,
    server: &'a Server,
    /// As the next request sees it.
    connection: ClientConnection,
    frames: ServerConnection<Stream>,
}

impl Connection<'_> {
    async fn run(mut self) {
        let mut requests = FuturesUnordered::new();
        let mut timer = Timer::new();
        let mut idle = self.server.request_head.timeout;
        loop {
            let is_idle = requests.is_empty() && self.frames.is_idle();
            let limit = match self.frames.stage() {
                Stage::Open if is_idle => idle,
                Stage::Closing if is_idle => LAST_CALL,
                // the end of a connection has limits of its own
                _ => Duration::MAX,
            };
            let event = poll_fn(|cx| {
                if let Poll::Ready(Some(outcome)) = requests.poll_next_unpin(cx) {
                    return Poll::Ready(Event::RequestEnded(outcome));
                }
                // this also sends what the requests have written
                if let Poll::Ready(event) = self.frames.poll_event(cx) {
                    return Poll::Ready(Event::Frames(event));
                }
                if !is_idle && requests.is_empty() && self.frames.is_idle() {
                    return Poll::Ready(Event::Idle);
                }
                if self.origin.worker.is_quitting() && self.frames.stage() == Stage::Open {
                    return Poll::Ready(Event::Quit);
                }
                self.origin.worker.connections.register(self.origin.slot, cx.waker());
                Poll::Pending
            });
            match timer.within(limit, event).await {
                Ok(Event::Frames(ConnectionEvent::Stream(request, response))) => {
                    self.count_request();
                    let traffic = Rc::clone(self.frames.traffic());
                    // written in place, which saves two copies of several kB
                    requests.push(Box::into_pin(Box::write(
                        Box::new_uninit(),
                        serve_stream(self.origin, self.connection.clone(), traffic, request, response),
                    )));
                }
                Ok(Event::RequestEnded(outcome)) => {
                    idle = outcome.idle;
                    self.frames.count_served(outcome.is_cancelled);
                }
                Ok(Event::Idle) => {}
                Ok(Event::Quit) => self.frames.close(),
                Ok(Event::Frames(ConnectionEvent::Abuse(message))) => self.log_abuse(message),
                Ok(Event::Frames(ConnectionEvent::Closed)) => break,
                Err(TimedOut) if self.frames.stage() == Stage::Open => self.frames.close(),
                // a client that does not confirm the announcement is not waited for
                Err(TimedOut) => self.frames.end(Reason::NO_ERROR),
            }
        }
        // each request notices that its client is gone
        drop(self.frames);
        while requests.next().await.is_some() {}
    }

    /// Counts an accepted request, which may be the last.
    fn count_request(&mut self) {
        self.connection.requests += 1;
        self.connection.age = clock::now() - self.origin.opened;
        let rules = self.server.config();
        let may_continue = self.connection.requests < rules.keepalive_requests
            && self.connection.age < rules.keepalive_time
            && !rules.keepalive.idle.is_zero();
        if !may_continue {
            self.frames.close();
        }
    }

    /// Logs that the client abuses the connection.
    fn log_abuse(&self, message: &str) {
        let log = &self.server.config().error_log;
        if Severity::Info <= log.level {
            self.origin.worker.logs.error(log, Severity::Info, message, None);
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
    traffic.count_content(fields::size(&parts.headers));
    let has_unannounced_body = !receiver.is_end_stream() && !parts.headers.contains_key(CONTENT_LENGTH);
    let (read, write) = http2::halves(receiver, response, has_unannounced_body, &traffic);
    let mut client = ClientIo::of_stream(read, write);
    let rules = &worker.config.servers[worker.config.listens[listen].default_server].request_head;
    let head = match fields::request_head(&parts, rules.line) {
        Ok(head) => ReceivedHead::Complete { head, has_unannounced_body },
        Err(refusal) => ReceivedHead::Refused { line: fields::request_line(&parts), refusal },
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
