//! Passing a request on: which server is asked, and what happens when it does not answer.

use std::time::Instant;

use lab_http::{BodyLength, Version, write};

use super::client::{Client, Next, Subject};
use super::exchange::{Side, Trouble, exchange};
use super::request::Request;
use super::request_head;
use super::settings::logs::Severity;
use super::settings::pass::Pass;
use super::upload::{BodyTrouble, Upload};
use super::upstream::{Connection, Group};
use super::variables::Attempt;

/// A request that was not answered, and of whose answer nothing was sent.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client is to be told.
    Answer {
        status: u16,
        /// Whether the connection stands where the next request begins.
        body_was_read: bool,
    },
    /// There is nobody left to tell.
    ClientGone,
}

/// Passes a request on and its answer back.
///
/// A server that cannot be reached, or that closes the connection before anything of an answer arrived, is passed over
/// for the next one (nginx's `proxy_next_upstream error timeout`), and a connection that had carried requests before
/// for a new one. A request that may have been seen is only sent again if it is idempotent (RFC 9110 §9.2.2).
pub(super) async fn forward(
    client: &mut Client<'_>,
    subject: &Subject<'_>,
    request: &Request<'_>,
    pass: &Pass,
) -> Result<Next, Failure> {
    let group = subject.worker.upstream(pass.upstream);
    let mut upload = Upload::new(request.body);
    let length = collect(client, subject, request, pass, &mut upload).await?;
    let is_idempotent = matches!(request.head.method(), b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS");
    let mut tried: Vec<usize> = Vec::new();
    let mut may_reuse = true;
    loop {
        let Some(server) = group.choose(&tried) else {
            subject.log_error(&client.outcome, Severity::Error, "no live upstreams while connecting to upstream", None);
            return Err(Failure::Answer { status: 502, body_was_read: upload.is_complete() });
        };
        let begun = Instant::now();
        client.outcome.attempts.push(Attempt { address: group.address(server), status: 0, took: begun.elapsed() });
        let idle = if may_reuse { group.take_idle(server, !is_idempotent) } else { None };
        let is_reused = idle.is_some();
        let trouble = match connect(group, server, pass, idle).await {
            Err(trouble) => trouble,
            Ok(mut connection) => {
                let scope = subject.scope(&client.outcome);
                request_head::write(request, pass, &scope, length, connection.outgoing.buffer());
                let sent_before = connection.outgoing.io_mut().bytes;
                let ended = exchange(client, subject, request, pass, &mut upload, length, &mut connection).await;
                let is_unsent = connection.outgoing.io_mut().bytes == sent_before;
                match ended {
                    Ok(done) => {
                        note_attempt(client, client.outcome.status, begun);
                        group.succeeded(server);
                        if done.reusable {
                            group.keep(connection);
                        }
                        return Ok(done.next);
                    }
                    Err(Trouble::Upstream { status, message, unheard }) => {
                        let unheard = unheard && (is_idempotent || is_unsent) && !upload.is_spent();
                        Trouble::Upstream { status, message, unheard }
                    }
                    Err(trouble) => trouble,
                }
            }
        };
        match trouble {
            Trouble::Upstream { unheard: true, .. } if is_reused => {
                client.outcome.attempts.pop();
                may_reuse = false;
            }
            Trouble::Upstream { status, message, unheard } => {
                note_attempt(client, status, begun);
                log_upstream(subject, client, Severity::Error, &message, request, group, server);
                group.failed(server);
                tried.push(server);
                if !unheard || tried.len() == group.servers() {
                    return Err(Failure::Answer { status, body_was_read: upload.is_complete() });
                }
            }
            Trouble::Client { status, message } => {
                note_attempt(client, status.unwrap_or(499), begun);
                log_upstream(subject, client, Severity::Info, &message, request, group, server);
                return Err(failure_of_client(status));
            }
            Trouble::Halfway { next, whose, message } => {
                note_attempt(client, client.outcome.status, begun);
                // as nginx: clients come and go, an upstream should not
                let severity = if whose == Side::Client { Severity::Info } else { Severity::Error };
                log_upstream(subject, client, severity, &message, request, group, server);
                return Ok(next);
            }
        }
    }
}

/// Reads what has to be known of a body before an upstream is asked; returns how it is announced to the upstream.
async fn collect(
    client: &mut Client<'_>,
    subject: &Subject<'_>,
    request: &Request<'_>,
    pass: &Pass,
    upload: &mut Upload,
) -> Result<BodyLength, Failure> {
    let limit = subject.rules.client_max_body_size;
    if let BodyLength::Sized(length) = request.body
        && limit.is_some_and(|limit| length > limit)
    {
        let message = format!("client intended to send too large body: {length} bytes");
        subject.log_error(&client.outcome, Severity::Error, &message, None);
        return Err(Failure::Answer { status: 413, body_was_read: false });
    }
    if request.body.is_empty() {
        return Ok(request.body);
    }
    let has_to_be_known = pass.version == Version::Http10;
    if request.expects_continue && !has_to_be_known {
        // the upstream is asked whether it wants the body (RFC 9110 §10.1.1)
        return Ok(request.body);
    }
    if request.expects_continue {
        client.outgoing.buffer().extend_from_slice(write::CONTINUE);
        let flushed = client.write_timer.within(subject.rules.send_timeout, client.outgoing.flush()).await;
        if !matches!(flushed, Ok(Ok(()))) {
            return Err(Failure::ClientGone);
        }
    }
    let collecting = upload.collect(&mut client.incoming, limit, has_to_be_known);
    let collected = client.read_timer.within(subject.rules.client_body_timeout, collecting).await;
    if let Err(trouble) = collected.unwrap_or(Err(BodyTrouble::TimedOut)) {
        subject.log_error(&client.outcome, Severity::Info, &trouble.to_string(), None);
        return Err(failure_of_client(trouble.status()));
    }
    Ok(if upload.is_complete() { BodyLength::Sized(upload.collected().len() as u64) } else { request.body })
}

async fn connect(group: &Group, server: usize, pass: &Pass, idle: Option<Connection>) -> Result<Connection, Trouble> {
    let mut connection = match idle {
        Some(connection) => connection,
        None => group.connect(server, pass.connect_timeout).await.map_err(|error| {
            let timed_out = error.kind() == std::io::ErrorKind::TimedOut;
            let (status, message) = match timed_out {
                true => (504, "upstream timed out while connecting to upstream".to_owned()),
                false => (502, format!("connect() failed ({error}) while connecting to upstream")),
            };
            Trouble::Upstream { status, message, unheard: true }
        })?,
    };
    connection.requests += 1;
    Ok(connection)
}

fn failure_of_client(status: Option<u16>) -> Failure {
    status.map_or(Failure::ClientGone, |status| Failure::Answer { status, body_was_read: false })
}

fn note_attempt(client: &mut Client<'_>, status: u16, begun: Instant) {
    if let Some(attempt) = client.outcome.attempts.last_mut() {
        attempt.status = status;
        attempt.took = begun.elapsed();
    }
}

fn log_upstream(
    subject: &Subject<'_>,
    client: &Client<'_>,
    severity: Severity,
    message: &str,
    request: &Request<'_>,
    group: &Group,
    server: usize,
) {
    if severity > subject.rules.error_log.level {
        return;
    }
    let target = String::from_utf8_lossy(&request.target.origin_form(request.head)).into_owned();
    let upstream = format!("http://{}{target}", group.address(server));
    subject.log_error(&client.outcome, severity, message, Some(upstream));
}
