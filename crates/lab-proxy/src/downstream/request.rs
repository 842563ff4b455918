//! One request on a client's connection: read, routed, answered, logged.

use std::time::{Duration, Instant, SystemTime};

use lab_http::{ReadError, Refusal, RequestHead, Version};

use crate::clock;
use crate::config::logs::Severity;
use crate::config::server::Server;
use crate::context::{ConnectionDisposition, RequestBody, RequestContext, WorkerContext};
use crate::downstream::connection::ClientIo;
use crate::downstream::proxied;
use crate::downstream::response_writer::{ReadAhead, ResponseWriter, SendError};
use crate::eval::{ClientConnection, VariableValues};
use crate::response::local::{self, LocalContent};
use crate::response::{Body, Response, ResponseOverride, Substitute};
use crate::routing::phases::Action;
use crate::routing::request::{Request, bare_host, remove_unsafe_fields};
use crate::routing::route::{BodyAdmission, ConnectionReuse};
use crate::upstream::Upstreams;
use crate::upstream::request_head::may_not_be_forwarded;

/// An unwanted request body is read to its end up to this many bytes, to keep the connection.
const DRAINED: u64 = 64 * 1024;

/// Serves the request whose first byte has arrived. Returns what happens to the connection, and how long it may idle.
pub(crate) async fn serve_request(
    client: &mut ClientIo<'_>,
    worker: &WorkerContext,
    upstreams: &Upstreams,
    connection: &ClientConnection,
    listen: usize,
) -> (ConnectionDisposition, Duration) {
    let started = clock::now();
    let settings = &*worker.settings;
    let default_server = &settings.servers[settings.listens[listen].default_server];
    let heads = &default_server.request_head;
    let values = VariableValues::new(&settings.variables);
    // a server name that is a pattern leaves its captures in the values
    let find_server = |host: Option<&[u8]>| &settings.servers[settings.listens[listen].server_for(host, &values)];
    let reading = client.incoming.read_request_head();
    let read = client.read_timer.within(heads.timeout, reading).await;
    let (line, refusal, server) = match read.unwrap_or(Err(ReadError::Refused(Refusal::Timeout))) {
        Ok(Some(mut head)) => {
            remove_unsafe_fields(&mut head, heads);
            match Request::validate(&head, heads.merge_slashes) {
                Ok(request) => {
                    let server = find_server(request.host.as_deref());
                    let mut context = RequestContext::new(worker, connection, server, &request, values);
                    let disposition = respond(client, &mut context, upstreams, Entry::Begin, started).await;
                    return (disposition, context.config().keepalive.idle);
                }
                Err(refusal) => {
                    let host = head.headers.get("host").map(bare_host);
                    (request_line(&head), refusal, host.map_or(default_server, |host| find_server(Some(&host))))
                }
            }
        }
        Err(ReadError::Refused(refusal)) if refusal != Refusal::Truncated => {
            (first_line(client.incoming.buffered()), refusal, default_server)
        }
        // the client closed the connection before its request was complete
        Ok(None) | Err(_) => return (ConnectionDisposition::Abort, Duration::ZERO),
    };

    // of a refused request nothing is used but its method; its `error_page` is fetched for a placeholder
    let method: &[u8] = if line.starts_with(b"HEAD ") { b"HEAD" } else { b"GET" };
    let head = RequestHead::new(method, "/", Version::Http11);
    let placeholder = Request::placeholder(&head);
    let mut context =
        RequestContext::new(worker, connection, server, &placeholder, VariableValues::new(&settings.variables));
    context.refused_line = Some(&line);
    context.route.connection = ConnectionReuse::Forbidden;
    context.route.note(Severity::Info, format!("client sent an invalid request: {refusal}"));
    let entry = Entry::Status(status_of(refusal, server));
    let disposition = respond(client, &mut context, upstreams, entry, started).await;
    // the rest of the request may still be arriving
    let is_close = disposition == ConnectionDisposition::Close;
    (if is_close { ConnectionDisposition::Linger } else { disposition }, Duration::ZERO)
}

/// The status of a refused request. 494 is nginx's own code for what RFC 6585 made 431.
fn status_of(refusal: Refusal, server: &Server) -> u16 {
    let has_page = |status| server.config().error_page(status).is_some();
    match refusal.status() {
        431 if !has_page(431) && has_page(494) => 494,
        status => status,
    }
}

/// Where a request enters the routing phases.
#[derive(Clone, Copy)]
enum Entry {
    Begin,
    /// With a status already.
    Status(u16),
}

/// Routes a request, writes its response, and logs it.
async fn respond(
    client: &mut ClientIo<'_>,
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    entry: Entry,
    started: Instant,
) -> ConnectionDisposition {
    context.outcome.now = SystemTime::now();
    let mut body = RequestBody::new(context.request.body);
    let (phases, route) = context.phases();
    let mut action = match entry {
        Entry::Begin => phases.begin(route),
        Entry::Status(status) => phases.finish(route, status),
    };
    let disposition = loop {
        context.log_notes();
        let substitute = match perform(client, context, upstreams, action, &mut body).await {
            Ok(disposition) => break disposition,
            Err(substitute) => substitute,
        };
        context.route.preserve(&substitute.kept);
        let (phases, route) = context.phases();
        action = match substitute.substitute {
            Substitute::Page(status) => phases.finish(route, status),
            Substitute::Path(target) => phases.follow(route, &target),
        };
    };
    // the rest of a refused body may still be arriving
    let is_arriving = disposition == ConnectionDisposition::Close && context.route.body == BodyAdmission::Refused;
    let disposition = if is_arriving { ConnectionDisposition::Linger } else { disposition };
    client.outgoing.io_mut().limit_rate(None);
    context.outcome.request_body_bytes = body.received();
    context.outcome.is_complete = !matches!(disposition, ConnectionDisposition::Abort | ConnectionDisposition::Reset);
    if !context.config().access_log.is_empty() {
        context.outcome.now = SystemTime::now();
        context.outcome.elapsed = clock::since(started);
        context.log_access();
    }
    disposition
}

/// Does what routing decided.
///
/// # Errors
/// The client gets a substitute.
async fn perform(
    client: &mut ClientIo<'_>,
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    action: Action<'_>,
    body: &mut RequestBody,
) -> Result<ConnectionDisposition, ResponseOverride> {
    let response = match action {
        Action::Pass(_) if may_not_be_forwarded(context.request) => local::page(context, 200),
        Action::Pass(pass) => return proxied::forward(client, context, upstreams, pass, body).await,
        Action::Page(status) => local::page(context, status),
        Action::Text { status, text } => {
            local::respond(context, context.route.status.unwrap_or(status), LocalContent::Text(text))?
        }
        Action::File(opened) => {
            local::respond(context, context.route.status.unwrap_or(200), LocalContent::File(opened))?
        }
        Action::Drop(status) => {
            context.outcome.status = status;
            return Ok(ConnectionDisposition::Abort);
        }
    };
    let is_read = drain(client, context, body).await;
    Ok(send_local(client, context, response, is_read).await)
}

/// Reads the rest of a short request body. Returns whether the connection is where the next request begins.
async fn drain(client: &mut ClientIo<'_>, context: &RequestContext<'_>, body: &mut RequestBody) -> bool {
    if body.is_complete() {
        return true;
    }
    // a client that waits for `100 Continue` in vain may or may not send the body
    if context.request.expects_continue && body.received() == 0 {
        return false;
    }
    let draining = body.drain(&mut client.incoming, DRAINED);
    client.read_timer.within(context.config().client_body_timeout, draining).await.unwrap_or(false)
}

/// Writes a response of the proxy's own.
async fn send_local(
    client: &mut ClientIo<'_>,
    context: &mut RequestContext<'_>,
    response: Response,
    may_keep: bool,
) -> ConnectionDisposition {
    let Response { head, mut body } = response;
    let rules = context.config();
    let persistence = context.persistence(may_keep);
    let mut writer = ResponseWriter::new(&mut client.outgoing, &mut client.write_timer, rules.send_timeout);
    writer.begin(context, &head, body.length(), persistence);
    let sent = send_body(&mut writer, &mut body, ReadAhead { buffering: &rules.buffering, spools: false }).await;
    writer.record_sent(context);
    match sent {
        Ok(()) if persistence.keep_alive => ConnectionDisposition::KeepAlive,
        Ok(()) if may_keep => ConnectionDisposition::Close,
        Ok(()) => ConnectionDisposition::Linger,
        Err(error) => {
            if let SendError::Body(error) = error {
                context.log_error(error.severity(), &error.to_string(), None);
            }
            ConnectionDisposition::Abort
        }
    }
}

async fn send_body(
    writer: &mut ResponseWriter<'_, '_>,
    body: &mut Body,
    read_ahead: ReadAhead<'_>,
) -> Result<(), SendError> {
    let mut queue = writer.body(body, read_ahead).await?;
    writer.drain(&mut queue).await
}

/// The request line of a head.
fn request_line(head: &RequestHead) -> Vec<u8> {
    [head.method(), head.target(), head.version.text().as_bytes()].join(&b' ')
}

/// The request line of a head that could not be parsed, as far as it arrived.
fn first_line(received: &[u8]) -> Vec<u8> {
    let line = received.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line).to_vec()
}
