//! One request to one peer, up to the head of its response.

use std::pin::pin;

use lab_http::{BodyLength, Limits, ReadError, ResponseHead, Version};

use crate::config::proxy::pass::ProxyPass;
use crate::context::{RequestContext, RequestSource};
use crate::response::{StreamBody, StreamReader};
use crate::upstream::error::{ExchangeError, UpstreamErrorKind};
use crate::upstream::pool::{ConnectionUsage, UpstreamConnection};
use crate::upstream::request_head;
use crate::upstream::request_sender::RequestSender;
use crate::upstream::tls::TlsTarget;
use crate::upstream::uwsgi_head;
use lab_net::deadline::TimedOut;

/// A connection that carries a request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) sender: RequestSender,
    /// The reading side, until the response's body takes it.
    reader: Option<StreamReader>,
    usage: ConnectionUsage,
    tls: Option<Box<TlsTarget>>,
    sent_before: u64,
    received_before: u64,
    /// Whether an interim response of this exchange went to the client.
    pub(crate) has_interim: bool,
    /// Whether the request was sent as a HEAD, whose response has no body.
    pub(crate) is_head: bool,
    /// Whether both sides agree to keep the connection open after the response.
    is_persistent: bool,
}

impl Exchange {
    /// Puts the request's head into the connection's output buffer. `length` is how the head announces the body.
    pub(crate) fn new(
        mut connection: UpstreamConnection,
        context: &RequestContext<'_>,
        pass: &ProxyPass,
        length: BodyLength,
    ) -> Exchange {
        connection.usage.requests += 1;
        let UpstreamConnection { mut reader, mut outgoing, usage, tls } = connection;
        let allows_bare_lf = context.server.request_head.allows_bare_lf;
        reader.incoming.set_limits(limits(context.config().buffering.head, allows_bare_lf));
        let is_head = match &pass.request.method {
            Some(method) => method.value(&context.scope()).eq_ignore_ascii_case(b"HEAD"),
            None => context.request.head.method() == b"HEAD" && !context.outcome.converts_head(),
        };
        let scope = context.scope().before_attempts();
        match &pass.uwsgi {
            Some(uwsgi) => uwsgi_head::write(context.request, pass, uwsgi, &scope, outgoing.buffer()),
            None => request_head::write(context.request, pass, &scope, length, outgoing.buffer()),
        }
        Exchange {
            sent_before: outgoing.io_mut().bytes,
            received_before: reader.incoming.received(),
            sender: RequestSender::new(outgoing, length, context, pass),
            reader: Some(reader),
            usage,
            tls,
            has_interim: false,
            is_head,
            is_persistent: false,
        }
    }

    /// Reads the next head, interim or final, while the request is still sent.
    pub(crate) async fn receive_head(
        &mut self,
        pass: &ProxyPass,
        source: &mut RequestSource<'_, '_>,
    ) -> Result<ResponseHead, ExchangeError> {
        // OK because only the body of a final response takes the reader, and no head follows that
        let StreamReader { incoming, timer } = self.reader.as_mut().expect("the reading side");
        let head = loop {
            let read = {
                let reading = pin!(timer.within(pass.read_timeout, incoming.read_response_head()));
                self.sender.alongside(source, reading).await.map_err(ExchangeError::RequestBody)?
            };
            match read {
                // while the request is on its way, the sender's time limits apply
                Err(TimedOut) if !self.sender.is_complete() => {}
                Err(TimedOut) => {
                    let message = "upstream timed out while reading response header from upstream";
                    return Err(ExchangeError::upstream(UpstreamErrorKind::Timeout, message));
                }
                Ok(Ok(Some(head))) => break head,
                Ok(Ok(None)) => {
                    return Err(self.closed("upstream prematurely closed connection"));
                }
                Ok(Err(ReadError::Io(error))) => {
                    return Err(self.closed(&format!("recv() failed ({error})")));
                }
                Ok(Err(ReadError::Refused(refusal))) => return Err(ExchangeError::invalid(refusal)),
            }
        };
        self.is_persistent = head.version == Version::Http11
            && lab_http::h1::connection::is_persistent(head.version, &head.headers)
            && !pass.fields.always_closes()
            && !pass.is_uwsgi();
        Ok(head)
    }

    fn closed(&self, what: &str) -> ExchangeError {
        let kind = if self.has_interim {
            // the client has got an interim response, and must not get those of a second peer
            UpstreamErrorKind::Final
        } else {
            let is_silent = self.reader.as_ref().is_none_or(|reader| reader.incoming.buffered().is_empty());
            UpstreamErrorKind::Error { is_silent }
        };
        ExchangeError::upstream(kind, format!("{what} while reading response header from upstream"))
    }

    /// The body of the response whose head was received. It takes the reading side of the connection.
    pub(crate) fn body(&mut self, length: BodyLength, pass: &ProxyPass) -> Option<StreamBody> {
        Some(StreamBody::new(self.reader.take()?, length, pass.read_timeout))
    }

    /// Both sides of the connection, after the protocol was switched.
    pub(crate) fn sides(&mut self) -> Option<(&mut StreamReader, &mut RequestSender)> {
        Some((self.reader.as_mut()?, &mut self.sender))
    }

    /// Bytes sent for this request.
    pub(crate) fn sent(&mut self) -> u64 {
        self.sender.outgoing.io_mut().bytes - self.sent_before
    }

    /// Bytes received for this request. `body` is the response's, if it has the reading side.
    pub(crate) fn received(&self, body: Option<&StreamBody>) -> u64 {
        let reader = self.reader.as_ref().or(body.map(|body| &body.reader));
        reader.map_or(0, |reader| reader.incoming.received() - self.received_before)
    }

    /// The connection, if it can carry another request.
    pub(crate) fn into_reusable(self, body: StreamBody) -> Option<UpstreamConnection> {
        let is_reusable = self.is_persistent && self.sender.is_complete() && body.leaves_connection_usable();
        let (outgoing, usage, tls) = (self.sender.outgoing, self.usage, self.tls);
        is_reusable.then_some(UpstreamConnection { reader: body.reader, outgoing, usage, tls })
    }
}

/// The bounds of `proxy_buffer_size`. As in nginx, the head as a whole is limited, not its lines.
fn limits(head: usize, allows_bare_lf: bool) -> Limits {
    Limits { start_line: head, field: head, fields: usize::MAX, head, allows_bare_lf, ..Limits::response() }
}
