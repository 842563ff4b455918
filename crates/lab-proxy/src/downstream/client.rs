//! A client's connection, one request after the other.

use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use lab_http::{Headers, Incoming, Limits, Outgoing, ReadError, Refusal, RequestHead, Version};
use lab_net::deadline::{TimedOut, Timer, now_or_pending};
use lab_net::proxy_protocol::{self, Addresses, Origin, Parsed};
use lab_net::{ReadHalf, Stream, WriteHalf};

use crate::config::heads::Heads;
use crate::config::level::Rules;
use crate::config::logs::Severity;
use crate::config::pass::Pass;
use crate::config::server::Server;
use crate::config::upstream::Address;
use crate::downstream::own_answer::{OwnAnswer, OwnBody};
use crate::downstream::sent::Sent;
use crate::downstream::upload::Upload;
use crate::eval::{ClientConnection, Outcome, Scope, Values};
use crate::response::accel::{Instead, Substitute};
use crate::response::response_head::Persistence;
use crate::routing::phases::files::Disk;
use crate::routing::phases::{Action, Phases};
use crate::routing::request::{Request, bare_host, clean};
use crate::routing::route::Route;
use crate::runtime::clock;
use crate::runtime::log::{self, About};
use crate::runtime::worker::Worker;
use crate::upstream::forward::{self, Failure};
use crate::upstream::request_head::may_not_be_forwarded;

/// The bounds of `large_client_header_buffers`, which bound the number of fields only so.
fn limits(heads: &Heads) -> Limits {
    Limits {
        start_line: heads.line,
        field: heads.line,
        fields: 1000,
        head: heads.total,
        chunk_extension: 256,
        chunk_extensions: 16 * 1024,
        trailers: 8 * 1024,
    }
}

/// Before a connection is closed on a client that is still sending, this much is read and thrown away, in bytes, so
/// that the client gets to read its answer (RFC 9112 §9.6).
const LINGERING: u64 = 1024 * 1024;
/// When workers quit, an idle connection is still served a request that arrives within this time.
const LAST_CALL: Duration = Duration::from_secs(1);
/// nginx's `lingering_timeout`.
const LINGERING_TIMEOUT: Duration = Duration::from_secs(5);

/// The two sides of the connection and what is known of the present request's fate.
#[derive(Debug)]
pub(crate) struct Client<'s> {
    pub(crate) incoming: Incoming<ReadHalf<'s>>,
    pub(crate) outgoing: Outgoing<Sent<WriteHalf<'s>>>,
    pub(crate) read_timer: Timer,
    pub(crate) write_timer: Timer,
    pub(crate) outcome: Outcome,
}

/// What a request is about: everything that holds still while it is served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) connection: &'a ClientConnection,
    pub(crate) request: Option<&'a Request<'a>>,
    pub(crate) refused_line: Option<&'a [u8]>,
    pub(crate) route: &'a Route<'a>,
    pub(crate) server: &'a Server,
    pub(crate) rules: &'a Rules,
    pub(crate) pass: Option<&'a Pass>,
}

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It waits for the next request.
    KeepAlive,
    /// It is closed.
    Close,
    /// It is closed, once the client has had its answer: it may still be sending, and closing with unread bytes would
    /// take the answer away from it.
    Linger,
    /// It is closed at once: the client is gone, or must see that its answer is not whole.
    Cut,
    /// It is reset: the client could not tell otherwise that its answer is not whole.
    Reset,
}

/// A request, and who is to answer it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    worker: &'a Worker,
    connection: &'a ClientConnection,
    server: &'a Server,
    request: &'a Request<'a>,
    /// The line of a request that was refused, for which `request` stands in.
    refused_line: Option<&'a [u8]>,
}

/// Where a request enters the phases.
enum Entered {
    AtTheBeginning,
    /// With a status that it has come to already.
    At(u16),
}

impl<'a> Asked<'a> {
    fn subject<'b>(&self, route: &'b Route<'b>) -> Subject<'b>
    where
        'a: 'b,
    {
        Subject {
            worker: self.worker,
            connection: self.connection,
            request: Some(self.request),
            refused_line: self.refused_line,
            route,
            server: self.server,
            rules: &route.location.rules,
            pass: route.pass,
        }
    }
}

impl<'a> Subject<'a> {
    /// What variables see.
    pub(crate) fn scope<'b>(&'b self, outcome: &'b Outcome) -> Scope<'b> {
        Scope {
            connection: self.connection,
            request: self.request,
            refused_line: self.refused_line,
            route: self.route,
            server: self.server,
            pass: self.pass,
            maps: &self.worker.settings.maps,
            outcome,
        }
    }

    /// Writes to the error log of where the request belongs.
    pub(crate) fn log_error(&self, outcome: &Outcome, severity: Severity, message: &str, upstream: Option<String>) {
        if severity > self.rules.error_log.level {
            return;
        }
        let about = About { scope: self.scope(outcome), upstream };
        self.worker.logs.error(&self.rules.error_log, severity, message, Some(&about));
    }

    /// What the client is told about its connection, if nothing else speaks against keeping it.
    pub(crate) fn persistence(&self, may_keep: bool) -> Persistence {
        let rules = self.rules;
        let keep_alive = may_keep
            && self.request.is_some_and(|request| request.persistent)
            && !rules.keepalive.idle.is_zero()
            && self.connection.requests < rules.keepalive_requests
            && self.connection.age < rules.keepalive_time
            && !self.route.closes
            && !self.worker.is_quitting();
        Persistence { keep_alive, announced: rules.keepalive.announced }
    }
}

/// Serves one connection to its end. `place` is its own among the worker's connections, `listens` are those of the socket that accepted it.
pub(crate) async fn serve(
    worker: &Worker,
    place: usize,
    mut stream: Stream,
    peer: Option<SocketAddr>,
    listens: &[usize],
) {
    // a client that is gone already has no address, and nothing to be told
    let Some((listen, local)) = find_listen(worker, listens, &stream) else { return };
    let default_server = &worker.settings.servers[worker.settings.listens[listen].default_server];

    let begun = clock::now();
    let mut connection = ClientConnection::new(worker.next_serial(), peer, local);
    let (read, write) = stream.split();
    let mut client = Client {
        incoming: Incoming::new(read, limits(&default_server.heads)),
        outgoing: Outgoing::new(Sent::new(write)),
        read_timer: Timer::new(),
        write_timer: Timer::new(),
        outcome: Outcome::new(worker.settings.needs_heads),
    };
    if worker.settings.listens[listen].is_announced {
        match client.announcement(default_server.heads.timeout).await {
            Ok(announced) => connection.announced = announced,
            Err(header) => {
                let log = &default_server.rules().error_log;
                let message = format!("broken header: \"{}\"", header.escape_ascii());
                worker.logs.error(log, Severity::Error, &message, None);
                return;
            }
        }
    }
    let mut idle = default_server.heads.timeout;
    let next = loop {
        connection.is_pipelined = !client.incoming.buffered().is_empty();
        if !client.wait(worker, place, idle).await {
            break Next::Cut;
        }
        connection.requests += 1;
        let started = clock::now();
        connection.age = started - begun;
        // in a box, so that a connection that waits takes little
        let request = Box::pin(client.one_request(worker, &connection, listen, default_server, started));
        let (next, after) = request.await;
        client.outcome.clear();
        idle = after;
        if next != Next::KeepAlive {
            break next;
        }
    };
    if next == Next::Linger || (next == Next::Close && !client.incoming.buffered().is_empty()) {
        client.linger().await;
    }
    drop(client);
    if next == Next::Reset {
        stream.reset_on_drop();
    }
}

impl Client<'_> {
    /// Reads what the PROXY protocol has a connection begin with, or gives back what is there instead of it.
    async fn announcement(&mut self, limit: Duration) -> Result<Option<Addresses>, Vec<u8>> {
        let incoming = &mut self.incoming;
        let reading = async {
            loop {
                match proxy_protocol::parse(incoming.buffered()) {
                    Ok(Parsed::Incomplete) => {}
                    Err(_) => return Err(incoming.take_buffered()),
                    Ok(Parsed::Header { length, origin }) => {
                        let behind = incoming.take_buffered().split_off(length);
                        incoming.give_back(&behind);
                        return Ok(match origin {
                            Origin::Forwarded(addresses) => Some(addresses),
                            // as nginx: the addresses of the connection itself hold
                            Origin::Unknown | Origin::Unsupported(_) => None,
                        });
                    }
                }
                if !matches!(poll_fn(|cx| incoming.poll_fill(cx)).await, Ok(1..)) {
                    return Err(incoming.take_buffered());
                }
            }
        };
        self.read_timer.within(limit, reading).await.unwrap_or(Err(Vec::new()))
    }

    /// Waits for the first byte of a request; false if there will be none.
    async fn wait(&mut self, worker: &Worker, place: usize, limit: Duration) -> bool {
        // the common case on a busy connection
        if let Poll::Ready(arrived) = now_or_pending(self.incoming.wait()).await {
            return arrived.unwrap_or(false);
        }
        if !worker.is_quitting() {
            match self.wait_unless_quitting(worker, place, limit).await {
                Err(TimedOut) => return false,
                Ok(Some(arrived)) => return arrived,
                Ok(None) => {}
            }
        }
        // the client does not know yet, and its next request may be on its way
        matches!(self.read_timer.within(limit.min(LAST_CALL), self.incoming.wait()).await, Ok(Ok(true)))
    }

    /// Waits for the first byte, or for the worker to quit, in which case there is no answer.
    async fn wait_unless_quitting(
        &mut self,
        worker: &Worker,
        place: usize,
        limit: Duration,
    ) -> Result<Option<bool>, TimedOut> {
        let mut waiting = pin!(self.incoming.wait());
        let either = poll_fn(|cx| match waiting.as_mut().poll(cx) {
            Poll::Ready(arrived) => Poll::Ready(Some(arrived.unwrap_or(false))),
            Poll::Pending if worker.is_quitting() => Poll::Ready(None),
            Poll::Pending => {
                worker.sign(place, cx.waker());
                Poll::Pending
            }
        });
        self.read_timer.within(limit, either).await
    }

    /// Reads a request, answers it and logs it. Returns what becomes of the connection, and how long it may idle.
    async fn one_request(
        &mut self,
        worker: &Worker,
        connection: &ClientConnection,
        listen: usize,
        default_server: &Server,
        started: Instant,
    ) -> (Next, Duration) {
        let heads = &default_server.heads;
        let read = self.incoming.read_request_head();
        let read = self.read_timer.within(heads.timeout, read).await;
        let settings = &*worker.settings;
        let values = Values::new(&settings.names);
        let (line, refusal, server) = match read.unwrap_or(Err(ReadError::Refused(Refusal::Timeout))) {
            Ok(Some(mut head)) => {
                clean(&mut head, heads);
                let find_server =
                    |host: Option<&[u8]>| &settings.servers[settings.listens[listen].server_for(host, &values)];
                match Request::judge(&head, heads.merge_slashes) {
                    Ok(request) => {
                        let server = find_server(request.host.as_deref());
                        let asked = Asked { worker, connection, server, request: &request, refused_line: None };
                        let route = Route::new(Some(&request), &server.outside, values);
                        return self.serve_request(asked, route, Entered::AtTheBeginning, started).await;
                    }
                    Err(refusal) => {
                        let host = head.headers.get("host").map(bare_host);
                        (line_of(&head), refusal, host.map_or(default_server, |host| find_server(Some(&host))))
                    }
                }
            }
            Err(ReadError::Refused(refusal)) if refusal != Refusal::Truncated => {
                (first_line(self.incoming.buffered()), refusal, default_server)
            }
            // the client closed the connection before it had sent a request
            Ok(None) | Err(_) => return (Next::Cut, Duration::ZERO),
        };
        let next = self.refused(worker, connection, server, &line, refusal, started).await;
        (next, Duration::ZERO)
    }

    /// Answers a request that may not be served, and logs it. Of the request nothing is used but its method: the page
    /// that `error_page` has for it is fetched as if it were asked for.
    async fn refused(
        &mut self,
        worker: &Worker,
        connection: &ClientConnection,
        server: &Server,
        line: &[u8],
        refusal: Refusal,
        started: Instant,
    ) -> Next {
        let method: &[u8] = if line.starts_with(b"HEAD ") { b"HEAD" } else { b"GET" };
        let head = RequestHead::new(method, "/", Version::Http11);
        let request = Request::stand_in(&head);
        let mut route = Route::new(Some(&request), &server.outside, Values::new(&worker.settings.names));
        route.closes = true;
        route.note(Severity::Info, format!("client sent an invalid request: {refusal}"));
        let status = match refusal.status() {
            // nginx's own code for what has a status of its own since RFC 6585
            431 if server.rules().error_page(431).is_none() && server.rules().error_page(494).is_some() => 494,
            status => status,
        };
        let asked = Asked { worker, connection, server, request: &request, refused_line: Some(line) };
        let (next, _) = self.serve_request(asked, route, Entered::At(status), started).await;
        // what it had in mind may still be arriving
        if next == Next::Close { Next::Linger } else { next }
    }

    /// Takes a request through the configuration's phases, has it answered, and logs it.
    async fn serve_request<'a>(
        &mut self,
        asked: Asked<'a>,
        mut route: Route<'a>,
        entered: Entered,
        started: Instant,
    ) -> (Next, Duration) {
        let Asked { worker, connection, server, request, refused_line } = asked;
        self.outcome.now = SystemTime::now();
        let mut upload = Upload::new(request.body);
        let settings = &*worker.settings;
        let phases = Phases { settings, server, connection, request, outcome: &self.outcome, files: &Disk };
        let mut action = match entered {
            Entered::AtTheBeginning => phases.begin(&mut route),
            Entered::At(status) => phases.finish(&mut route, status),
        };
        let next = loop {
            let notes = std::mem::take(&mut route.notes);
            let subject = asked.subject(&route);
            for (severity, message) in notes {
                subject.log_error(&self.outcome, severity, &message, None);
            }
            let instead = match action {
                Action::Pass(_) if may_not_be_forwarded(request) => {
                    let body = OwnBody::Page;
                    break self.answer_unread(&subject, OwnAnswer { status: 200, body }, &mut upload).await;
                }
                Action::Pass(pass) => match forward::forward(self, &subject, request, pass, &mut upload).await {
                    Ok(next) => break next,
                    Err(Failure::Answer { status }) => Instead { by: Substitute::Page(status), kept: Headers::new() },
                    Err(Failure::Instead(instead)) => instead,
                    Err(Failure::Body { status }) => {
                        route.is_body_refused = true;
                        Instead { by: Substitute::Page(status), kept: Headers::new() }
                    }
                    Err(Failure::ClientGone) => {
                        // as nginx logs a client that did not wait for its answer
                        self.outcome.status = 499;
                        break Next::Cut;
                    }
                },
                Action::Page(status) => {
                    let answer = OwnAnswer { status, body: OwnBody::Page };
                    break self.answer_unread(&subject, answer, &mut upload).await;
                }
                Action::Text { status, text } => {
                    let answer = OwnAnswer { status: route.status.unwrap_or(status), body: OwnBody::Text(text) };
                    match answer.conditions_fail(&subject) {
                        Some(status) => Instead { by: Substitute::Page(status), kept: Headers::new() },
                        None => break self.answer_unread(&subject, answer, &mut upload).await,
                    }
                }
                Action::File(opened) => {
                    let answer = OwnAnswer { status: route.status.unwrap_or(200), body: OwnBody::File(opened) };
                    match answer.conditions_fail(&subject) {
                        Some(status) => Instead { by: Substitute::Page(status), kept: Headers::new() },
                        None => break self.answer_unread(&subject, answer, &mut upload).await,
                    }
                }
                Action::Drop(status) => {
                    self.outcome.status = status;
                    break Next::Cut;
                }
            };
            route.keep(&instead.kept);
            let phases = Phases { settings, server, connection, request, outcome: &self.outcome, files: &Disk };
            action = match instead.by {
                Substitute::Page(status) => phases.finish(&mut route, status),
                Substitute::Path(target) => phases.follow(&mut route, &target),
            };
        };
        // what was refused may still be arriving
        let next = if next == Next::Close && route.is_body_refused { Next::Linger } else { next };
        self.outgoing.io_mut().pace(None);
        self.outcome.request_body_bytes = upload.received();
        self.outcome.is_complete = !matches!(next, Next::Cut | Next::Reset);
        let subject = asked.subject(&route);
        // of a request that was refused, the log has what arrived
        let logged = Subject { request: subject.request.filter(|_| refused_line.is_none()), ..subject };
        self.log_access(&logged, started);
        (next, route.location.rules.keepalive.idle)
    }

    /// Takes note of how much of an answer was sent behind its head. `before` is what the connection had sent before.
    pub(crate) fn count_body(&mut self, before: u64) {
        let sent = self.outgoing.io_mut().bytes - before;
        self.outcome.body_bytes = sent.saturating_sub(self.outcome.head_bytes);
    }

    fn log_access(&mut self, subject: &Subject<'_>, started: Instant) {
        if subject.rules.access_log.is_empty() {
            return;
        }
        self.outcome.now = SystemTime::now();
        self.outcome.elapsed = clock::since(started);
        for access_log in &subject.rules.access_log {
            log::append(access_log, &subject.scope(&self.outcome));
        }
    }

    /// Closes the connection so that the client gets to read its answer, whatever it is still sending.
    async fn linger(&mut self) {
        let lingering = async {
            self.outgoing.shutdown().await?;
            self.incoming.discard(LINGERING).await
        };
        _ = self.read_timer.within(LINGERING_TIMEOUT, lingering).await;
    }
}

/// Which of the `listen`s of a socket a connection came to, and our end of it.
fn find_listen(worker: &Worker, listens: &[usize], stream: &Stream) -> Option<(usize, Address)> {
    let all = &worker.settings.listens;
    let first = *listens.first()?;
    let (Address::Internet(own), Some(stream)) = (&all[first].address, stream.tcp()) else {
        return Some((first, all[first].address.clone()));
    };
    if !own.ip().is_unspecified() {
        return Some((first, all[first].address.clone()));
    }
    // only a wildcard has to be asked
    let local = Address::Internet(stream.local_addr().ok()?);
    let named = listens.iter().copied().find(|&index| all[index].address == local);
    Some((named.unwrap_or(first), local))
}

/// The request line of a head that was read.
fn line_of(head: &RequestHead) -> Vec<u8> {
    [head.method(), head.target(), head.version.text().as_bytes()].join(&b' ')
}

/// The request line of a head that could not be read, as far as it arrived.
fn first_line(received: &[u8]) -> Vec<u8> {
    let line = received.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line).to_vec()
}
