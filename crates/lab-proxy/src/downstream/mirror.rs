//! `mirror`: sends copies of a request while the request itself is served, and ignores their responses; `post_action`:
//! sends one afterwards.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use lab_http::BodyLength;

use crate::config::location::mirror::MirrorConfig;
use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{ConnectionDisposition, RequestBody, RequestContext, RequestSource};
use crate::downstream::cache_update;
use crate::downstream::client_io::ClientIo;
use crate::downstream::proxied::without_response;
use crate::downstream::request_collection::collect_body;
use crate::downstream::response_writer::ResponseWriter;
use crate::downstream::subrequest_exchange::{self, SubrequestResponse, store_and_discard};
use crate::phases::Action;
use crate::response::ResponseOverride;
use crate::upstream::Upstreams;
use lab_net::deadline::Timer;

/// The copies of a request that are on their way.
#[derive(Default)]
pub(crate) struct Mirrors<'m> {
    copies: Vec<Pin<Box<dyn Future<Output = ()> + 'm>>>,
}

impl<'m> Mirrors<'m> {
    /// Begins to send the copies of a location. Collects the body first if they have one.
    ///
    /// # Errors
    /// The body is not accepted.
    pub(crate) async fn start(
        &mut self,
        client: &mut ClientIo<'_>,
        context: &mut RequestContext<'m>,
        upstreams: &'m Upstreams,
        config: &MirrorConfig,
        body: &mut RequestBody,
    ) -> Result<Option<ConnectionDisposition>, ResponseOverride> {
        if config.has_body && !body.is_complete() {
            let ClientIo { incoming, outgoing, read_timer, write_timer } = client;
            let mut source = RequestSource { incoming: Some(incoming), body, timer: read_timer };
            let mut writer = ResponseWriter::new(outgoing, write_timer, context.config().send_timeout);
            if let Err(error) = collect_body(context, &mut source, &mut writer).await {
                return without_response(context, error).map(Some);
            }
        }
        for target in &config.targets {
            let copied = if config.has_body { body.duplicate() } else { Ok(RequestBody::new(BodyLength::None)) };
            match copied {
                Ok(body) => {
                    let mut copy = context.subrequest();
                    copy.route.args.clone_from(&context.route.args);
                    self.copies.push(Box::pin(send(copy, upstreams, target.clone(), body)));
                }
                Err(error) => {
                    context.log_error(Severity::Crit, &format!("cannot mirror a request body ({error})"), None);
                }
            }
        }
        Ok(None)
    }

    /// Whether no copy is on its way.
    pub(crate) fn are_sent(&self) -> bool {
        self.copies.is_empty()
    }

    /// Awaits `future` while the copies are sent. The future goes first.
    pub(crate) async fn alongside<T>(&mut self, mut future: Pin<Box<impl Future<Output = T>>>) -> T {
        poll_fn(|cx| {
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() {
                self.poll_copies(cx);
            }
            polled
        })
        .await
    }

    /// Waits for the ends of the copies, as nginx does before the connection's next request.
    pub(crate) async fn finish(mut self) {
        poll_fn(|cx| {
            self.poll_copies(cx);
            if self.are_sent() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn poll_copies(&mut self, cx: &mut Context<'_>) {
        self.copies.retain_mut(|copy| copy.as_mut().poll(cx).is_pending());
    }
}

/// Sends the request of `post_action` for a request that was served.
pub(crate) async fn send_post_action(
    context: &RequestContext<'_>,
    upstreams: &Upstreams,
    target: &str,
    body: &RequestBody,
) {
    let Ok(body) = body.duplicate() else { return };
    let mut inner = context.subrequest();
    inner.outcome.clone_from(&context.outcome);
    let (phases, route) = inner.phases();
    let action = match target.starts_with('@') {
        true => phases.begin_named_subrequest(route, target),
        false => phases.begin_subrequest_with_args(route, target.as_bytes(), None),
    };
    inner.log_notes();
    if let Action::Pass(pass) = action {
        send_and_discard(&mut inner, upstreams, pass, body).await;
    }
}

/// Sends one copy, and discards the response.
async fn send(mut context: RequestContext<'_>, upstreams: &Upstreams, target: String, body: RequestBody) {
    let args = context.route.args.take();
    let (phases, route) = context.phases();
    let action = phases.begin_subrequest_with_args(route, target.as_bytes(), args);
    context.log_notes();
    if let Action::Pass(pass) = action {
        send_and_discard(&mut context, upstreams, pass, body).await;
    }
}

/// Passes a subrequest to an upstream, and discards the response.
async fn send_and_discard(
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    pass: &ProxyPass,
    body: RequestBody,
) {
    let own = pass.request.body.as_ref().map(|body| body.value(&context.scope()));
    let (mut body, length) = match own {
        Some(own) => {
            let length = BodyLength::Sized(own.len() as u64);
            (RequestBody::of_bytes(own), length)
        }
        None if pass.request.passes_body && body.received() > 0 => {
            let length = BodyLength::Sized(body.collected());
            (body, length)
        }
        None => (RequestBody::new(BodyLength::None), pass.length_without_body()),
    };
    let mut timer = Timer::new();
    let mut source = RequestSource { incoming: None, body: &mut body, timer: &mut timer };
    match subrequest_exchange::fetch(context, upstreams, pass, length, &mut source).await {
        Ok(SubrequestResponse::Received(forwarding, response)) => {
            store_and_discard(context, pass, forwarding, response).await;
        }
        // a failure is in the error log
        Ok(SubrequestResponse::Stored(_)) | Err(_) => {}
    }
    if let Some(update) = context.update.take() {
        // boxed, so that copies without it stay small
        Box::pin(cache_update::send(context, upstreams, pass, *update)).await;
    }
}
