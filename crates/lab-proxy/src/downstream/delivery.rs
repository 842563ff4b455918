//! Delivers the response of an upstream: applies the steps of `crate::response` to it and writes it, while the rest of the
//! request may still be sent.

use std::pin::pin;
use std::time::SystemTime;

use lab_cache::store::StoredResponse;
use lab_http::BodyLength;
use lab_http::message::is_bodyless;
use lab_net::spool::SpoolReader;

use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{ConnectionDisposition, RequestBodyError, RequestContext, RequestSource};
use crate::downstream::assembly;
use crate::downstream::cache_reception::{self, CacheReception};
use crate::downstream::cached_response;
use crate::downstream::client_io::discard_alongside;
use crate::downstream::content_copy;
use crate::downstream::first_slice;
use crate::downstream::response_buffer::ResponseBuffer;
use crate::downstream::response_writer::{ReadAhead, ResponseWriter, SendError, Trailers};
use crate::downstream::slices;
use crate::downstream::tunnel::{self, TunnelTimeouts};
use crate::response::accel::AccelHeaders;
use crate::response::{Body, FilterChain, Head, Response, ResponseOverride, filters, rewrite, trailers};
use crate::routing::route::BodyAdmission;
use crate::upstream::error::ForwardError;
use crate::upstream::forwarding::Forwarding;

/// Why the client has not got an upstream's response.
pub(super) enum Undelivered {
    Failed(ForwardError),
    Override(ResponseOverride),
    Collected(Box<Response>),
}

impl Undelivered {
    /// The client gets a stored response in place of the upstream's.
    pub(super) fn stored(context: &mut RequestContext<'_>, pass: &ProxyPass, stored: StoredResponse) -> Undelivered {
        match cached_response::respond(context, pass, stored) {
            Ok(response) => Undelivered::Collected(Box::new(response)),
            Err(substitute) => Undelivered::Override(substitute),
        }
    }
}

impl From<ForwardError> for Undelivered {
    fn from(error: ForwardError) -> Undelivered {
        Undelivered::Failed(error)
    }
}

/// An upstream's response on its way to the client, while the rest of the request may still be sent.
pub(super) struct Delivery<'d, 'f, 'c, 's, 'w, 'o> {
    pub(super) forwarding: &'d mut Forwarding<'f>,
    pub(super) pass: &'d ProxyPass,
    pub(super) source: &'d mut RequestSource<'c, 's>,
    pub(super) writer: &'d mut ResponseWriter<'w, 'o>,
}

impl Delivery<'_, '_, '_, '_, '_, '_> {
    /// Applies the response steps to a final response, and writes it. None if the request must be sent again.
    pub(super) async fn deliver(
        &mut self,
        context: &mut RequestContext<'_>,
        response: Response,
    ) -> Result<Option<ConnectionDisposition>, Undelivered> {
        let mut response = response;
        context.outcome.keep_upstream(response.head.fields());
        match cache_reception::receive(context, self.pass, &response) {
            CacheReception::Own => {}
            CacheReception::Stored(stored) => {
                self.forwarding.finish(context, response.body);
                return Err(Undelivered::stored(context, self.pass, *stored));
            }
            CacheReception::Repeat => {
                self.forwarding.finish(context, response.body);
                return Ok(None);
            }
        }
        let accel = AccelHeaders::parse(response.head.fields(), self.pass);
        let scope = context.scope();
        let rate = accel.rate.unwrap_or_else(|| scope.limit_rate());
        if rate > 0 {
            self.writer.outgoing.io_mut().limit_rate(Some(rate), scope.limit_rate_after());
        }
        let spools = accel.buffering.unwrap_or(context.config().buffering.responses);
        if let Body::Stream(stream) = &mut response.body
            && spools
        {
            stream.limit_rate(self.pass.rate);
        }
        if let Some(substitute) = ResponseOverride::decide(context, self.pass, &response.head, &accel) {
            self.forwarding.finish(context, response.body);
            return Err(Undelivered::Override(substitute));
        }
        let charset = accel.charset.map(<[u8]>::to_vec);
        if self.pass.cache.is_some() {
            cache_reception::store(context, self.pass, &mut response);
        }
        let modified = content_copy::begin_file(context, self.pass, &mut response);
        if first_slice::is_first(context, &response.head) {
            // boxed, so that other responses stay small
            return Box::pin(self.deliver_slice(context, response, charset.as_deref(), modified)).await;
        }
        let buffering = &context.config().buffering;
        let read_ahead = ReadAhead { buffering, spools };
        rewrite::rewrite(&mut response.head, self.pass, &context.scope());
        // The upstream may send content that the client must not get: for the status of an error page, or for a HEAD that
        // was passed on with another method.
        let is_cut = (is_bodyless(response.head.status) && !is_bodyless(response.head.received_status()))
            || (context.is_head() && response.body.length() != BodyLength::None);
        if !is_cut && let Err(substitute) = filters::apply(context, &mut response, charset.as_deref()) {
            self.forwarding.finish(context, response.body);
            return Err(Undelivered::Override(substitute));
        }
        if response.assembly.is_some() {
            return self.collect(context, response, modified).await.map(Some);
        }
        if !is_cut {
            trailers::prepare(context, &mut response);
        }
        if !read_ahead.spools
            && let Some(chain) = &mut response.filters
        {
            chain.flush_when_idle();
        }
        let framing = match is_cut {
            true => BodyLength::None,
            false => response.framing(context.request.head.version, context.config().chunks),
        };
        let Response { head, mut body, mut filters, has_trailers, .. } = response;
        let mut cut = Body::Empty;
        let sent_body = if is_cut { &mut cut } else { &mut body };
        // a client that still sends when it gets its response must not send another request
        let may_keep = self.forwarding.is_request_sent() && framing != BodyLength::UntilClose;
        let persistence = context.persistence(may_keep);
        self.writer.begin(context, &head, framing, persistence);
        let is_refused = context.route.body == BodyAdmission::Refused;
        let sent = {
            let evaluate = || trailers::evaluate(&context.scope(), head.status);
            let trailers: Option<Trailers<'_>> = if has_trailers { Some(&evaluate) } else { None };
            let sending = pin!(self.writer.body(sent_body, filters.as_deref_mut(), read_ahead, trailers));
            match self.source.incoming.as_deref_mut().filter(|_| is_refused) {
                Some(client) => Ok(discard_alongside(client, sending).await),
                None => self.forwarding.alongside(self.source, sending).await,
            }
        };
        self.writer.record_sent(context);
        context.outcome.compression = filters.as_deref().and_then(FilterChain::compression);
        let queue = match sent {
            Ok(Ok(queue)) => queue,
            Ok(Err(error)) => {
                if !matches!(error, SendError::Body(_) | SendError::BodyTimedOut) {
                    self.complete_entry(context, &mut body).await;
                }
                return Ok(Some(self.abort(context, Some(&body), &error)));
            }
            Err(error) => return Ok(Some(self.client_failed(context, Some(&body), &error))),
        };
        if is_cut {
            self.complete_entry(context, &mut body).await;
        }
        content_copy::finish(context, &mut body, modified);
        let disposition = match (persistence.keep_alive, self.forwarding.is_request_sent()) {
            (true, _) => ConnectionDisposition::KeepAlive,
            (false, true) => ConnectionDisposition::Close,
            (false, false) => ConnectionDisposition::Linger,
        };
        self.forwarding.finish(context, body);
        Ok(Some(self.drain(context, queue, disposition).await))
    }

    /// Stores the whole response although the client gets only a part: it has left, or it wants the head only.
    async fn complete_entry(&mut self, context: &RequestContext<'_>, body: &mut Body) {
        if !matches!(body, Body::Stream(stream) if stream.is_cached()) {
            return;
        }
        // a client that wants the head only gets it now
        _ = self.writer.flush().await;
        // boxed, so that other responses stay small
        match Box::pin(cached_response::read_rest(body)).await {
            Ok(()) => cached_response::finish_copy(context, body),
            Err(message) => {
                self.forwarding.log(context, Severity::Error, &message);
                if let Body::Stream(stream) = body {
                    drop(stream.take_copy());
                }
            }
        }
    }

    /// Collects a response that other content is assembled with.
    async fn collect(
        &mut self,
        context: &mut RequestContext<'_>,
        response: Response,
        modified: Option<SystemTime>,
    ) -> Result<ConnectionDisposition, Undelivered> {
        let mut response = response;
        let mut filters = response.assembly.as_mut().and_then(|assembly| assembly.filters.take());
        match self.collect_content(context, &mut response.body, filters.as_deref_mut(), modified).await? {
            Ok(content) => {
                response.body = Body::spooled(content);
                Err(Undelivered::Collected(Box::new(response)))
            }
            Err(disposition) => Ok(disposition),
        }
    }

    /// Collects the first slice of a response that is put together from slices.
    async fn deliver_slice(
        &mut self,
        context: &mut RequestContext<'_>,
        response: Response,
        charset: Option<&[u8]>,
        modified: Option<SystemTime>,
    ) -> Result<Option<ConnectionDisposition>, Undelivered> {
        let mut response = response;
        match self.collect_content(context, &mut response.body, None, modified).await? {
            Ok(content) => Err(match slices::respond(context, self.pass, response, content, charset) {
                Ok(response) => Undelivered::Collected(Box::new(response)),
                Err(substitute) => Undelivered::Override(substitute),
            }),
            Err(disposition) => Ok(Some(disposition)),
        }
    }

    /// Collects the content of a response, and ends the exchange. The inner error is the end of a client that is gone.
    async fn collect_content(
        &mut self,
        context: &mut RequestContext<'_>,
        body: &mut Body,
        filters: Option<&mut FilterChain>,
        modified: Option<SystemTime>,
    ) -> Result<Result<SpoolReader, ConnectionDisposition>, Undelivered> {
        let collected = {
            let collecting = pin!(assembly::collect(context, body, filters));
            self.forwarding.alongside(self.source, collecting).await
        };
        match collected {
            Ok(Ok(content)) => {
                let mut body = std::mem::replace(body, Body::Empty);
                content_copy::finish(context, &mut body, modified);
                self.forwarding.finish(context, body);
                Ok(Ok(content))
            }
            Ok(Err(error)) => {
                let message = error.message();
                Err(self.forwarding.fail(context, body, &message, self.source.body).into())
            }
            Err(error) => Ok(Err(self.client_failed(context, Some(&*body), &error))),
        }
    }

    /// Passes an interim response on (RFC 9110 §15.2).
    pub(super) async fn interim(
        &mut self,
        context: &mut RequestContext<'_>,
        mut head: Head,
    ) -> Result<(), ConnectionDisposition> {
        rewrite::rewrite_interim(&mut head, self.pass, &context.scope());
        self.writer.begin_informational(&head);
        self.flush(context).await
    }

    /// Passes a 101 on, and then bytes in both directions.
    pub(super) async fn tunnel(&mut self, context: &mut RequestContext<'_>, mut head: Head) -> ConnectionDisposition {
        rewrite::rewrite_switching(&mut head, self.pass, &context.scope());
        context.outcome.status = 101;
        context.outcome.head_bytes = self.writer.begin_informational(&head);
        if let Err(disposition) = self.flush(context).await {
            return disposition;
        }
        let timeouts = TunnelTimeouts { read: self.pass.read_timeout, send: context.config().send_timeout };
        if let Some((reader, sender)) = self.forwarding.sides() {
            tunnel::run(self.source, self.writer.outgoing, reader, &mut sender.outgoing, timeouts).await;
        }
        self.forwarding.finish(context, Body::Empty);
        self.drain(context, ResponseBuffer::default(), ConnectionDisposition::Close).await
    }

    /// Flushes the head of a 1xx response, while the request is sent.
    async fn flush(&mut self, context: &mut RequestContext<'_>) -> Result<(), ConnectionDisposition> {
        let flushed = self.forwarding.alongside(self.source, pin!(self.writer.flush())).await;
        match flushed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.abort(context, None, &error)),
            Err(error) => Err(self.client_failed(context, None, &error)),
        }
    }

    /// Writes the queued rest to the client. The upstream connection is already free for other requests.
    async fn drain(
        &mut self,
        context: &mut RequestContext<'_>,
        mut queue: ResponseBuffer,
        disposition: ConnectionDisposition,
    ) -> ConnectionDisposition {
        let is_sending = disposition == ConnectionDisposition::Linger || context.route.body == BodyAdmission::Refused;
        let drained = {
            let draining = pin!(self.writer.drain(&mut queue));
            match self.source.incoming.as_deref_mut().filter(|_| is_sending) {
                Some(client) => discard_alongside(client, draining).await,
                None => draining.await,
            }
        };
        let disposition = match drained {
            Ok(()) => disposition,
            Err(error) => {
                let is_spool = matches!(error, SendError::SpoolFile(_));
                let severity = if is_spool { Severity::Crit } else { Severity::Info };
                self.forwarding.log(context, severity, &error.message());
                self.writer.disposition_after(&error)
            }
        };
        self.writer.record_sent(context);
        disposition
    }

    /// Ends a response that could not be sent to its end.
    fn abort(
        &mut self,
        context: &mut RequestContext<'_>,
        body: Option<&Body>,
        error: &SendError,
    ) -> ConnectionDisposition {
        // as in nginx: a failing upstream matters more than a client that leaves
        let is_client = matches!(error, SendError::Client { .. });
        let severity = if is_client { Severity::Info } else { Severity::Error };
        self.forwarding.abort(context, body, severity, &error.message());
        self.writer.disposition_after(error)
    }

    /// Handles a client that fails, while it sends its request, after the response has begun.
    fn client_failed(
        &mut self,
        context: &mut RequestContext<'_>,
        body: Option<&Body>,
        error: &RequestBodyError,
    ) -> ConnectionDisposition {
        self.forwarding.abort(context, body, Severity::Info, &error.to_string());
        ConnectionDisposition::Abort
    }
}
