//! One request on a client's connection: reads, routes, serves and logs it.

use std::time::{Duration, Instant, SystemTime};

use lab_http::{BodyLength, Headers, ReadError, Refusal, RequestHead, Version};

use crate::clock;
use crate::config::location::lingering::Lingering;
use crate::config::location::location_config::LocationConfig;
use crate::config::logs::Severity;
use crate::config::server::Server;
use crate::connection_counts::OpenRequest;
use crate::context::{ConnectionDisposition, RequestBody, RequestContext, WorkerContext};
use crate::downstream::client_io::ClientIo;
use crate::downstream::local_response::send_local;
use crate::downstream::mirror::{Mirrors, send_post_action};
use crate::downstream::proxied::Forwarded;
use crate::downstream::{assembly, cache_update, proxied, slices, subrequest, tls_policy};
use crate::eval::ClientConnection;
use crate::phases::Action;
use crate::response::local::{self, LocalContent};
use crate::response::{Body, Response, ResponseOverride, Substitute};
use crate::routing::request::{Request, bare_host, remove_unsafe_fields};
use crate::routing::route::{BodyAdmission, ConnectionReuse};
use crate::upstream::Upstreams;
use crate::upstream::request_head::is_final_recipient;
use crate::variables::VariableValues;

/// What becomes of a connection after a request.
#[derive(Debug)]
pub(crate) struct RequestEnd {
    pub(crate) disposition: ConnectionDisposition,
    /// How long the connection may wait for its next request.
    pub(crate) idle: Duration,
    /// How it closes.
    pub(crate) lingering: Lingering,
}

impl RequestEnd {
    fn new(disposition: ConnectionDisposition, rules: &LocationConfig) -> RequestEnd {
        RequestEnd { disposition, idle: rules.keepalive.idle, lingering: rules.lingering }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestOrigin<'a> {
    pub(crate) worker: &'a WorkerContext,
    pub(crate) upstreams: &'a Upstreams,
    pub(crate) connection: &'a ClientConnection,
    pub(crate) listen: usize,
    pub(crate) started: Instant,
}

/// The head of a request, as it arrived.
#[derive(Debug)]
pub(crate) enum ReceivedHead {
    Complete {
        head: RequestHead,
        /// Whether a body follows that no field announces, as HTTP/2 allows.
        has_unannounced_body: bool,
    },
    Refused {
        /// The request line, as far as it arrived.
        line: Vec<u8>,
        refusal: Refusal,
    },
}

/// Serves the request whose first byte has arrived on a connection of HTTP/1.1.
pub(crate) async fn serve_request(
    client: &mut ClientIo<'_>,
    worker: &WorkerContext,
    upstreams: &Upstreams,
    connection: &ClientConnection,
    listen: usize,
) -> RequestEnd {
    let origin = RequestOrigin { worker, upstreams, connection, listen, started: clock::now() };
    let mut open = OpenRequest::new();
    let default_server = origin.default_server();
    let reading = client.incoming.read_request_head();
    let read = client.read_timer.within(default_server.request_head.timeout, reading).await;
    open.begin_writing();
    let head = match read.unwrap_or(Err(ReadError::Refused(Refusal::Timeout))) {
        Ok(Some(head)) => ReceivedHead::Complete { head, has_unannounced_body: false },
        Err(ReadError::Refused(refusal)) if refusal != Refusal::Truncated => {
            ReceivedHead::Refused { line: first_line(client.incoming.buffered()), refusal }
        }
        // the client closed the connection before its request was complete
        Ok(None) | Err(_) => return RequestEnd::new(ConnectionDisposition::Abort, default_server.config()),
    };
    serve_head(client, origin, head).await
}

impl<'a> RequestOrigin<'a> {
    fn default_server(&self) -> &'a Server {
        let config = &self.worker.config;
        &config.servers[config.listens[self.listen].default_server]
    }
}

/// Serves the request with this head.
pub(crate) async fn serve_head(client: &mut ClientIo<'_>, origin: RequestOrigin<'_>, head: ReceivedHead) -> RequestEnd {
    let RequestOrigin { worker, upstreams, connection, listen, started } = origin;
    let config = &*worker.config;
    let default_server = origin.default_server();
    let heads = &default_server.request_head;
    let values = VariableValues::new(&config.variables);
    // a server name that is a pattern leaves its captures in the values
    let find_server = |host: Option<&[u8]>| &config.servers[config.listens[listen].server_for(host, &values)];
    let (line, refusal, server) = match head {
        ReceivedHead::Complete { mut head, has_unannounced_body } => {
            remove_unsafe_fields(&mut head, heads);
            match Request::validate(&head, heads.merge_slashes) {
                Ok(mut request) => {
                    if has_unannounced_body {
                        request.body = BodyLength::Chunked;
                    }
                    let server = find_server(request.host.as_deref());
                    let mut context = RequestContext::new(worker, connection, server, &request, values);
                    let entry = tls_entry(&mut context);
                    let disposition = respond(client, &mut context, upstreams, entry, started).await;
                    return RequestEnd::new(disposition, context.config());
                }
                Err(refusal) => {
                    let host = head.headers.get("host").map(bare_host);
                    (request_line(&head), refusal, host.map_or(default_server, |host| find_server(Some(&host))))
                }
            }
        }
        ReceivedHead::Refused { line, refusal } => (line, refusal, default_server),
    };

    // only the method of a refused request is used; its `error_page` is fetched for a placeholder
    let method: &[u8] = if line.starts_with(b"HEAD ") { b"HEAD" } else { b"GET" };
    let version = if client.stream_mut().is_some() { Version::Http2 } else { Version::Http11 };
    let head = RequestHead::new(method, "/", version);
    let placeholder = Request::placeholder(&head);
    let mut context =
        RequestContext::new(worker, connection, server, &placeholder, VariableValues::new(&config.variables));
    context.refused_line = Some(&line);
    context.route.connection = ConnectionReuse::Forbidden;
    context.route.note(Severity::Info, format!("client sent an invalid request: {refusal}"));
    let entry = Entry::Status(status_of(refusal, server));
    let disposition = respond(client, &mut context, upstreams, entry, started).await;
    // the rest of the request may still be arriving
    let is_close = disposition == ConnectionDisposition::Close;
    RequestEnd::new(if is_close { ConnectionDisposition::Linger } else { disposition }, context.config())
}

/// Where a request enters the phases, as its TLS session and its server decide. The statuses are nginx's own.
fn tls_entry(context: &mut RequestContext<'_>) -> Entry {
    let refusal = match tls_policy::check(context) {
        Ok(()) => return Entry::Begin,
        Err(refusal) => refusal,
    };
    context.route.note(Severity::Info, refusal.message);
    // as in nginx: the handshake was for something else
    context.route.connection = ConnectionReuse::Forbidden;
    Entry::Status(refusal.status)
}

/// The status of a refused request. 494 is nginx's own code for 431 of RFC 6585.
fn status_of(refusal: Refusal, server: &Server) -> u16 {
    let has_page = |status| server.config().error_page(status).is_some();
    match refusal.status() {
        // as in nginx, which knows no coding but chunked
        _ if refusal == Refusal::ChunkedMissing => 501,
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
async fn respond<'a>(
    client: &mut ClientIo<'_>,
    context: &mut RequestContext<'a>,
    upstreams: &'a Upstreams,
    entry: Entry,
    started: Instant,
) -> ConnectionDisposition {
    context.outcome.now = clock::wall();
    let mut body = RequestBody::of_request(context.request);
    let (phases, route) = context.phases();
    let mut action = match entry {
        Entry::Begin => phases.begin(route),
        Entry::Status(status) => phases.finish(route, status),
    };
    let mut mirrors = Mirrors::default();
    let disposition = loop {
        context.log_notes();
        if let Some(delay) = context.route.delay.take() {
            tokio::time::sleep(delay).await;
        }
        let performed = match action {
            // boxed, as is the request beside copies, so that requests without them stay small
            Action::Mirror(config) => {
                match Box::pin(mirrors.start(client, context, upstreams, config, &mut body)).await {
                    Ok(None) => {
                        let (phases, route) = context.phases();
                        action = phases.resume_mirrored(route);
                        continue;
                    }
                    Ok(Some(disposition)) => Ok(disposition),
                    Err(substitute) => Err(substitute),
                }
            }
            action if mirrors.are_sent() => perform(client, context, upstreams, action, &mut body).await,
            action => mirrors.alongside(Box::pin(perform(client, context, upstreams, action, &mut body))).await,
        };
        let substitute = match performed {
            Ok(disposition) => break disposition,
            Err(substitute) => substitute,
        };
        context.route.preserve(&substitute.kept);
        let (phases, route) = context.phases();
        action = match substitute.substitute {
            Substitute::Page(status) => phases.finish(route, status),
            Substitute::Path(target) => phases.follow(route, &target),
            Substitute::Authorized(status) => phases.resume_authorized(route, status),
        };
    };
    mirrors.finish().await;
    // the rest of a refused body may still be arriving
    let is_arriving = disposition == ConnectionDisposition::Close && context.route.body == BodyAdmission::Refused;
    let disposition = if is_arriving { ConnectionDisposition::Linger } else { disposition };
    client.outgoing.io_mut().limit_rate(None, 0);
    context.outcome.request_body_bytes = body.received();
    context.outcome.is_complete = !matches!(disposition, ConnectionDisposition::Abort | ConnectionDisposition::Reset);
    if !context.config().access_log.is_empty() {
        context.outcome.now = SystemTime::now();
        context.outcome.elapsed = clock::since(started);
        context.log_access();
    }
    if context.update.is_some() || !context.stale_subrequests.is_empty() {
        // boxed, so that requests without it stay small
        Box::pin(update_cache(context, upstreams)).await;
    }
    if let Some(target) = &context.config().post_action {
        // boxed, so that requests without it stay small
        Box::pin(send_post_action(context, upstreams, target, &body)).await;
    }
    disposition
}

/// Updates the stale responses of the cache that the request and its subrequests got.
async fn update_cache(context: &mut RequestContext<'_>, upstreams: &Upstreams) {
    for mut subrequest in std::mem::take(&mut context.stale_subrequests) {
        if let (Some(update), Some(pass)) = (subrequest.update.take(), subrequest.route.pass) {
            cache_update::send(&subrequest, upstreams, pass, *update).await;
        }
    }
    if let (Some(update), Some(pass)) = (context.update.take(), context.route.pass) {
        cache_update::send(context, upstreams, pass, *update).await;
    }
}

/// Performs the action of the phases.
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
    let mut response = match action {
        Action::Pass(_) if is_final_recipient(context.request) => local::page(context, 200),
        Action::Pass(pass) => match proxied::forward(client, context, upstreams, pass, body).await? {
            Forwarded::Delivered(disposition) => return Ok(disposition),
            Forwarded::Collected(response) => *response,
        },
        Action::Page(status) => local::page(context, status),
        Action::Text { status, text } => {
            local::respond(context, context.route.status.unwrap_or(status), LocalContent::Text(text))?
        }
        Action::File(opened) => {
            local::respond(context, context.route.status.unwrap_or(200), LocalContent::File(opened))?
        }
        Action::Generated(generated) => {
            local::respond(context, context.route.status.unwrap_or(200), LocalContent::Generated(generated))?
        }
        Action::Authorize(auth) => {
            let (status, challenges) = subrequest::authorize(client, context, upstreams, auth).await;
            let kept = if status == 401 { challenges } else { Headers::new() };
            return Err(ResponseOverride { substitute: Substitute::Authorized(status), kept });
        }
        // `respond` has started the copies
        Action::Mirror(_) => local::page(context, 500),
        Action::Drop(status) => {
            context.outcome.status = status;
            return Ok(ConnectionDisposition::Abort);
        }
    };
    let plan = match &mut response.body {
        Body::Sliced(sliced) => sliced.plan(),
        _ => None,
    };
    let Some(plan) = plan else { return finish(client, context, upstreams, response, body).await };
    let mut inner = context.subrequest();
    inner.route.repeat(&context.route);
    let finishing = finish(client, context, upstreams, response, body);
    // boxed, so that requests without slices stay small
    Box::pin(slices::fetch_alongside(inner, upstreams, plan, finishing)).await
}

/// Puts a response together with other content, if there is some, and sends it.
async fn finish(
    client: &mut ClientIo<'_>,
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    response: Response,
    body: &mut RequestBody,
) -> Result<ConnectionDisposition, ResponseOverride> {
    let mut response = response;
    if let Some(assembly) = response.assembly.take() {
        // boxed, so that requests without it stay small
        let assembling = Box::pin(assembly::assemble(context, upstreams, &mut response, *assembly));
        if let Err(error) = assembling.await {
            context.log_error(Severity::Crit, &error.message(), None);
            return Err(ResponseOverride::page(500));
        }
    }
    Ok(send_local(client, context, response, body).await)
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
