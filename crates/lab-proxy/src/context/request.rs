//! The state of one request.

use std::time::SystemTime;

use crate::config::location::location_config::LocationConfig;
use crate::config::logs::Severity;
use crate::config::server::Server;
use crate::context::{CachedExchange, PendingUpdate, Persistence, WorkerContext};
use crate::eval::{ClientConnection, RequestOutcome, Scope};
use crate::logging::{self, ErrorSubject};
use crate::phases::Phases;
use crate::phases::file_system::Disk;
use crate::routing::request::Request;
use crate::routing::route::{ConnectionReuse, Route};
use crate::variables::VariableValues;

/// Everything that concerns one request, from its head to its line in the access log.
#[derive(Debug)]
pub(crate) struct RequestContext<'a> {
    pub(crate) worker: &'a WorkerContext,
    pub(crate) connection: &'a ClientConnection,
    pub(crate) server: &'a Server,
    /// The request; a placeholder if the client's was refused.
    pub(crate) request: &'a Request<'a>,
    /// The request line of a refused request, as far as it arrived.
    pub(crate) refused_line: Option<&'a [u8]>,
    /// Where the request goes. Routing changes it.
    pub(crate) route: Route<'a>,
    /// Read by logs and variables.
    pub(crate) outcome: RequestOutcome,
    /// The way of the request through the cache; none without one.
    pub(crate) cache: Option<Box<CachedExchange>>,
    /// What updates the cache after the response; none in most cases.
    pub(crate) update: Option<Box<PendingUpdate>>,
    /// Subrequests that have such an update.
    pub(crate) stale_subrequests: Vec<RequestContext<'a>>,
}

impl<'a> RequestContext<'a> {
    /// The context of a request that was read. `values` has the captures of the server's name.
    pub(crate) fn new(
        worker: &'a WorkerContext,
        connection: &'a ClientConnection,
        server: &'a Server,
        request: &'a Request<'a>,
        values: VariableValues,
    ) -> RequestContext<'a> {
        let route = Route::new(Some(request), &server.outside, values);
        let outcome = RequestOutcome::new(worker.config.needs_response_heads, worker.config.needs_request_body);
        RequestContext {
            worker,
            connection,
            server,
            request,
            refused_line: None,
            route,
            outcome,
            cache: None,
            update: None,
            stale_subrequests: Vec::new(),
        }
    }

    /// The context of a subrequest. It has the values that the variables have so far.
    pub(crate) fn subrequest(&self) -> RequestContext<'a> {
        let values = self.route.values.duplicate();
        let mut inner = RequestContext::new(self.worker, self.connection, self.server, self.request, values);
        inner.outcome.now = SystemTime::now();
        inner.outcome.request_body_bytes = self.outcome.request_body_bytes;
        inner.outcome.request_body.clone_from(&self.outcome.request_body);
        inner.route.client.clone_from(&self.route.client);
        inner.route.method = self.route.method;
        inner.route.main_method = Some(self.route.request_method());
        inner.route.is_subrequest = true;
        inner
    }

    /// Keeps a subrequest whose response was stale until the cache is updated.
    pub(crate) fn keep_for_update(&mut self, subrequest: RequestContext<'a>) {
        if subrequest.update.is_some() {
            self.stale_subrequests.push(subrequest);
        }
    }

    /// The configuration of the current location.
    pub(crate) fn config(&self) -> &'a LocationConfig {
        &self.route.location.config
    }

    /// The routing phases, and the route that they change.
    pub(crate) fn phases(&mut self) -> (Phases<'a, '_>, &mut Route<'a>) {
        let phases = Phases {
            config: &self.worker.config,
            server: self.server,
            connection: self.connection,
            request: self.request,
            outcome: &self.outcome,
            files: &Disk,
        };
        (phases, &mut self.route)
    }

    /// The values that variables can read.
    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            connection: self.connection,
            request: Some(self.request),
            refused_line: self.refused_line,
            route: &self.route,
            server: self.server,
            pass: self.route.pass,
            derived: &self.worker.config.derived,
            outcome: &self.outcome,
            pending: None,
            hidden_attempts: 0,
        }
    }

    /// Writes to the current location's error log. `upstream` is the URL of the request to the upstream.
    pub(crate) fn log_error(&self, severity: Severity, message: &str, upstream: Option<String>) {
        let log = &self.config().error_log;
        if severity <= log.level {
            let subject = ErrorSubject { scope: self.scope(), upstream };
            self.worker.logs.error(log, severity, message, Some(&subject));
        }
    }

    /// Writes the route's notes to the error log.
    pub(crate) fn log_notes(&mut self) {
        for (severity, message) in std::mem::take(&mut self.route.notes) {
            self.log_error(severity, &message, None);
        }
    }

    /// Writes the lines of the access logs. For a refused request the log has only the part that arrived.
    pub(crate) fn log_access(&self) {
        let request = Some(self.request).filter(|_| self.refused_line.is_none());
        let scope = Scope { request, ..self.scope() };
        for log in &self.config().access_log {
            if let Err((severity, message)) = logging::append(log, &scope) {
                self.log_error(severity, &message, None);
            }
        }
    }

    pub(crate) fn is_head(&self) -> bool {
        self.request.head.method() == b"HEAD"
    }

    fn agent(&self) -> &'a [u8] {
        self.request.head.headers.get("user-agent").unwrap_or_default()
    }

    /// Whether the response announces that the connection stays open. `may_keep` is whether the connection allows it.
    pub(crate) fn persistence(&self, may_keep: bool) -> Persistence {
        let rules = self.config();
        let keep_alive = may_keep
            && self.request.persistent
            && !rules.keepalive.idle.is_zero()
            && self.connection.requests < rules.keepalive_requests
            && self.connection.age < rules.keepalive_time
            && self.route.connection == ConnectionReuse::Allowed
            && !rules.keepalive_disable.applies(self.request.head.method(), self.agent())
            && !self.worker.is_quitting();
        Persistence { keep_alive, announced: rules.keepalive.announced }
    }
}
