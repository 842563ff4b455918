//! The peers that one request is sent to, one after the other: `proxy_next_upstream`.

use std::time::Instant;

use crate::clock;
use crate::config::logs::Severity;
use crate::config::proxy::retry::RetryPolicy;
use crate::context::{RequestBody, RequestContext};
use crate::eval::Attempt;
use crate::upstream::balancer::{PeerResult, PeerSearch};
use crate::upstream::error::{ForwardError, UpstreamErrorKind};
use crate::upstream::pool::{ConnectionParameters, UpstreamConnection, UpstreamPool};

/// The peers that were tried for a request, and those that may still be tried.
#[derive(Debug)]
pub(crate) struct Attempts {
    search: PeerSearch,
    /// The number of peers that may still be tried, including the current one.
    left: usize,
    /// When the request arrived.
    begun: Instant,
    /// When the current peer was first contacted.
    peer_since: Instant,
    /// The peer to try again on a new connection.
    same_peer: Option<usize>,
    is_idempotent: bool,
    /// The number of attempts before the request was redirected to this upstream.
    earlier: usize,
    /// Whether no byte of the request reached the current peer.
    pub(crate) is_unsent: bool,
}

impl Attempts {
    pub(crate) fn new(context: &RequestContext<'_>, pool: &UpstreamPool, begun: Instant) -> Attempts {
        let limit = match context.config().retry.tries {
            0 => usize::MAX,
            tries => tries,
        };
        let method = context.request.head.method();
        Attempts {
            search: PeerSearch::default(),
            left: pool.tries().min(limit),
            begun,
            peer_since: begun,
            same_peer: None,
            is_idempotent: matches!(method, b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS"),
            earlier: context.outcome.attempts.len(),
            is_unsent: true,
        }
    }

    /// Selects the next peer, with an idle connection to it if there is one.
    pub(crate) fn next_peer(
        &mut self,
        context: &mut RequestContext<'_>,
        pool: &UpstreamPool,
        parameters: ConnectionParameters<'_>,
    ) -> Result<(usize, Option<UpstreamConnection>), ForwardError> {
        self.is_unsent = true;
        if let Some(peer) = self.same_peer.take() {
            return Ok((peer, None));
        }
        let scope = context.scope();
        let selected = pool.select(&mut self.search, scope.client_ip(), &scope);
        self.peer_since = clock::now();
        let address = match selected {
            Some(peer) => pool.label(peer).clone(),
            None => pool.name().into(),
        };
        let status = if selected.is_some() { 0 } else { 502 };
        let attempts = &mut context.outcome.attempts;
        let is_redirected = self.earlier > 0 && attempts.len() == self.earlier;
        // usually there is one attempt
        attempts.reserve_exact(1);
        attempts.push(Attempt { status, is_redirected, ..Attempt::new(address, self.peer_since) });
        let Some(peer) = selected else {
            let upstream = url(context, pool.name());
            let message = "no live upstreams while connecting to upstream";
            context.log_error(Severity::Error, message, Some(upstream));
            return Err(ForwardError::Status(502));
        };
        Ok((peer, pool.take_idle(peer, parameters, !self.is_idempotent)))
    }

    /// The policy for statuses that are retried; none if no other peer may be tried.
    pub(crate) fn retry_statuses(&self, context: &RequestContext<'_>) -> Option<RetryPolicy> {
        let retry = context.config().retry;
        let may_repeat = self.is_idempotent || retry.non_idempotent;
        (self.left > 1 && may_repeat && self.is_in_time(&retry)).then_some(retry)
    }

    /// Whether the request may be sent again. One that a peer may have received must be idempotent
    /// (RFC 9110 §9.2.2), unless `non_idempotent` is set.
    pub(crate) fn may_repeat(&self, context: &RequestContext<'_>, body: &RequestBody) -> bool {
        let retry = &context.config().retry;
        (self.is_idempotent || self.is_unsent || retry.non_idempotent) && !body.is_spent()
    }

    /// Tries the same peer again: it closed an idle connection just when the request was sent, which is not a failure.
    pub(crate) fn retry_same_peer(&mut self, context: &mut RequestContext<'_>, peer: usize) {
        self.record_end(context, 0);
        self.same_peer = Some(peer);
    }

    /// Ends the attempt with a status, and reports to the balancer how the peer fared.
    pub(crate) fn end(
        &self,
        context: &mut RequestContext<'_>,
        pool: &UpstreamPool,
        peer: usize,
        status: u16,
        result: PeerResult,
    ) {
        self.record_end(context, status);
        if pool.release(peer, result) {
            log(context, pool, peer, Severity::Warn, "upstream server temporarily disabled");
        }
    }

    /// Ends a failed attempt.
    ///
    /// # Errors
    /// No other peer may be tried.
    pub(crate) fn fail(
        &mut self,
        context: &mut RequestContext<'_>,
        pool: &UpstreamPool,
        peer: usize,
        kind: UpstreamErrorKind,
        body: &RequestBody,
    ) -> Result<(), ForwardError> {
        let result = match kind {
            UpstreamErrorKind::Status(403 | 404) => PeerResult::PassedOver,
            UpstreamErrorKind::Unbound => PeerResult::Served,
            _ => PeerResult::Failed,
        };
        self.end(context, pool, peer, kind.status(), result);
        self.left -= 1;
        let retry = &context.config().retry;
        let is_retried = match kind {
            UpstreamErrorKind::Error { .. } => retry.on_error,
            UpstreamErrorKind::Timeout => retry.on_timeout,
            UpstreamErrorKind::InvalidHead => retry.on_invalid_header,
            UpstreamErrorKind::Status(status) => retry.on_status(status),
            UpstreamErrorKind::Final | UpstreamErrorKind::Unbound => false,
        };
        if is_retried && self.left > 0 && self.is_in_time(retry) && self.may_repeat(context, body) {
            return Ok(());
        }
        Err(ForwardError::Status(kind.status()))
    }

    fn record_end(&self, context: &mut RequestContext<'_>, status: u16) {
        if let Some(attempt) = context.outcome.attempts.last_mut() {
            attempt.status = status;
            attempt.took = Some(clock::since(self.peer_since));
        }
    }

    fn is_in_time(&self, retry: &RetryPolicy) -> bool {
        retry.timeout.is_zero() || clock::since(self.begun) < retry.timeout
    }
}

/// Writes to the error log, with the URL that the peer was sent.
pub(crate) fn log(context: &RequestContext<'_>, pool: &UpstreamPool, peer: usize, severity: Severity, message: &str) {
    if severity <= context.config().error_log.level {
        context.log_error(severity, message, Some(url(context, pool.label(peer))));
    }
}

fn url(context: &RequestContext<'_>, authority: &str) -> String {
    let request = context.request;
    let target = String::from_utf8_lossy(&request.target.origin_form(request.head)).into_owned();
    let colon = if authority.starts_with("unix:") { ":" } else { "" };
    let scheme = if context.route.upstream_tls().is_some() { "https" } else { "http" };
    format!("{scheme}://{authority}{colon}{target}")
}
