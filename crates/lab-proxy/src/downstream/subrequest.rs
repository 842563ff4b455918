//! The subrequest of `auth_request`: its response decides on access, and the client does not get it.

use std::time::SystemTime;

use lab_http::{BodyLength, Headers};

use crate::config::location::access::AuthRequest;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{RequestBody, RequestContext, RequestSource};
use crate::downstream::client_io::ClientIo;
use crate::downstream::subrequest_exchange::{self, SubrequestResponse, store_and_discard};
use crate::phases::Action;
use crate::upstream::Upstreams;
use crate::upstream::error::ForwardError;

/// Sends the subrequest. Returns its status and its challenges, and sets the variables of `auth_request_set`.
pub(crate) async fn authorize<'a>(
    client: &mut ClientIo<'_>,
    context: &mut RequestContext<'a>,
    upstreams: &Upstreams,
    auth: &AuthRequest,
) -> (u16, Headers) {
    let values = context.route.values.duplicate();
    let mut inner: RequestContext<'a> =
        RequestContext::new(context.worker, context.connection, context.server, context.request, values);
    inner.outcome.now = SystemTime::now();
    inner.route.client.clone_from(&context.route.client);
    inner.route.method = b"GET";
    inner.route.main_method = Some(context.route.request_method());
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
            let fetched = fetch(&mut inner, upstreams, pass, length, &mut source).await;
            fetched.unwrap_or_else(|error| (status_of(&error), Headers::new()))
        }
        Action::Page(status) | Action::Drop(status) | Action::Text { status, .. } => (status, Headers::new()),
        Action::File(_) | Action::Generated(_) => (200, Headers::new()),
        // a subrequest has neither
        Action::Authorize(_) | Action::Mirror(_) => (500, Headers::new()),
    };
    inner.outcome.status = status;
    for (slot, value) in &auth.set {
        context.route.values.set(*slot, &value.value(&inner.scope()));
    }
    context.keep_for_update(inner);
    (status, challenges)
}

/// Obtains the status of the response, and its challenges.
async fn fetch(
    inner: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    pass: &ProxyPass,
    length: BodyLength,
    source: &mut RequestSource<'_, '_>,
) -> Result<(u16, Headers), ForwardError> {
    match subrequest_exchange::fetch(inner, upstreams, pass, length, source).await? {
        SubrequestResponse::Stored(stored) => {
            let head = &stored.head.response;
            inner.outcome.keep_upstream(&head.headers);
            Ok((head.status, challenges(&head.headers)))
        }
        SubrequestResponse::Received(forwarding, response) => {
            let decision = (response.head.status, challenges(response.head.fields()));
            store_and_discard(inner, pass, forwarding, response).await;
            Ok(decision)
        }
    }
}

fn challenges(fields: &Headers) -> Headers {
    fields.get_all("www-authenticate").map(|value| ("WWW-Authenticate", value)).collect()
}

fn status_of(error: &ForwardError) -> u16 {
    match error {
        ForwardError::Status(status) | ForwardError::RequestBody(status) => *status,
        ForwardError::ClientGone | ForwardError::Aborted => 499,
    }
}
