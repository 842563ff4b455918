//! Assembles a response from its own content and that of subrequests: `addition` and `ssi`.
//!
//! The response is collected first, so that an application with a single worker is free for the subrequests. These follow
//! each other.

use std::io;
use std::pin::Pin;
use std::task::Poll;

use lab_cache::store::StoredResponse;
use lab_http::BodyLength;
use lab_net::deadline::{TimedOut, Timer, now_or_pending};
use lab_net::spool::{Spool, SpoolReader, SpoolShare};
use lab_net::turn::TurnBudget;

use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{RequestBody, RequestContext, RequestSource};
use crate::downstream::cache_reception;
use crate::downstream::cached_response;
use crate::downstream::response_writer::SendError;
use crate::downstream::subrequest_exchange::{self, SubrequestResponse};
use crate::phases::Action;
use crate::response::accel::AccelHeaders;
use crate::response::assembly::Assembly;
use crate::response::local::{self, LocalContent};
use crate::response::ssi::{Include, Page, SsiState, Step};
use crate::response::{Body, FilterChain, Response, ResponseOverride, Substitute, filters, rewrite};
use crate::routing::route::ErrorPages;
use crate::upstream::Upstreams;
use crate::upstream::error::ForwardError;

/// How deep pages may include each other, as in nginx.
const MAX_DEPTH: usize = 50;

/// How many pages a response may include, as in nginx. A page that includes itself twice would never end.
const MAX_INCLUDES: usize = 64_535;

/// The bytes of collected content that are processed at a time.
const BLOCK: usize = 64 * 1024;

/// Reads a body to its end.
pub(crate) async fn collect(
    context: &RequestContext<'_>,
    body: &mut Body,
    filters: Option<&mut FilterChain>,
) -> Result<SpoolReader, SendError> {
    let mut filters = filters;
    let mut spool = new_spool(context);
    let mut turn = TurnBudget::default();
    loop {
        let next = match &mut filters {
            Some(chain) => now_or_pending(chain.next_piece(body)).await,
            None => now_or_pending(body.next_piece()).await,
        };
        match next {
            Poll::Ready(Ok(Some(piece))) => {
                let length = piece.len();
                spool.push(piece).map_err(SendError::SpoolFile)?;
                turn.spend(length.max(1)).await;
            }
            Poll::Ready(Ok(None)) => return Ok(spool.finish()),
            Poll::Ready(Err(error)) => return Err(SendError::Body(error)),
            Poll::Pending => {
                body.wait().await.map_err(|TimedOut| SendError::BodyTimedOut)?;
            }
        }
    }
}

/// Replaces the body of a response by the assembled content.
///
/// # Errors
/// The content could not be collected; the client has got nothing yet.
pub(crate) async fn assemble<'c>(
    context: &mut RequestContext<'c>,
    upstreams: &Upstreams,
    response: &mut Response,
    assembly: Assembly,
) -> Result<(), SendError> {
    let Assembly { mut filters, before, after, has_commands } = assembly;
    let own = collect(context, &mut response.body, filters.as_deref_mut()).await?;
    let mut assembler: Assembler<'_, 'c> = Assembler {
        upstreams,
        output: new_spool(context),
        state: SsiState::default(),
        includes: 0,
        stale_subrequests: Vec::new(),
    };
    let added = |path: String| Include { path: path.into_bytes(), args: None, variable: None, stub: None };
    if let Some(path) = before {
        assembler.include(context, added(path), 0).await?;
    }
    assembler.append(context, own, has_commands, 0).await?;
    if let Some(path) = after {
        assembler.include(context, added(path), 0).await?;
    }
    response.body = Body::spooled(assembler.output.finish());
    response.hides_length = true;
    context.stale_subrequests.append(&mut assembler.stale_subrequests);
    Ok(())
}

fn new_spool(context: &RequestContext<'_>) -> Spool {
    Spool::new(context.config().buffering.response_memory, None, SpoolShare::UNLIMITED)
}

struct Assembler<'u, 'c> {
    upstreams: &'u Upstreams,
    output: Spool,
    state: SsiState,
    /// The number of includes so far.
    includes: usize,
    /// The includes whose stored responses must be updated.
    stale_subrequests: Vec<RequestContext<'c>>,
}

/// The response to a subrequest.
struct Fragment<'c> {
    context: RequestContext<'c>,
    content: SpoolReader,
    has_commands: bool,
}

impl Fragment<'_> {
    /// The fragment, with `stub` in place of an empty content.
    fn or_stub(mut self, stub: &[u8]) -> io::Result<Self> {
        if self.content.left() == 0 {
            let mut spool = new_spool(&self.context);
            spool.push(stub)?;
            self.content = spool.finish();
        }
        Ok(self)
    }
}

impl<'c> Assembler<'_, 'c> {
    /// Appends content. Executes its commands, if it has some.
    async fn append(
        &mut self,
        context: &RequestContext<'c>,
        content: SpoolReader,
        has_commands: bool,
        depth: usize,
    ) -> Result<(), SendError> {
        let rules = context.config().ssi.as_deref().filter(|_| has_commands);
        let mut page = rules.map(|rules| Page::new(rules, &context.worker.config.variables));
        let mut content = content;
        let mut buffer = vec![0; content.left().min(BLOCK)];
        loop {
            let length = content.left().min(buffer.len());
            let block = &mut buffer[..length];
            content.read_exact(block).map_err(SendError::SpoolFile)?;
            let is_at_end = block.is_empty();
            match &mut page {
                None => self.output.push(block).map_err(SendError::SpoolFile)?,
                Some(page) => {
                    for token in page.split((!is_at_end).then_some(&*block)) {
                        let step = page.process(token, &mut self.state, &context.scope());
                        self.perform(context, page, step, depth).await?;
                    }
                }
            }
            if is_at_end {
                return Ok(());
            }
        }
    }

    async fn perform(
        &mut self,
        context: &RequestContext<'c>,
        page: &Page<'_>,
        step: Option<Step>,
        depth: usize,
    ) -> Result<(), SendError> {
        let mut message = None;
        match step {
            None => {}
            Some(Step::Text(text)) => self.output.push(&text).map_err(SendError::SpoolFile)?,
            Some(Step::Include(include)) if depth == MAX_DEPTH => {
                message = Some(format!("subrequests cycle while processing \"{}\"", include.path.escape_ascii()));
            }
            Some(Step::Include(include)) if self.includes == MAX_INCLUDES => {
                message = Some(format!("too many subrequests while processing \"{}\"", include.path.escape_ascii()));
            }
            Some(Step::Include(include)) => {
                self.includes += 1;
                self.include(context, include, depth).await?;
            }
            Some(Step::Failed(failure)) => message = Some(failure),
        }
        if let Some(message) = message {
            context.log_error(Severity::Error, &message, None);
            self.output.push(page.error_text()).map_err(SendError::SpoolFile)?;
        }
        Ok(())
    }

    /// Appends the content of a subrequest, or sets a variable to it.
    fn include<'s>(
        &'s mut self,
        context: &'s RequestContext<'c>,
        include: Include,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<(), SendError>> + 's>> {
        Box::pin(async move {
            let Include { path, args, variable, stub } = include;
            let fetched = fetch(context, self.upstreams, &path, args, stub.is_some()).await;
            let fragment = match (fetched, stub) {
                (None, _) => return Ok(()),
                (Some(fragment), Some(stub)) => fragment.or_stub(&stub).map_err(SendError::SpoolFile)?,
                (Some(fragment), None) => fragment,
            };
            let Fragment { context: inner, content, has_commands } = fragment;
            let Some(variable) = variable else {
                let appended = self.append(&inner, content, has_commands, depth + 1).await;
                self.keep_for_update(inner);
                return appended;
            };
            let output = std::mem::replace(&mut self.output, new_spool(context));
            let appended = self.append(&inner, content, has_commands, depth + 1).await;
            let mut value = std::mem::replace(&mut self.output, output).finish();
            self.keep_for_update(inner);
            appended?;
            let mut bytes = vec![0; value.left()];
            value.read_exact(&mut bytes).map_err(SendError::SpoolFile)?;
            self.state.set(&variable, bytes);
            Ok(())
        })
    }

    fn keep_for_update(&mut self, subrequest: RequestContext<'c>) {
        if subrequest.update.is_some() {
            self.stale_subrequests.push(subrequest);
        }
    }
}

/// Sends a subrequest. None if it has no response. If `is_stubbed`, the response to an error is empty.
async fn fetch<'c>(
    context: &RequestContext<'c>,
    upstreams: &Upstreams,
    path: &[u8],
    args: Option<Vec<u8>>,
    is_stubbed: bool,
) -> Option<Fragment<'c>> {
    let mut inner = context.subrequest();
    inner.route.method = b"GET";
    if is_stubbed {
        inner.route.error_pages = ErrorPages::Stubbed;
    }
    let (phases, route) = inner.phases();
    let mut action = phases.begin_subrequest_with_args(route, path, args.map(Into::into));
    loop {
        inner.log_notes();
        let status = inner.route.status;
        let responded = match action {
            Action::Pass(pass) => match pass_on(&mut inner, upstreams, pass).await {
                Err(Unfetched::Override(substitute)) => Err(substitute),
                Ok(fetched) => return Some(fragment(inner, fetched)),
                Err(Unfetched::Failed) => return None,
            },
            Action::Page(_) if is_stubbed => {
                let has_commands = inner.config().ssi.is_some();
                return Some(fragment(inner, (new_spool(context).finish(), has_commands)));
            }
            Action::Page(status) => Ok(local::page(&inner, status)),
            Action::Text { status: own, text } => {
                local::respond(&inner, status.unwrap_or(own), LocalContent::Text(text))
            }
            Action::File(opened) => local::respond(&inner, status.unwrap_or(200), LocalContent::File(opened)),
            Action::Generated(generated) => {
                local::respond(&inner, status.unwrap_or(200), LocalContent::Generated(generated))
            }
            // a subrequest has neither
            Action::Authorize(_) | Action::Mirror(_) | Action::Drop(_) => return None,
        };
        let substitute = match responded {
            Ok(mut response) => {
                let collected = collect_own(&inner, &mut response).await;
                return match collected {
                    Ok(content) => Some(fragment(inner, (content, response.assembly.is_some()))),
                    Err(error) => {
                        inner.log_error(Severity::Error, &error.message(), None);
                        None
                    }
                };
            }
            Err(substitute) => substitute,
        };
        inner.route.preserve(&substitute.kept);
        let (phases, route) = inner.phases();
        action = match substitute.substitute {
            Substitute::Page(status) => phases.finish(route, status),
            Substitute::Path(target) => phases.follow(route, &target),
            Substitute::Authorized(status) => phases.resume_authorized(route, status),
        };
    }
}

fn fragment<'c>(context: RequestContext<'c>, fetched: (SpoolReader, bool)) -> Fragment<'c> {
    let (content, has_commands) = fetched;
    Fragment { context, content, has_commands }
}

/// Collects the response's own content, which a subrequest has no other filters for.
async fn collect_own(context: &RequestContext<'_>, response: &mut Response) -> Result<SpoolReader, SendError> {
    let filters = response.assembly.as_mut().map_or(&mut response.filters, |assembly| &mut assembly.filters);
    collect(context, &mut response.body, filters.as_deref_mut()).await
}

enum Unfetched {
    /// Another response takes the place of the upstream's.
    Override(ResponseOverride),
    Failed,
}

impl From<ForwardError> for Unfetched {
    fn from(error: ForwardError) -> Unfetched {
        match error {
            ForwardError::Status(status) | ForwardError::RequestBody(status) => {
                Unfetched::Override(ResponseOverride::page(status))
            }
            ForwardError::ClientGone | ForwardError::Aborted => Unfetched::Failed,
        }
    }
}

/// Passes a subrequest to an upstream. Returns the content of the response, and whether it has commands.
async fn pass_on(
    context: &mut RequestContext<'_>,
    upstreams: &Upstreams,
    pass: &ProxyPass,
) -> Result<(SpoolReader, bool), Unfetched> {
    let own = pass.request.body.as_ref().map(|body| body.value(&context.scope()));
    let length = own.as_ref().map_or(pass.length_without_body(), |own| BodyLength::Sized(own.len() as u64));
    let mut request_body = RequestBody::of_bytes(own.unwrap_or_default());
    let mut timer = Timer::new();
    let mut source = RequestSource { incoming: None, body: &mut request_body, timer: &mut timer };
    let (mut forwarding, mut response) =
        match subrequest_exchange::fetch(context, upstreams, pass, length, &mut source).await? {
            SubrequestResponse::Stored(stored) => return respond_stored(context, pass, *stored).await,
            SubrequestResponse::Received(_, response) if response.head.status == 101 => return Err(Unfetched::Failed),
            SubrequestResponse::Received(forwarding, response) => (forwarding, *response),
        };
    let accel = AccelHeaders::parse(response.head.fields(), pass);
    let charset = accel.charset.map(<[u8]>::to_vec);
    let mut replaced = ResponseOverride::decide(context, pass, &response.head, &accel);
    if replaced.is_none() {
        if pass.cache.is_some() {
            cache_reception::store(context, pass, &mut response);
        }
        rewrite::rewrite(&mut response.head, pass, &context.scope());
        replaced = filters::apply(context, &mut response, charset.as_deref()).err();
    }
    if let Some(substitute) = replaced {
        forwarding.finish(context, response.body);
        return Err(Unfetched::Override(substitute));
    }
    match collect_own(context, &mut response).await {
        Ok(content) => {
            cached_response::finish_copy(context, &mut response.body);
            forwarding.finish(context, response.body);
            Ok((content, response.assembly.is_some()))
        }
        Err(error) => {
            let failed = forwarding.fail(context, &response.body, &error.message(), source.body);
            Err(failed.into())
        }
    }
}

/// The content of a stored response, and whether it has commands.
async fn respond_stored(
    context: &mut RequestContext<'_>,
    pass: &ProxyPass,
    stored: StoredResponse,
) -> Result<(SpoolReader, bool), Unfetched> {
    let mut response = cached_response::respond(context, pass, stored).map_err(Unfetched::Override)?;
    match collect_own(context, &mut response).await {
        Ok(content) => Ok((content, response.assembly.is_some())),
        Err(error) => {
            context.log_error(Severity::Error, &error.message(), None);
            Err(Unfetched::Failed)
        }
    }
}
