//! The subrequest of `auth_request`: its response decides on access, and the client does not get it.

use std::task::Poll;
use std::time::SystemTime;

use lab_http::{BodyLength, Headers};

use crate::config::location::access::AuthRequest;
use crate::context::{RequestBody, RequestContext, RequestSource};
use crate::downstream::client_io::ClientIo;
use crate::phases::Action;
use crate::response::{Body, Response};
use crate::upstream::Upstreams;
use crate::upstream::error::ForwardError;
use crate::upstream::forwarding::{Forwarding, Received};
use crate::variables::VariableValues;
use lab_net::deadline::now_or_pending;

/// A response is read up to this many bytes, so that its connection can be used again.
const DRAINED: usize = 64 * 1024;

/// Sends the subrequest. Returns its status and its challenges, and sets the variables of `auth_request_set`.
pub(crate) async fn authorize(
    client: &mut ClientIo<'_>,
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    auth: &AuthRequest,
) -> (u16, Headers) {
    let values = VariableValues::new(&context.worker.config.variables);
    let mut inner = RequestContext::new(context.worker, context.connection, context.server, context.request, values);
    inner.outcome.now = SystemTime::now();
    inner.route.client.clone_from(&context.route.client);
    inner.route.method = b"GET";
    inner.route.is_subrequest = true;
    let (phases, route) = inner.phases();
    let action = phases.begin_subrequest(route, auth.uri.as_bytes());
    inner.log_notes();
    let (status, challenges) = match action {
        Action::Pass(pass) => {
            let own = pass.request.body.as_ref().map(|body| body.value(&inner.scope()));
            let length = own.as_ref().map_or(pass.length_without_body(), |own| BodyLength::Sized(own.len() as u64));
            let mut body = RequestBody::of_bytes(own.unwrap_or_default());
            let ClientIo { incoming, read_timer, .. } = client;
            let mut source = RequestSource { incoming: Some(incoming), body: &mut body, timer: read_timer };
            match Forwarding::new(&inner, upstreams, pass, length).await {
                Ok(forwarding) => fetch(forwarding, &mut inner, &mut source).await,
                Err(error) => Err(error),
            }
            .unwrap_or_else(|error| (status_of(&error), Headers::new()))
        }
        Action::Page(status) | Action::Drop(status) | Action::Text { status, .. } => (status, Headers::new()),
        Action::File(_) | Action::Generated { .. } => (200, Headers::new()),
        // a subrequest has neither
        Action::Authorize(_) | Action::Mirror(_) => (500, Headers::new()),
    };
    inner.outcome.status = status;
    for (slot, value) in &auth.set {
        context.route.values.set(*slot, &value.value(&inner.scope()));
    }
    (status, challenges)
}

/// Receives the head of the response, and its body for the sake of the connection.
async fn fetch(
    mut forwarding: Forwarding<'_>,
    inner: &mut RequestContext<'_>,
    source: &mut RequestSource<'_, '_>,
) -> Result<(u16, Headers), ForwardError> {
    loop {
        let Response { head, mut body, .. } = match forwarding.receive(inner, source).await? {
            Received::Final(response) => response,
            Received::Interim(_) => continue,
            Received::Switching(head) => Response::new(head, Body::Empty),
        };
        inner.outcome.keep_upstream(head.fields());
        let challenges = head.fields().get_all("www-authenticate").map(|value| ("WWW-Authenticate", value)).collect();
        drain(&mut body).await;
        forwarding.finish(inner, body);
        return Ok((head.status, challenges));
    }
}

/// Reads the rest of a body, if it is short.
pub(crate) async fn drain(body: &mut Body) {
    let mut read = 0;
    while read < DRAINED {
        match now_or_pending(body.next_piece()).await {
            Poll::Ready(Ok(Some(piece))) => read += piece.len(),
            Poll::Ready(Ok(None) | Err(_)) => return,
            Poll::Pending => {
                let Body::Stream(stream) = body else { return };
                if stream.wait().await.is_err() {
                    return;
                }
            }
        }
    }
}

fn status_of(error: &ForwardError) -> u16 {
    match error {
        ForwardError::Status(status) | ForwardError::RequestBody(status) => *status,
        ForwardError::ClientGone | ForwardError::Aborted => 499,
    }
}
