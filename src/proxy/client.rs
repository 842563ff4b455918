//! A client's connection, one request after the other.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use lab_http::{BodyDecoder, Incoming, Limits, Outgoing, ReadError, Refusal, RequestHead};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::error_page;
use super::forward::{self, Failure};
use super::log::{self, About};
use super::request::{Request, clean};
use super::request_head::may_not_be_forwarded;
use super::response_head::{Persistence, write_origin, write_own};
use super::sent::Sent;
use super::settings::level::Rules;
use super::settings::location::Found;
use super::settings::logs::Severity;
use super::settings::pass::Pass;
use super::settings::server::Server;
use super::timer::{Timer, now_or_pending};
use super::variables::{ClientConnection, Outcome, Scope};
use super::worker::Worker;

/// nginx's bounds: a request line or a field of 8 KiB, 32 KiB in all. It bounds the number of fields only so.
const LIMITS: Limits = Limits {
    start_line: 8 * 1024,
    field: 8 * 1024,
    fields: 1000,
    head: 32 * 1024,
    chunk_extension: 256,
    chunk_extensions: 16 * 1024,
    trailers: 8 * 1024,
};
/// A body nobody wants is read to its end up to this many bytes, to keep the connection.
const DRAINED: u64 = 64 * 1024;
/// Before a connection is closed on a client that is still sending, this much is read and thrown away, in bytes, so
/// that the client gets to read its answer (RFC 9112 §9.6).
const LINGERING: u64 = 1024 * 1024;
/// When workers quit, an idle connection is still served a request that arrives within this time.
const LAST_CALL: Duration = Duration::from_secs(1);
/// nginx's `lingering_timeout`.
const LINGERING_TIMEOUT: Duration = Duration::from_secs(5);

/// The two sides of the connection and what is known of the present request's fate.
#[derive(Debug)]
pub(super) struct Client<'s> {
    pub(super) incoming: Incoming<ReadHalf<'s>>,
    pub(super) outgoing: Outgoing<Sent<WriteHalf<'s>>>,
    pub(super) read_timer: Timer,
    pub(super) write_timer: Timer,
    pub(super) outcome: Outcome,
}

/// What a request is about: everything that holds still while it is served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) worker: &'a Worker,
    pub(super) connection: &'a ClientConnection,
    pub(super) request: Option<&'a Request<'a>>,
    pub(super) refused_line: &'a [u8],
    pub(super) server: &'a Server,
    pub(super) rules: &'a Rules,
    pub(super) pass: Option<&'a Pass>,
}

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
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

impl<'a> Subject<'a> {
    /// What variables see.
    pub(super) fn scope<'b>(&'b self, outcome: &'b Outcome) -> Scope<'b> {
        Scope {
            connection: self.connection,
            request: self.request,
            refused_line: self.refused_line,
            server: self.server,
            pass: self.pass,
            outcome,
        }
    }

    /// Writes to the error log of where the request belongs.
    pub(super) fn log_error(&self, outcome: &Outcome, severity: Severity, message: &str, upstream: Option<String>) {
        if severity > self.rules.error_log.level {
            return;
        }
        let about = About { scope: self.scope(outcome), upstream };
        self.worker.logs.error(&self.rules.error_log, severity, message, Some(&about));
    }

    /// What the client is told about its connection, if nothing else speaks against keeping it.
    pub(super) fn persistence(&self, may_keep: bool) -> Persistence {
        let rules = self.rules;
        let keep_alive = may_keep
            && self.request.is_some_and(|request| request.persistent)
            && !rules.keepalive.idle.is_zero()
            && self.connection.requests < rules.keepalive_requests
            && !self.worker.is_quitting();
        Persistence { keep_alive, announced: rules.keepalive.announced }
    }
}

/// Serves one connection to its end. `listens` are those of the socket that accepted it.
pub(super) async fn serve(worker: &Worker, mut stream: TcpStream, peer: SocketAddr, listens: &[usize]) {
    // a client that is gone already has no address, and nothing to be told
    let Ok(local) = stream.local_addr() else { return };
    let of_address = listens.iter().copied().find(|&index| worker.settings.listens[index].address == local);
    let Some(listen) = of_address.or_else(|| listens.first().copied()) else { return };
    let default_server = &worker.settings.servers[worker.settings.listens[listen].default_server];
    _ = stream.set_nodelay(default_server.rules.tcp_nodelay);

    let mut connection = ClientConnection::new(worker.next_serial(), peer, local);
    let (read, write) = stream.split();
    let mut client = Client {
        incoming: Incoming::new(read, LIMITS),
        outgoing: Outgoing::new(Sent::new(write)),
        read_timer: Timer::new(),
        write_timer: Timer::new(),
        outcome: Outcome::default(),
    };
    let mut idle = default_server.client_header_timeout;
    let next = loop {
        if !client.wait(worker, idle).await {
            break Next::Cut;
        }
        connection.requests += 1;
        client.outcome.clear();
        let (next, after) = client.one_request(worker, &connection, listen, default_server).await;
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
        _ = stream.set_zero_linger();
    }
}

impl Client<'_> {
    /// Waits for the first byte of a request; false if there will be none.
    async fn wait(&mut self, worker: &Worker, limit: Duration) -> bool {
        // the common case on a busy connection
        if let std::task::Poll::Ready(arrived) = now_or_pending(self.incoming.wait()).await {
            return arrived.unwrap_or(false);
        }
        if !worker.is_quitting() {
            tokio::select! {
                arrived = self.read_timer.within(limit, self.incoming.wait()) => return matches!(arrived, Ok(Ok(true))),
                () = worker.quitting() => {}
            }
        }
        // the client does not know yet, and its next request may be on its way
        matches!(self.read_timer.within(limit.min(LAST_CALL), self.incoming.wait()).await, Ok(Ok(true)))
    }

    /// Reads a request, answers it and logs it. Returns what becomes of the connection, and how long it may idle.
    async fn one_request(
        &mut self,
        worker: &Worker,
        connection: &ClientConnection,
        listen: usize,
        default_server: &Server,
    ) -> (Next, Duration) {
        let started = Instant::now();
        let read = self.incoming.read_request_head();
        let read = self.read_timer.within(default_server.client_header_timeout, read).await;
        let (line, refusal) = match read.unwrap_or(Err(ReadError::Refused(Refusal::Timeout))) {
            Ok(Some(mut head)) => {
                clean(&mut head);
                match Request::judge(&head) {
                    Ok(request) => return self.judged(worker, connection, listen, &request, started).await,
                    Err(refusal) => (line_of(&head), refusal),
                }
            }
            Err(ReadError::Refused(refusal)) if refusal != Refusal::Truncated => {
                (first_line(self.incoming.buffered()), refusal)
            }
            // the client closed the connection before it had sent a request
            Ok(None) | Err(_) => return (Next::Cut, Duration::ZERO),
        };
        let next = self.refused(worker, connection, default_server, &line, refusal, started).await;
        (next, Duration::ZERO)
    }

    /// Answers a request that may not be served, and logs it.
    async fn refused(
        &mut self,
        worker: &Worker,
        connection: &ClientConnection,
        server: &Server,
        line: &[u8],
        refusal: Refusal,
        started: Instant,
    ) -> Next {
        let subject =
            Subject { worker, connection, request: None, refused_line: line, server, rules: &server.rules, pass: None };
        subject.log_error(&self.outcome, Severity::Info, &format!("client sent an invalid request: {refusal}"), None);
        let next = self.answer_page(&subject, refusal.status(), b"", false).await;
        self.log_access(&subject, started);
        next
    }

    /// Finds out where a request belongs, has it answered there, and logs it.
    async fn judged(
        &mut self,
        worker: &Worker,
        connection: &ClientConnection,
        listen: usize,
        request: &Request<'_>,
        started: Instant,
    ) -> (Next, Duration) {
        let server = worker.settings.listens[listen].server_for(request.host.as_deref());
        let server = &worker.settings.servers[server];
        let found = server.locations.find(&request.path);
        let location = match found {
            Found::Location(location) | Found::AddSlash(location) => Some(location),
            Found::Nothing => None,
        };
        let subject = Subject {
            worker,
            connection,
            request: Some(request),
            refused_line: b"",
            server,
            rules: location.map_or(&server.rules, |location| &location.rules),
            pass: location.and_then(|location| location.pass.as_ref()),
        };
        let next = match (found, subject.pass) {
            // as nginx; what a TRACE would echo is nobody's business
            _ if request.head.method() == b"TRACE" => self.answer_page(&subject, 405, b"", false).await,
            (Found::Location(_), Some(_)) if may_not_be_forwarded(request) => {
                self.answer_unread(&subject, 200, b"").await
            }
            (Found::Location(_), Some(pass)) => self.pass_on(&subject, request, pass).await,
            (Found::AddSlash(location), _) => {
                let mut field = b"Location: ".to_vec();
                write_origin(&subject.scope(&self.outcome), &mut field);
                field.extend_from_slice(location.path.as_bytes());
                if let Some(query) = request.target.query {
                    field.push(b'?');
                    field.extend_from_slice(query);
                }
                field.extend_from_slice(b"\r\n");
                self.answer_unread(&subject, 301, &field).await
            }
            (Found::Location(_), None) | (Found::Nothing, _) => self.answer_unread(&subject, 404, b"").await,
        };
        self.log_access(&subject, started);
        (next, subject.rules.keepalive.idle)
    }

    async fn pass_on(&mut self, subject: &Subject<'_>, request: &Request<'_>, pass: &Pass) -> Next {
        match forward::forward(self, subject, request, pass).await {
            Ok(next) => next,
            Err(Failure::Answer { status, body_was_read }) => {
                self.answer_page(subject, status, b"", body_was_read).await
            }
            Err(Failure::ClientGone) => {
                // as nginx logs a client that did not wait for its answer
                self.outcome.status = 499;
                Next::Cut
            }
        }
    }

    /// Answers a request whose body was not looked at: the connection is kept if there is little of it.
    async fn answer_unread(&mut self, subject: &Subject<'_>, status: u16, fields: &[u8]) -> Next {
        let mut may_keep = true;
        if let Some(request) = subject.request.filter(|request| !request.body.is_empty()) {
            let mut body = BodyDecoder::new(request.body, &LIMITS);
            let drained = async {
                !request.expects_continue && matches!(self.incoming.drain(&mut body, DRAINED).await, Ok(true))
            };
            may_keep = self.read_timer.within(subject.rules.client_body_timeout, drained).await.unwrap_or(false);
        }
        self.answer_page(subject, status, fields, may_keep).await
    }

    /// Answers with a page of the proxy's own.
    async fn answer_page(&mut self, subject: &Subject<'_>, status: u16, fields: &[u8], may_keep: bool) -> Next {
        let tokens = subject.rules.server_tokens;
        let persistence = subject.persistence(may_keep);
        let page = if status == 200 { Vec::new() } else { error_page::html(status, tokens) };
        let fields = if page.is_empty() { fields.to_vec() } else { [error_page::CONTENT_TYPE, fields].concat() };
        let before = self.outgoing.io_mut().bytes;
        let out = self.outgoing.buffer();
        let start = out.len();
        write_own(status, tokens, &fields, page.len() as u64, persistence, out);
        self.outcome.head_bytes = (out.len() - start) as u64;
        if subject.request.is_none_or(|request| request.head.method() != b"HEAD") {
            out.extend_from_slice(&page);
        }
        self.outcome.status = status;
        let flushed = self.write_timer.within(subject.rules.send_timeout, self.outgoing.flush()).await;
        self.count_body(before);
        match flushed {
            Ok(Ok(())) if persistence.keep_alive => Next::KeepAlive,
            Ok(Ok(())) if may_keep => Next::Close,
            Ok(Ok(())) => Next::Linger,
            _ => Next::Cut,
        }
    }

    /// Takes note of how much of an answer was sent behind its head. `before` is what the connection had sent before.
    pub(super) fn count_body(&mut self, before: u64) {
        let sent = self.outgoing.io_mut().bytes - before;
        self.outcome.body_bytes = sent.saturating_sub(self.outcome.head_bytes);
    }

    fn log_access(&mut self, subject: &Subject<'_>, started: Instant) {
        if subject.rules.access_log.is_empty() {
            return;
        }
        self.outcome.now = SystemTime::now();
        self.outcome.elapsed = started.elapsed();
        for access_log in &subject.rules.access_log {
            log::append(access_log.file, &access_log.format, &subject.scope(&self.outcome));
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

/// The request line of a head that was read.
fn line_of(head: &RequestHead) -> Vec<u8> {
    [head.method(), head.target(), head.version.text().as_bytes()].join(&b' ')
}

/// The request line of a head that could not be read, as far as it arrived.
fn first_line(received: &[u8]) -> Vec<u8> {
    let line = received.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line).to_vec()
}
