//! Writes a local response, and reads the request body that it does not need.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::Poll;

use lab_http::{BodyLength, Incoming};

use crate::context::{ClientReadHalf, ConnectionDisposition, RequestBody, RequestContext};
use crate::downstream::client_io::{ClientIo, discard_alongside};
use crate::downstream::response_writer::{ReadAhead, ResponseWriter, SendError, Trailers};
use crate::response::{Body, FilterChain, Response, trailers};
use crate::routing::route::BodyAdmission;
use lab_net::deadline::now_or_pending;

/// An unwanted request body is read to its end up to this many bytes, to keep the connection.
const DRAINED: u64 = 64 * 1024;

/// Writes a local response. As in nginx, it does not wait for an unneeded request body; the rest of a short one
/// is read while the response is written, and afterwards.
pub(crate) async fn send_local(
    client: &mut ClientIo<'_>,
    context: &mut RequestContext<'_>,
    response: Response,
    request_body: &mut RequestBody,
) -> ConnectionDisposition {
    let mut response = response;
    trailers::prepare(context, &mut response);
    // the end of a stream ends its request as well
    let may_keep = client.stream_mut().is_none() && drain_arrived(client, context, request_body).await;
    let rules = context.config();
    let framing = response.framing(context.request.head.version, rules.chunks);
    let Response { head, mut body, mut filters, has_trailers, .. } = response;
    let persistence = context.persistence(may_keep && (framing != BodyLength::UntilClose || context.is_head()));
    let scope = context.scope();
    if scope.limit_rate() > 0 {
        client.outgoing.io_mut().limit_rate(Some(scope.limit_rate()), scope.limit_rate_after());
    }
    let mut writer = ResponseWriter::new(&mut client.outgoing, &mut client.write_timer, rules.send_timeout);
    let framing = if context.is_head() { BodyLength::None } else { framing };
    writer.begin(context, &head, framing, persistence);
    let read_ahead = ReadAhead { buffering: &rules.buffering, spools: false };
    let is_arriving = !request_body.is_complete();
    let sent = {
        let evaluate = || trailers::evaluate(&context.scope(), head.status);
        let trailers: Option<Trailers<'_>> = if has_trailers { Some(&evaluate) } else { None };
        let sending = async {
            if let (Some(chunk), Body::File(file), None) = (rules.sendfile_chunk, &mut body, &filters)
                && writer.can_send_file(file)
            {
                // boxed, so that requests for other content stay small
                Box::pin(writer.send_file(file, chunk)).await?;
            }
            send_body(&mut writer, &mut body, filters.as_deref_mut(), read_ahead, trailers).await
        };
        let sending = pin!(sending);
        match persistence.keep_alive {
            true if is_arriving => drain_alongside(&mut client.incoming, request_body, sending).await,
            true => sending.await,
            false => discard_alongside(&mut client.incoming, sending).await,
        }
    };
    writer.record_sent(context);
    context.outcome.compression = filters.as_deref().and_then(FilterChain::compression);
    if persistence.keep_alive && !request_body.is_complete() {
        let draining = request_body.drain(&mut client.incoming, DRAINED);
        if !matches!(client.read_timer.within(rules.lingering.time, draining).await, Ok(true)) {
            return ConnectionDisposition::Close;
        }
    }
    match sent {
        Ok(()) if persistence.keep_alive => ConnectionDisposition::KeepAlive,
        Ok(()) if may_keep => ConnectionDisposition::Close,
        Ok(()) => ConnectionDisposition::Linger,
        Err(error) => {
            if let SendError::Body(error) = error {
                context.log_error(error.severity(), &error.to_string(), None);
            }
            ConnectionDisposition::Abort
        }
    }
}

/// Reads the part of a request body that has arrived. Returns whether the next request can follow after the rest.
async fn drain_arrived(client: &mut ClientIo<'_>, context: &RequestContext<'_>, body: &mut RequestBody) -> bool {
    if body.is_complete() {
        return true;
    }
    // a client that gets no `100 Continue` may or may not send the body, and a refused one need not come
    let is_in_vain = context.request.expects_continue && body.received() == 0;
    if is_in_vain || context.route.body == BodyAdmission::Refused {
        return false;
    }
    let is_long = matches!(context.request.body, BodyLength::Sized(length) if length > DRAINED);
    match now_or_pending(body.drain(&mut client.incoming, DRAINED)).await {
        Poll::Ready(is_read) => is_read,
        Poll::Pending => !is_long,
    }
}

/// Awaits `sending`, and reads the rest of a request body in the meantime.
async fn drain_alongside<T>(
    client: &mut Incoming<ClientReadHalf<'_>>,
    body: &mut RequestBody,
    sending: Pin<&mut impl Future<Output = T>>,
) -> T {
    let draining = async {
        body.drain(client, DRAINED).await;
        pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        sent = sending => sent,
        never = draining => match never {},
    }
}

async fn send_body(
    writer: &mut ResponseWriter<'_, '_>,
    body: &mut Body,
    filters: Option<&mut FilterChain>,
    read_ahead: ReadAhead<'_>,
    trailers: Option<Trailers<'_>>,
) -> Result<(), SendError> {
    let mut queue = writer.body(body, filters, read_ahead, trailers).await?;
    writer.drain(&mut queue).await
}
