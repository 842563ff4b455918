//! One exchange of a check: its request, the redirects that are followed, and the cookies on the way.

use super::backend::Backend;
use crate::check::observed::{Observed, Transfer, UpstreamObservation};
use crate::check::probe::ProbeError;
use crate::check::redirect;
use crate::check::session::Session;
use crate::scenario::model::{CheckRequest, Placeholders};

/// The response to a check's request, or to the last redirect.
pub(super) struct Exchange {
    /// The request that was responded to.
    pub(super) request: CheckRequest,
    pub(super) observed: Observed,
    pub(super) upstream: UpstreamObservation,
    pub(super) values: Placeholders,
    pub(super) transfer: Transfer,
}

/// Sends a request and follows redirects, as far as the request allows it. Cookies are kept in `session`.
pub(super) async fn exchange<B: Backend>(
    request: &CheckRequest,
    session: &mut Session,
    running: &B::Running,
    backend: &mut B,
) -> Result<Exchange, ProbeError> {
    let most = match request {
        CheckRequest::Composed { max_redirects, .. } => *max_redirects,
        CheckRequest::Raw(_) => 0,
    };
    let mut transfer = Transfer::default();
    let mut request = session.prepare(request);
    loop {
        let probed = backend.probe(running, &request).await?;
        transfer.duration += probed.duration;
        transfer.certificate = probed.certificate;
        session.store_cookies(&request, &probed.observed);
        let next = match most {
            0 => None,
            _ => redirect::next_request(&request, &probed.observed).transpose().map_err(ProbeError::Redirect)?,
        };
        let Some(next) = next else {
            let mut values = probed.values;
            values.extracted.clone_from(session.values());
            let (observed, upstream) = (probed.observed, probed.upstream);
            return Ok(Exchange { request, observed, upstream, values, transfer });
        };
        if transfer.redirects == most {
            let location = probed.observed.lines("location").next().unwrap_or_default().to_owned();
            return Err(ProbeError::TooManyRedirects { most, location });
        }
        transfer.redirects += 1;
        request = session.prepare(&next);
    }
}
