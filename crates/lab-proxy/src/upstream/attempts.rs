//! The servers that one request is sent to, one after the other: `proxy_next_upstream`.

use std::time::Instant;

use crate::config::logs::Severity;
use crate::config::proxy::retry::RetryPolicy;
use crate::downstream::client::{Client, Subject};
use crate::downstream::upload::Upload;
use crate::eval::Attempt;
use crate::routing::request::Request;
use crate::runtime::clock;
use crate::upstream::balancer::{Search, Verdict};
use crate::upstream::exchange::Failing;
use crate::upstream::forward::Failure;
use crate::upstream::group::{Connection, Group};

/// What was tried for a request, and what may be tried yet.
pub(crate) struct Attempts<'a> {
    subject: &'a Subject<'a>,
    request: &'a Request<'a>,
    group: &'a Group,
    search: Search,
    /// How many servers may still be asked, the present one included.
    left: usize,
    /// When the request came.
    begun: Instant,
    /// When the present server was asked first.
    asked: Instant,
    /// The server to ask again, on a new connection.
    again: Option<usize>,
    is_idempotent: bool,
    /// How many servers were asked before the request was redirected to this upstream.
    earlier: usize,
    /// Whether the present server has got nothing of the request.
    pub(crate) is_unsent: bool,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(
        subject: &'a Subject<'a>,
        request: &'a Request<'a>,
        group: &'a Group,
        begun: Instant,
        earlier: usize,
    ) -> Attempts<'a> {
        let bound = match subject.rules.retry.tries {
            0 => usize::MAX,
            tries => tries,
        };
        Attempts {
            subject,
            request,
            group,
            search: Search::default(),
            left: group.tries().min(bound),
            begun,
            asked: begun,
            again: None,
            is_idempotent: matches!(request.head.method(), b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS"),
            earlier,
            is_unsent: true,
        }
    }

    /// The server to ask, and an idle connection to it if there is one.
    pub(crate) fn next(&mut self, client: &mut Client<'_>) -> Result<(usize, Option<Connection>), Failure> {
        self.is_unsent = true;
        if let Some(server) = self.again.take() {
            return Ok((server, None));
        }
        let scope = self.subject.scope(&client.outcome);
        let address = scope.client_ip();
        let chosen = self.group.choose(&mut self.search, address, &scope);
        self.asked = clock::now();
        let address = match chosen {
            Some(server) => self.group.label(server).clone(),
            None => self.group.name().into(),
        };
        let status = if chosen.is_some() { 0 } else { 502 };
        let attempts = &mut client.outcome.attempts;
        let is_redirected = self.earlier > 0 && attempts.len() == self.earlier;
        // seldom is there a second
        attempts.reserve_exact(1);
        attempts.push(Attempt { status, is_redirected, ..Attempt::new(address, self.asked) });
        let Some(server) = chosen else {
            let message = "no live upstreams while connecting to upstream";
            let upstream = self.url(self.group.name());
            self.subject.log_error(&client.outcome, Severity::Error, message, Some(upstream));
            return Err(Failure::Answer { status: 502 });
        };
        Ok((server, self.group.take_idle(server, !self.is_idempotent)))
    }

    /// What counts as a failure of the present server, if another may be asked then.
    pub(crate) fn others(&self) -> Option<RetryPolicy> {
        let retry = self.subject.rules.retry;
        let may_repeat = self.is_idempotent || retry.non_idempotent;
        (self.left > 1 && may_repeat && self.is_in_time()).then_some(retry)
    }

    /// Whether the request may be sent again, as far as the request is concerned.
    pub(crate) fn may_repeat(&self, upload: &Upload) -> bool {
        let retry = &self.subject.rules.retry;
        (self.is_idempotent || self.is_unsent || retry.non_idempotent) && !upload.is_spent()
    }

    /// The connection was one that had served before, and was closed without a word: that says nothing of the server.
    pub(crate) fn again_on_a_new_connection(&mut self, client: &mut Client<'_>, server: usize) {
        self.note(client, 0);
        self.again = Some(server);
    }

    /// There is a connection to the present server.
    pub(crate) fn connected(&self, client: &mut Client<'_>) {
        if let Some(attempt) = client.outcome.attempts.last_mut() {
            attempt.connected = Some(clock::since(attempt.begun));
        }
    }

    /// So many bytes went to the present server, and so many came from it.
    pub(crate) fn transferred(&self, client: &mut Client<'_>, sent: u64, received: u64) {
        if let Some(attempt) = client.outcome.attempts.last_mut() {
            attempt.bytes_sent = sent;
            attempt.bytes_received = received;
        }
    }

    /// What the present server answered.
    pub(crate) fn status(&self, client: &Client<'_>) -> u16 {
        client.outcome.attempts.last().map_or(0, |attempt| attempt.status)
    }

    /// The present server answered, or the client failed.
    pub(crate) fn ended(&mut self, client: &mut Client<'_>, server: usize, status: u16, verdict: Verdict) {
        self.note(client, status);
        if self.group.release(server, verdict) {
            self.log(client, Severity::Warn, "upstream server temporarily disabled", server);
        }
    }

    /// The present server failed: the next is asked, or the client is told.
    pub(crate) fn failed(
        &mut self,
        client: &mut Client<'_>,
        server: usize,
        failing: Failing,
        upload: &Upload,
    ) -> Result<(), Failure> {
        let verdict = match failing {
            Failing::Status(403 | 404) => Verdict::PassedOver,
            _ => Verdict::Failed,
        };
        self.ended(client, server, failing.status(), verdict);
        self.left -= 1;
        let retry = &self.subject.rules.retry;
        let is_meant = match failing {
            Failing::Error { .. } => retry.on_error,
            Failing::Timeout => retry.on_timeout,
            Failing::Invalid => retry.on_invalid_header,
            Failing::Status(status) => retry.on_status(status),
            Failing::ForGood => false,
        };
        if is_meant && self.left > 0 && self.is_in_time() && self.may_repeat(upload) {
            return Ok(());
        }
        Err(Failure::Answer { status: failing.status() })
    }

    /// Writes to the error log, with the present server.
    pub(crate) fn log(&self, client: &Client<'_>, severity: Severity, message: &str, server: usize) {
        if severity > self.subject.rules.error_log.level {
            return;
        }
        let upstream = self.url(self.group.label(server));
        self.subject.log_error(&client.outcome, severity, message, Some(upstream));
    }

    fn url(&self, authority: &str) -> String {
        let target = String::from_utf8_lossy(&self.request.target.origin_form(self.request.head)).into_owned();
        let colon = if authority.starts_with("unix:") { ":" } else { "" };
        format!("http://{authority}{colon}{target}")
    }

    fn note(&self, client: &mut Client<'_>, status: u16) {
        if let Some(attempt) = client.outcome.attempts.last_mut() {
            attempt.status = status;
            attempt.took = clock::since(self.asked);
        }
    }

    fn is_in_time(&self) -> bool {
        let timeout = self.subject.rules.retry.timeout;
        timeout.is_zero() || clock::since(self.begun) < timeout
    }
}
