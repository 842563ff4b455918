//! Passing a request on, from its body's first byte to its answer's last.

use lab_http::{BodyLength, Version, write};

use crate::config::logs::Severity;
use crate::config::proxy::pass::{Destination, ProxyPass};
use crate::config::upstream::Upstream;
use crate::downstream::client::{Client, Next, Subject};
use crate::downstream::upload::{BodyTrouble, Upload};
use crate::response::accel::Instead;
use crate::response::answer::gone;
use crate::routing::request::Request;
use crate::routing::route::{PassTarget, RequestBody};
use crate::runtime::clock;
use crate::upstream::attempts::Attempts;
use crate::upstream::balancer::Verdict;
use crate::upstream::exchange::{Done, Failing, Side, Trouble, exchange};
use crate::upstream::group::{Connection, Group};
use crate::upstream::request_head;

/// A request that was not answered, and of whose answer nothing was sent.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client is to be told.
    Answer { status: u16 },
    /// The client is to be told that its body is not accepted, of which there may be more to come.
    Body { status: u16 },
    /// There was an answer, and the client gets something else.
    Instead(Instead),
    /// There is nobody left to tell.
    ClientGone,
}

/// Passes a request on and its answer back.
///
/// A server that fails gives way to the next as `proxy_next_upstream` says, and a connection that had carried requests
/// before and broke without a word gives way to a new one. A request that may have been seen is only sent again if it is
/// idempotent (RFC 9110 §9.2.2), unless `non_idempotent` says so.
pub(crate) async fn forward(
    client: &mut Client<'_>,
    subject: &Subject<'_>,
    request: &Request<'_>,
    pass: &ProxyPass,
    upload: &mut Upload,
) -> Result<Next, Failure> {
    let begun = clock::now();
    let made;
    let group = match destination(subject, pass) {
        Destined::Upstream(index) => subject.worker.upstream(index),
        Destined::Made(target) => {
            made = Group::new(&make_upstream(client, subject, target).await?);
            &made
        }
    };
    let mut nothing = Upload::new(BodyLength::None);
    let upload = if subject.route.body == RequestBody::Refused { &mut nothing } else { upload };
    if upload.is_spent() {
        // it went to another upstream, which had no answer
        return Err(Failure::Answer { status: 502 });
    }
    let length = collect(client, subject, request, pass, upload).await?;
    let mut attempts = Attempts::new(subject, request, group, begun, client.outcome.attempts.len());
    loop {
        let (server, idle) = attempts.next(client)?;
        let is_reused = idle.is_some();
        let trouble = match connect(group, server, pass, idle).await {
            Err(trouble) => trouble,
            Ok(mut connection) => {
                let scope = subject.scope(&client.outcome);
                request_head::write(request, pass, &scope, length, connection.outgoing.buffer());
                let sent_before = connection.outgoing.io_mut().bytes;
                let received_before = connection.incoming.received();
                attempts.connected(client);
                let others = attempts.others();
                let others = others.as_ref();
                let ended = exchange(client, subject, request, pass, upload, length, &mut connection, others).await;
                let sent = connection.outgoing.io_mut().bytes - sent_before;
                attempts.is_unsent = sent == 0;
                attempts.transferred(client, sent, connection.incoming.received() - received_before);
                match ended {
                    Ok(done) => {
                        attempts.ended(client, server, attempts.status(client), Verdict::Served);
                        if done.reusable {
                            group.keep(connection);
                        }
                        return Ok(finish(client, subject, done, &attempts, server).await);
                    }
                    Err(trouble) => {
                        if matches!(trouble, Trouble::Instead { reusable: true, .. }) {
                            group.keep(connection);
                        }
                        trouble
                    }
                }
            }
        };
        match trouble {
            Trouble::Upstream { failing: Failing::Error { unheard: true }, .. }
                if is_reused && attempts.may_repeat(upload) =>
            {
                attempts.again_on_a_new_connection(client, server);
            }
            Trouble::Upstream { failing, message } => {
                attempts.log(client, Severity::Error, &message, server);
                attempts.failed(client, server, failing, upload)?;
            }
            Trouble::Instead { instead, status, .. } => {
                attempts.ended(client, server, status, Verdict::Served);
                return Err(Failure::Instead(instead));
            }
            Trouble::Client { status, message } => {
                attempts.ended(client, server, status.unwrap_or(499), Verdict::Served);
                attempts.log(client, Severity::Info, &message, server);
                return Err(failure_of_client(status));
            }
            Trouble::Halfway { next, whose, message } => {
                // as nginx: clients come and go, an upstream should not
                let severity = if whose == Side::Client { Severity::Info } else { Severity::Error };
                attempts.ended(client, server, attempts.status(client), Verdict::Served);
                attempts.log(client, severity, &message, server);
                return Ok(next);
            }
        }
    }
}

/// Whom a request goes to: an upstream of the configuration, or one that is made for it.
enum Destined<'a> {
    Upstream(usize),
    Made(&'a PassTarget),
}

fn destination<'a>(subject: &Subject<'a>, pass: &ProxyPass) -> Destined<'a> {
    match (&pass.destination, subject.route.resolved_pass.as_ref().map(|proxied| &proxied.target)) {
        (Destination::Upstream(index), _) | (Destination::Url(_), Some(PassTarget::Upstream(index))) => {
            Destined::Upstream(*index)
        }
        (Destination::Url(_), Some(target)) => Destined::Made(target),
        // OK because the phases end with this action only when they have found out
        (Destination::Url(_), None) => unreachable!("a URL with variables that came to nothing"),
    }
}

/// The upstream that the URL of a request came to. A name is looked up while the request waits.
async fn make_upstream(client: &Client<'_>, subject: &Subject<'_>, target: &PassTarget) -> Result<Upstream, Failure> {
    let (host, port) = match target {
        PassTarget::Name(host, port) => (host.as_str(), *port),
        PassTarget::Address(address) => return Ok(Upstream::from_addresses(&address.to_string(), [*address])),
        PassTarget::Upstream(index) => return Ok(subject.worker.settings.upstreams[*index].clone()),
    };
    let message = match subject.rules.resolver {
        Some(rules) => match subject.worker.names.find(host, port, rules).await {
            Ok(addresses) => return Ok(Upstream::from_addresses(&format!("{host}:{port}"), addresses)),
            Err(why) => format!("{host} could not be resolved ({why})"),
        },
        None => format!("no resolver defined to resolve {host}"),
    };
    subject.log_error(&client.outcome, Severity::Error, &message, None);
    Err(Failure::Answer { status: 502 })
}

/// Gives the client what it has not taken yet. The upstream is done by then, and may serve others.
async fn finish(
    client: &mut Client<'_>,
    subject: &Subject<'_>,
    mut done: Done,
    attempts: &Attempts<'_>,
    server: usize,
) -> Next {
    let limit = subject.rules.send_timeout;
    let next = loop {
        let flushed = client.write_timer.within(limit, client.outgoing.flush()).await;
        if let Err(Trouble::Halfway { next, message, .. }) = gone(flushed) {
            attempts.log(client, Severity::Info, &message, server);
            break next;
        }
        match done.waiting.load(&mut client.outgoing) {
            Ok(true) => {}
            Ok(false) => break done.next,
            Err(error) => {
                attempts.log(client, Severity::Crit, &format!("a file for the answer failed ({error})"), server);
                break Next::Reset;
            }
        }
    };
    client.count_body(done.before);
    next
}

/// Reads what has to be known of a body before an upstream is asked; returns how it is announced to the upstream.
async fn collect(
    client: &mut Client<'_>,
    subject: &Subject<'_>,
    request: &Request<'_>,
    pass: &ProxyPass,
    upload: &mut Upload,
) -> Result<BodyLength, Failure> {
    if subject.route.body == RequestBody::Refused {
        return Ok(BodyLength::Sized(0));
    }
    let limit = subject.rules.client_max_body_size;
    if let BodyLength::Sized(length) = request.body
        && limit.is_some_and(|limit| length > limit)
    {
        let message = format!("client intended to send too large body: {length} bytes");
        subject.log_error(&client.outcome, Severity::Error, &message, None);
        return Err(Failure::Body { status: 413 });
    }
    if request.body.is_empty() {
        return Ok(request.body);
    }
    // HTTP/1.0 has no chunks: a body without a length has to be there before it is announced
    let has_to_be_known = pass.version == Version::Http10 && request.body == BodyLength::Chunked;
    let may_ask = request.expects_continue && pass.version == Version::Http11;
    if may_ask || !(subject.rules.buffering.requests || has_to_be_known) {
        // the upstream is asked whether it wants the body (RFC 9110 §10.1.1), or gets it as it comes
        return Ok(request.body);
    }
    if request.expects_continue {
        client.outgoing.buffer().extend_from_slice(write::CONTINUE);
        let flushed = client.write_timer.within(subject.rules.send_timeout, client.outgoing.flush()).await;
        if !matches!(flushed, Ok(Ok(()))) {
            return Err(Failure::ClientGone);
        }
    }
    while !upload.is_complete() {
        let collecting = upload.collect(&mut client.incoming, limit, &subject.rules.buffering);
        let collected = client.read_timer.within(subject.rules.client_body_timeout, collecting).await;
        if let Err(trouble) = collected.unwrap_or(Err(BodyTrouble::TimedOut)) {
            let severity = match trouble {
                BodyTrouble::File(_) => Severity::Crit,
                BodyTrouble::TooLarge => Severity::Error,
                _ => Severity::Info,
            };
            subject.log_error(&client.outcome, severity, &trouble.to_string(), None);
            return Err(failure_of_client(trouble.status()));
        }
    }
    Ok(BodyLength::Sized(upload.collected()))
}

async fn connect(
    group: &Group,
    server: usize,
    pass: &ProxyPass,
    idle: Option<Connection>,
) -> Result<Connection, Trouble> {
    let mut connection = match idle {
        Some(connection) => connection,
        None => group.connect(server, pass.connect_timeout).await.map_err(|error| {
            let (failing, message) = match error.kind() {
                std::io::ErrorKind::TimedOut => {
                    (Failing::Timeout, "upstream timed out while connecting to upstream".to_owned())
                }
                _ => {
                    let message = format!("connect() failed ({error}) while connecting to upstream");
                    (Failing::Error { unheard: true }, message)
                }
            };
            Trouble::Upstream { failing, message }
        })?,
    };
    connection.requests += 1;
    Ok(connection)
}

fn failure_of_client(status: Option<u16>) -> Failure {
    status.map_or(Failure::ClientGone, |status| Failure::Body { status })
}
