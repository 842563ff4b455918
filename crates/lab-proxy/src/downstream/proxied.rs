//! Proxied requests, from the collected body to the last byte of the response.

use std::pin::pin;
use std::time::SystemTime;

use lab_cache::store::StoredResponse;
use lab_http::BodyLength;
use lab_http::message::is_bodyless;

use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{ConnectionDisposition, RequestBody, RequestBodyError, RequestContext, RequestSource};
use crate::downstream::assembly;
use crate::downstream::cached::{self, CacheLookup, CacheReception};
use crate::downstream::cached_response;
use crate::downstream::client_io::{ClientIo, discard_alongside};
use crate::downstream::content_copy;
use crate::downstream::request_collection::collect;
use crate::downstream::response_buffer::ResponseBuffer;
use crate::downstream::response_writer::{ReadAhead, ResponseWriter, SendError, Trailers};
use crate::downstream::tunnel::{self, TunnelTimeouts};
use crate::response::accel::AccelHeaders;
use crate::response::local::{self, LocalContent};
use crate::response::{Body, FilterChain, Head, Response, ResponseOverride, filters, rewrite, trailers};
use crate::routing::route::{BodyAdmission, ConnectionReuse};
use crate::upstream::Upstreams;
use crate::upstream::error::ForwardError;
use crate::upstream::forwarding::{Forwarding, Received};

/// What has become of a request that was passed to an upstream.
#[derive(Debug)]
pub(crate) enum Forwarded {
    /// The client got the response.
    Delivered(ConnectionDisposition),
    /// The response is complete: it comes from the cache, or it was collected, because other content is assembled with it.
    Collected(Box<Response>),
}

/// Passes a request to an upstream, and the response to the client.
///
/// # Errors
/// The substitute for the response, of which the client got nothing.
pub(crate) async fn forward(
    client: &mut ClientIo<'_>,
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    pass: &ProxyPass,
    body: &mut RequestBody,
) -> Result<Forwarded, ResponseOverride> {
    (context.cache, context.outcome.cache) = (None, None);
    // boxed, so that requests without a cache stay small
    if pass.cache.is_some()
        && let Some(response) = Box::pin(look_up(context, pass)).await?
    {
        return Ok(Forwarded::Collected(response));
    }
    let ClientIo { incoming, outgoing, read_timer, write_timer } = client;
    let is_unused = !pass.request.passes_body && pass.request.body.is_none();
    if is_unused && !body.is_complete() {
        // the next request follows the body that the upstream does not get
        let draining = body.drain(incoming, u64::MAX);
        let is_read = !context.request.expects_continue
            && matches!(read_timer.within(context.config().client_body_timeout, draining).await, Ok(true));
        if !is_read {
            context.route.connection = ConnectionReuse::Forbidden;
        }
    }
    let mut refused = RequestBody::new(BodyLength::None);
    let is_left_out = context.route.body == BodyAdmission::Refused || is_unused;
    let body = if is_left_out { &mut refused } else { body };
    if body.is_spent() {
        // it was streamed to another upstream, which did not respond
        return Err(ResponseOverride::page(502));
    }
    let mut source = RequestSource { incoming: Some(incoming), body, timer: read_timer };
    let mut writer = ResponseWriter::new(outgoing, write_timer, context.config().send_timeout);
    match exchange(context, upstreams, pass, &mut source, &mut writer).await {
        Ok(disposition) => Ok(Forwarded::Delivered(disposition)),
        Err(Undelivered::Collected(response)) => Ok(Forwarded::Collected(response)),
        Err(Undelivered::Override(substitute)) => Err(substitute),
        Err(Undelivered::Failed(error)) => without_response(context, error).map(Forwarded::Delivered),
    }
}

/// The response of the cache, if it has one that may be used.
async fn look_up(
    context: &mut RequestContext<'_>,
    pass: &ProxyPass,
) -> Result<Option<Box<Response>>, ResponseOverride> {
    let Some(config) = pass.cache.as_deref() else { return Ok(None) };
    let (stored, update) = match cached::look_up(context, config).await? {
        CacheLookup::Forward => return Ok(None),
        CacheLookup::Respond(stored) => (stored, None),
        CacheLookup::RespondAndUpdate(stored, update) => (stored, Some(update)),
        CacheLookup::Purged(key) => {
            let content = LocalContent::Text([b"purged ", &*key.text, b"\n"].concat());
            return local::respond(context, 200, content).map(|response| Some(Box::new(response)));
        }
    };
    let response = cached_response::respond(context, pass, *stored)?;
    context.update = update;
    Ok(Some(Box::new(response)))
}

/// What becomes of a request whose upstream failed with this status: the cache may have a stale response.
fn after_failure(context: &mut RequestContext<'_>, pass: &ProxyPass, error: ForwardError) -> Undelivered {
    let stored = match error {
        ForwardError::Status(status) => cached::after_failure(context, pass, status),
        _ => None,
    };
    match stored {
        Some(stored) => Undelivered::stored(context, pass, *stored),
        None => error.into(),
    }
}

enum Undelivered {
    Failed(ForwardError),
    Override(ResponseOverride),
    Collected(Box<Response>),
}

impl Undelivered {
    /// The client gets a stored response in place of the upstream's.
    fn stored(context: &mut RequestContext<'_>, pass: &ProxyPass, stored: StoredResponse) -> Undelivered {
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

/// Obtains a response and delivers it.
async fn exchange(
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    pass: &ProxyPass,
    source: &mut RequestSource<'_, '_>,
    writer: &mut ResponseWriter<'_, '_>,
) -> Result<ConnectionDisposition, Undelivered> {
    let mut length = collect(context, pass, source, writer).await?;
    let mut own_body = pass.request.body.as_ref().map(|body| RequestBody::of_bytes(body.value(&context.scope())));
    let RequestSource { incoming, body, timer } = source;
    let source = &mut match &mut own_body {
        Some(own) => {
            length = BodyLength::Sized(own.collected());
            RequestSource { incoming: incoming.as_deref_mut(), body: own, timer }
        }
        None => RequestSource { incoming: incoming.as_deref_mut(), body, timer },
    };
    let mut forwarding = match Forwarding::new(context, upstreams, pass, length).await {
        Ok(forwarding) => forwarding,
        Err(error) => return Err(after_failure(context, pass, error)),
    };
    loop {
        let received = match forwarding.receive(context, source).await {
            Ok(received) => received,
            Err(error) => return Err(after_failure(context, pass, error)),
        };
        let head = match received {
            Received::Final(response) => {
                let mut delivery = Delivery { forwarding: &mut forwarding, pass, source, writer };
                return delivery.deliver(context, response).await;
            }
            Received::Switching(head) => {
                let mut delivery = Delivery { forwarding: &mut forwarding, pass, source, writer };
                return Ok(delivery.tunnel(context, head).await);
            }
            Received::Interim(head) => head,
        };
        let mut delivery = Delivery { forwarding: &mut forwarding, pass, source, writer };
        if let Err(disposition) = delivery.interim(context, head).await {
            return Ok(disposition);
        }
    }
}

/// The fate of a request without a response.
pub(crate) fn without_response(
    context: &mut RequestContext<'_>,
    error: ForwardError,
) -> Result<ConnectionDisposition, ResponseOverride> {
    match error {
        ForwardError::Status(status) => Err(ResponseOverride::page(status)),
        ForwardError::RequestBody(status) => {
            context.route.body = BodyAdmission::Refused;
            Err(ResponseOverride::page(status))
        }
        ForwardError::ClientGone => {
            // as nginx logs a client that did not wait for its response
            context.outcome.status = 499;
            Ok(ConnectionDisposition::Abort)
        }
        ForwardError::Aborted => Ok(ConnectionDisposition::Abort),
    }
}

/// An upstream's response on its way to the client, while the rest of the request may still be sent.
struct Delivery<'d, 'f, 'c, 's, 'w, 'o> {
    forwarding: &'d mut Forwarding<'f>,
    pass: &'d ProxyPass,
    source: &'d mut RequestSource<'c, 's>,
    writer: &'d mut ResponseWriter<'w, 'o>,
}

impl Delivery<'_, '_, '_, '_, '_, '_> {
    /// Applies the response steps to a final response, and writes it.
    async fn deliver(
        &mut self,
        context: &mut RequestContext<'_>,
        response: Response,
    ) -> Result<ConnectionDisposition, Undelivered> {
        let mut response = response;
        context.outcome.keep_upstream(response.head.fields());
        if context.cache.is_some()
            && let CacheReception::Stored(stored) = cached::receive(context, self.pass, &response)
        {
            self.forwarding.finish(context, response.body);
            return Err(Undelivered::stored(context, self.pass, *stored));
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
            cached::store(context, self.pass, &mut response);
        }
        let modified = content_copy::begin_file(context, self.pass, &mut response);
        let buffering = &context.config().buffering;
        let read_ahead = ReadAhead { buffering, spools };
        rewrite::rewrite(&mut response.head, self.pass, &context.scope());
        // the upstream sends content that the status of an error page does not allow, or that a HEAD does not get which
        // was sent as another method
        let is_cut = (is_bodyless(response.head.status) && !is_bodyless(response.head.received_status()))
            || (context.is_head() && response.body.length() != BodyLength::None);
        if !is_cut && let Err(substitute) = filters::apply(context, &mut response, charset.as_deref()) {
            self.forwarding.finish(context, response.body);
            return Err(Undelivered::Override(substitute));
        }
        if response.assembly.is_some() {
            return self.collect(context, response, modified).await;
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
                return Ok(self.interrupted(context, &body, &error)?);
            }
            Err(error) => return Ok(self.client_failed(context, Some(&body), &error)),
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
        Ok(self.drain(context, queue, disposition).await)
    }

    /// Stores the whole response although the client does not get all of it: it is gone, or wants the head only.
    async fn complete_entry(&mut self, context: &RequestContext<'_>, body: &mut Body) {
        if !matches!(body, Body::Stream(stream) if stream.is_cached()) {
            return;
        }
        // a client that wants the head only gets it now; one that is gone gets nothing
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
        let collected = {
            let collecting = pin!(assembly::collect(context, &mut response.body, filters.as_deref_mut()));
            self.forwarding.alongside(self.source, collecting).await
        };
        match collected {
            Ok(Ok(content)) => {
                let mut body = std::mem::replace(&mut response.body, Body::spooled(content));
                content_copy::finish(context, &mut body, modified);
                self.forwarding.finish(context, body);
                Err(Undelivered::Collected(Box::new(response)))
            }
            Ok(Err(error)) => {
                let message = error.message();
                Err(self.forwarding.fail(context, &response.body, &message, self.source.body).into())
            }
            Err(error) => Ok(self.client_failed(context, Some(&response.body), &error)),
        }
    }

    /// Passes an interim response on (RFC 9110 §15.2).
    async fn interim(&mut self, context: &mut RequestContext<'_>, mut head: Head) -> Result<(), ConnectionDisposition> {
        rewrite::rewrite_interim(&mut head, self.pass, &context.scope());
        self.writer.begin_informational(&head);
        self.flush(context).await
    }

    /// Passes a 101 on, and then bytes in both directions.
    async fn tunnel(&mut self, context: &mut RequestContext<'_>, mut head: Head) -> ConnectionDisposition {
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

    /// Handles a response that could not be sent to its end.
    fn interrupted(
        &mut self,
        context: &mut RequestContext<'_>,
        body: &Body,
        error: &SendError,
    ) -> Result<ConnectionDisposition, ForwardError> {
        if matches!(error, SendError::Body(_)) && !self.writer.has_begun {
            return Err(self.forwarding.fail(context, body, &error.message(), self.source.body));
        }
        Ok(self.abort(context, Some(body), error))
    }

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
