//! Sends a request to one peer of an upstream after the other, until one responds.

use std::future::Future;
use std::io::ErrorKind;
use std::ops::Deref;
use std::pin::Pin;

use lab_http::h1::framing::response_body;
use lab_http::{BodyLength, ResponseHead, Version};

use crate::clock;
use crate::config::logs::Severity;
use crate::config::proxy::pass::{Destination, ProxyPass};
use crate::config::proxy::retry::RetryPolicy;
use crate::config::upstream::Upstream;
use crate::context::{RequestBody, RequestBodyError, RequestContext, RequestSource};
use crate::eval::Scope;
use crate::response::{Body, Head, Response, StreamBody, StreamReader};
use crate::routing::route::PassTarget;
use crate::upstream::attempts::{self, Attempts};
use crate::upstream::balancer::PeerResult;
use crate::upstream::error::{ExchangeError, ForwardError, UpstreamErrorKind};
use crate::upstream::exchange::Exchange;
use crate::upstream::local_endpoint::LocalEndpoint;
use crate::upstream::pool::{ConnectError, ConnectionParameters, UpstreamConnection, UpstreamPool};
use crate::upstream::request_sender::RequestSender;
use crate::upstream::tls::TlsTarget;
use crate::upstream::upstreams::Upstreams;

/// One request, the upstream it goes to, and the exchange with the current peer.
///
/// A peer that fails gives way to the next as `proxy_next_upstream` says, and a reused connection that closes silently
/// gives way to a new one.
#[derive(Debug)]
pub(crate) struct Forwarding<'a> {
    pass: &'a ProxyPass,
    pool: PoolHandle<'a>,
    tls: Option<TlsTarget>,
    /// `proxy_bind`
    local: Option<LocalEndpoint>,
    /// How the request's head announces the body.
    length: BodyLength,
    attempts: Attempts,
    peer: usize,
    /// Whether the balancer counts a request of the peer that has not ended.
    is_peer_selected: bool,
    is_reused: bool,
    /// The policy for statuses that are retried on the next peer.
    retry_statuses: Option<RetryPolicy>,
    exchange: Option<Exchange>,
}

/// A pool of the configuration, or a temporary one for a URL with variables.
#[derive(Debug)]
enum PoolHandle<'a> {
    Configured(&'a UpstreamPool),
    Temporary(Box<UpstreamPool>),
}

/// A head from an upstream.
#[derive(Debug)]
pub(crate) enum Received {
    /// A 1xx response for a client of at least HTTP/1.1; more follows.
    Interim(Head),
    /// A requested 101: what follows is not HTTP.
    Switching(Head),
    Final(Response),
}

impl Deref for PoolHandle<'_> {
    type Target = UpstreamPool;

    fn deref(&self) -> &UpstreamPool {
        match self {
            PoolHandle::Configured(pool) => pool,
            PoolHandle::Temporary(pool) => pool,
        }
    }
}

impl<'a> Forwarding<'a> {
    /// Finds the upstream. No peer is contacted yet.
    pub(crate) async fn new(
        context: &RequestContext<'_>,
        upstreams: &'a Upstreams,
        pass: &'a ProxyPass,
        length: BodyLength,
    ) -> Result<Forwarding<'a>, ForwardError> {
        let begun = clock::now();
        let target = context.route.resolved_pass.as_ref().map(|proxied| &proxied.target);
        let pool = match (&pass.destination, target) {
            (Destination::Upstream(index), _) | (Destination::Url(_), Some(PassTarget::Upstream(index))) => {
                PoolHandle::Configured(upstreams.pool(*index))
            }
            (Destination::Url(_), Some(target)) => {
                let upstream = make_upstream(context, upstreams, target).await?;
                PoolHandle::Temporary(Box::new(UpstreamPool::new(&upstream)))
            }
            // OK because routing ends in a pass only when the URL has a target
            (Destination::Url(_), None) => unreachable!("a URL with variables that has no target"),
        };
        Ok(Forwarding {
            tls: context.route.upstream_tls().map(|tls| TlsTarget::new(context, tls)).transpose()?,
            attempts: Attempts::new(context, &pool, begun),
            local: LocalEndpoint::evaluate(context, pass),
            pass,
            pool,
            length,
            peer: 0,
            is_peer_selected: false,
            is_reused: false,
            retry_statuses: None,
            exchange: None,
        })
    }

    /// Sends the request, and receives the next response head. Call it again after an interim response.
    pub(crate) async fn receive(
        &mut self,
        context: &mut RequestContext<'_>,
        source: &mut RequestSource<'_, '_>,
    ) -> Result<Received, ForwardError> {
        loop {
            let error = match self.exchange {
                Some(_) => None,
                None => self.connect(context).await?.err(),
            };
            let error = match error {
                Some(error) => error,
                None => match self.receive_from_peer(context, source).await {
                    Ok(received) => return Ok(received),
                    Err(error) => error,
                },
            };
            self.end_failed_attempt(context, error, source.body)?;
        }
    }

    /// Selects a peer and starts an exchange with it. The inner error is the peer's.
    async fn connect(&mut self, context: &mut RequestContext<'_>) -> Result<Result<(), ExchangeError>, ForwardError> {
        let parameters = ConnectionParameters { tls: self.tls.as_ref(), local: self.local };
        let (peer, idle) = self.attempts.next_peer(context, &self.pool, parameters)?;
        self.peer = peer;
        self.is_peer_selected = true;
        self.is_reused = idle.is_some();
        let connection = match idle {
            Some(connection) => connection,
            None => match self.open(peer).await {
                Ok(connection) => connection,
                Err(error) => return Ok(Err(error)),
            },
        };
        self.exchange = Some(Exchange::new(connection, context, self.pass, self.length));
        if let Some(attempt) = context.outcome.attempts.last_mut() {
            attempt.connected = Some(clock::since(attempt.begun));
        }
        self.retry_statuses = self.attempts.retry_statuses(context);
        Ok(Ok(()))
    }

    async fn open(&self, peer: usize) -> Result<UpstreamConnection, ExchangeError> {
        let parameters = ConnectionParameters { tls: self.tls.as_ref(), local: self.local };
        self.pool.connect(peer, parameters, self.pass.connect_timeout).await.map_err(|error| {
            let failure = UpstreamErrorKind::Error { is_silent: true };
            match error {
                ConnectError::TimedOut { in_handshake } => {
                    let action = if in_handshake { "SSL handshaking" } else { "connecting" };
                    let message = format!("upstream timed out while {action} to upstream");
                    ExchangeError::upstream(UpstreamErrorKind::Timeout, message)
                }
                ConnectError::Connect(error) => match (error.kind(), self.local) {
                    (ErrorKind::TimedOut, _) => {
                        let message = "upstream timed out while connecting to upstream";
                        ExchangeError::upstream(UpstreamErrorKind::Timeout, message)
                    }
                    (ErrorKind::AddrNotAvailable | ErrorKind::InvalidInput, Some(local)) => {
                        let message = format!("bind({local}) failed ({error}) while connecting to upstream");
                        ExchangeError::upstream(UpstreamErrorKind::Unbound, message)
                    }
                    _ => {
                        let message = format!("connect() failed ({error}) while connecting to upstream");
                        ExchangeError::upstream(failure, message)
                    }
                },
                ConnectError::Handshake(error) => {
                    let message = self.tls.as_ref().map(|tls| tls.describe_failure(&error));
                    ExchangeError::upstream(failure, message.unwrap_or_default())
                }
            }
        })
    }

    async fn receive_from_peer(
        &mut self,
        context: &mut RequestContext<'_>,
        source: &mut RequestSource<'_, '_>,
    ) -> Result<Received, ExchangeError> {
        let pass = self.pass;
        // OK because `receive` has just connected
        let exchange = self.exchange.as_mut().expect("an exchange");
        let head = loop {
            let head = exchange.receive_head(pass, source).await?;
            if head.status == 101 && !may_switch(context, pass) {
                let message = "upstream switched protocols without being asked to";
                return Err(ExchangeError::upstream(UpstreamErrorKind::Final, message));
            }
            if !head.is_interim() {
                break head;
            }
            // HTTP/1.0 has no interim responses
            if context.request.head.version != Version::Http10 {
                exchange.has_interim = true;
                return Ok(Received::Interim(Head::received(head)));
            }
        };
        if let Some(attempt) = context.outcome.attempts.last_mut() {
            attempt.head_took = Some(clock::since(attempt.begun));
            attempt.status = head.status;
        }
        if head.status == 101 {
            return Ok(Received::Switching(Head::received(head)));
        }
        accept(exchange, pass, self.retry_statuses, head)
    }

    /// Ends the attempt, and decides whether there is another.
    fn end_failed_attempt(
        &mut self,
        context: &mut RequestContext<'_>,
        error: ExchangeError,
        body: &RequestBody,
    ) -> Result<(), ForwardError> {
        self.record_transfer(context, None);
        let has_interim = self.exchange.take().is_some_and(|exchange| exchange.has_interim);
        match error {
            ExchangeError::Upstream { kind: UpstreamErrorKind::Error { is_silent: true }, .. }
                if self.is_reused && self.attempts.may_repeat(context, body) =>
            {
                self.attempts.retry_same_peer(context, self.peer);
                Ok(())
            }
            ExchangeError::Upstream { kind, message } => {
                self.log(context, Severity::Error, &message);
                self.is_peer_selected = false;
                self.attempts.fail(context, &self.pool, self.peer, kind, body)
            }
            ExchangeError::RequestBody(error) => {
                self.is_peer_selected = false;
                let status = if has_interim { last_status(context) } else { error.status().unwrap_or(499) };
                self.attempts.end(context, &self.pool, self.peer, status, PeerResult::Served);
                self.log(context, Severity::Info, &error.to_string());
                Err(if has_interim { ForwardError::Aborted } else { ForwardError::request_body(&error) })
            }
        }
    }

    /// Whether the peer got the whole request.
    pub(crate) fn is_request_sent(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.sender.is_complete())
    }

    /// Awaits `future` while the rest of the request is sent and the client is watched. It is pinned by the caller, because
    /// every function that takes a large future by value copies it.
    pub(crate) async fn alongside<T>(
        &mut self,
        source: &mut RequestSource<'_, '_>,
        future: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, RequestBodyError> {
        match &mut self.exchange {
            Some(exchange) => exchange.sender.alongside(source, future).await,
            None => Ok(future.await),
        }
    }

    /// Both sides of the connection, after the protocol was switched.
    pub(crate) fn sides(&mut self) -> Option<(&mut StreamReader, &mut RequestSender)> {
        self.exchange.as_mut()?.sides()
    }

    /// Ends the exchange after its response was used. The connection goes back to the pool if it can be used again.
    pub(crate) fn finish(&mut self, context: &mut RequestContext<'_>, body: Body) {
        self.record_transfer(context, Some(&body));
        self.is_peer_selected = false;
        self.attempts.end(context, &self.pool, self.peer, last_status(context), PeerResult::Served);
        if let (Some(exchange), Body::Stream(stream)) = (self.exchange.take(), body)
            && let Some(connection) = exchange.into_reusable(stream)
        {
            self.pool.put_idle(connection);
        }
    }

    /// Ends the exchange in the middle of its response, which is not a failure of the peer.
    pub(crate) fn abort(
        &mut self,
        context: &mut RequestContext<'_>,
        body: Option<&Body>,
        severity: Severity,
        message: &str,
    ) {
        self.record_transfer(context, body);
        self.exchange = None;
        self.is_peer_selected = false;
        self.attempts.end(context, &self.pool, self.peer, last_status(context), PeerResult::Served);
        self.log(context, severity, message);
    }

    /// Ends the exchange as a failure of the peer: its response broke off before the client received a byte.
    pub(crate) fn fail(
        &mut self,
        context: &mut RequestContext<'_>,
        body: &Body,
        message: &str,
        request_body: &RequestBody,
    ) -> ForwardError {
        self.record_transfer(context, Some(body));
        self.exchange = None;
        self.log(context, Severity::Error, message);
        let kind = UpstreamErrorKind::Final;
        self.is_peer_selected = false;
        let failed = self.attempts.fail(context, &self.pool, self.peer, kind, request_body);
        failed.err().unwrap_or(ForwardError::Status(kind.status()))
    }

    /// Writes to the error log, with the URL that the peer was sent.
    pub(crate) fn log(&self, context: &RequestContext<'_>, severity: Severity, message: &str) {
        attempts::log(context, &self.pool, self.peer, severity, message);
    }

    fn record_transfer(&mut self, context: &mut RequestContext<'_>, body: Option<&Body>) {
        let stream = match body {
            Some(Body::Stream(stream)) => Some(stream),
            _ => None,
        };
        if let (Some(exchange), Some(attempt)) = (&mut self.exchange, context.outcome.attempts.last_mut()) {
            attempt.bytes_sent = exchange.sent();
            attempt.bytes_received = exchange.received(stream);
            attempt.content = stream.map_or(0, StreamBody::content);
            self.attempts.is_unsent = attempt.bytes_sent == 0;
        }
    }
}

impl Drop for Forwarding<'_> {
    fn drop(&mut self) {
        if self.is_peer_selected {
            // a panic has ended the request, and must not count towards `max_conns` forever
            self.pool.release(self.peer, PeerResult::Served);
        }
    }
}

/// Accepts a final head as the response, unless its framing is invalid or its status is retried on the next peer.
fn accept(
    exchange: &mut Exchange,
    pass: &ProxyPass,
    retry_statuses: Option<RetryPolicy>,
    head: ResponseHead,
) -> Result<Received, ExchangeError> {
    let method: &[u8] = if exchange.is_head { b"HEAD" } else { b"GET" };
    let length = response_body(method, &head).map_err(ExchangeError::invalid)?;
    if retry_statuses.is_some_and(|retry| retry.on_status(head.status)) {
        let message = format!("upstream answered {}", head.status);
        return Err(ExchangeError::upstream(UpstreamErrorKind::Status(head.status), message));
    }
    let body = exchange.body(length, pass).map_or(Body::Empty, Body::Stream);
    Ok(Received::Final(Response::new(Head::received(head), body)))
}

/// Whether both the client and the configuration asked the upstream for another protocol (RFC 9110 §7.8).
fn may_switch(context: &RequestContext<'_>, pass: &ProxyPass) -> bool {
    let head = &context.request.head;
    head.version == Version::Http11
        && head.headers.contains("upgrade")
        && head.headers.list_contains("connection", "upgrade")
        && sends_upgrade(pass, &context.scope())
}

/// Whether `proxy_set_header` asks the upstream for another protocol.
fn sends_upgrade(pass: &ProxyPass, scope: &Scope<'_>) -> bool {
    let mut lines = pass.fields.lines.iter();
    lines.any(|(name, value)| name.eq_ignore_ascii_case("upgrade") && !value.value(scope).is_empty())
}

fn last_status(context: &RequestContext<'_>) -> u16 {
    context.outcome.attempts.last().map_or(0, |attempt| attempt.status)
}

/// The upstream of a URL with variables. A name is looked up while the request waits.
async fn make_upstream(
    context: &RequestContext<'_>,
    upstreams: &Upstreams,
    target: &PassTarget,
) -> Result<Upstream, ForwardError> {
    let (host, port) = match target {
        PassTarget::Name(host, port) => (host.as_str(), *port),
        PassTarget::Address(address) => return Ok(Upstream::from_addresses(&address.to_string(), [*address])),
        PassTarget::Upstream(index) => return Ok(context.worker.config.upstreams[*index].clone()),
    };
    let message = match context.config().resolver {
        Some(resolver) => match upstreams.resolver.find(host, port, resolver).await {
            Ok(addresses) => return Ok(Upstream::from_addresses(&format!("{host}:{port}"), addresses)),
            Err(reason) => format!("{host} could not be resolved ({reason})"),
        },
        None => format!("no resolver defined to resolve {host}"),
    };
    context.log_error(Severity::Error, &message, None);
    Err(ForwardError::Status(502))
}
