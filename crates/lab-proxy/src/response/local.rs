//! Local responses: pages, texts of the configuration, files.

use lab_http::h1::write::decimal;
use lab_http::message::{date, is_bodyless};

use crate::config::location::static_files::IfModifiedSince;
use crate::context::RequestContext;
use crate::phases::conditional::{self, Precondition, Validators};
use crate::phases::file_system::OpenedFile;
use crate::phases::{GeneratedContent, media_type};
use crate::response::redirect::{write_origin, write_target};
use crate::response::rewrite::{add_fields, kept_fields};
use crate::response::{Body, Head, RangeValidators, Response, ResponseOverride, error_page, filters};

/// The content of a local response.
#[derive(Debug)]
pub(crate) enum LocalContent<'a> {
    /// The page for the status, with [`Route::redirect`](crate::routing::route::Route::redirect) if there is one.
    Page,
    /// A text, with the media type of the path.
    Text(Vec<u8>),
    File(OpenedFile<'a>),
    Generated(GeneratedContent),
}

/// The response to a request that is not passed on; or an override, if a precondition fails (RFC 9110 §13).
pub(crate) fn respond(
    context: &RequestContext<'_>,
    status: u16,
    content: LocalContent<'_>,
) -> Result<Response, ResponseOverride> {
    let tag = match &content {
        LocalContent::File(opened) => context.config().etag.then(|| opened.metadata.entity_tag()),
        LocalContent::Page | LocalContent::Text(_) | LocalContent::Generated(_) => None,
    };
    let mut response = match evaluate_conditions(context, status, &content, tag.as_deref()) {
        Precondition::Failed => return Err(ResponseOverride::page(412)),
        Precondition::NotModified => build(context, 304, content, tag),
        Precondition::Send => build(context, status, content, tag),
    };
    filters::apply(context, &mut response, None)?;
    Ok(response)
}

/// The page for a status.
pub(crate) fn page(context: &RequestContext<'_>, status: u16) -> Response {
    let mut response = build(context, status, LocalContent::Page, None);
    // only a file has ranges that could fail
    _ = filters::apply(context, &mut response, None);
    response
}

fn evaluate_conditions(
    context: &RequestContext<'_>,
    status: u16,
    content: &LocalContent<'_>,
    tag: Option<&[u8]>,
) -> Precondition {
    let modified = match content {
        // as in nginx: the conditions are for the whole response
        _ if status != 200 || context.route.is_subrequest => return Precondition::Send,
        LocalContent::Page => return Precondition::Send,
        // the phases have evaluated them
        LocalContent::File(OpenedFile { file: None, .. }) => return Precondition::NotModified,
        own => modified(own),
    };
    let dates: IfModifiedSince = context.config().if_modified_since;
    conditional::evaluate(&context.request.head.headers, Validators { tag, modified }, dates)
}

/// When the content was last modified, in seconds since 1970.
fn modified(content: &LocalContent<'_>) -> Option<i64> {
    match content {
        LocalContent::Page | LocalContent::Text(_) => None,
        LocalContent::Generated(generated) => generated.modified,
        LocalContent::File(opened) => Some(opened.metadata.modified),
    }
}

/// Builds head and body, in nginx's order of fields.
fn build(context: &RequestContext<'_>, status: u16, content: LocalContent<'_>, tag: Option<Vec<u8>>) -> Response {
    let rules = context.config();
    let scope = context.scope();
    let has_body = !is_bodyless(status);
    let is_replaced = |name: &str| rules.added.replaced.contains(name.as_bytes());
    // the type of the replaced upstream response
    let kept_type = context.route.preserved.get("content-type");
    let page = match content {
        LocalContent::Page => {
            error_page::html(status, rules.server_tokens, context.route.own_status.filter(|_| status == 400))
        }
        LocalContent::Text(_) | LocalContent::File(_) | LocalContent::Generated(_) => None,
    };
    let (media_type, length) = match &content {
        LocalContent::Page => (page.as_ref().map(|_| error_page::MEDIA_TYPE.as_bytes()), page_length(page.as_deref())),
        LocalContent::Text(text) => {
            (kept_type.or_else(|| Some(media_type(&context.route).as_bytes())), text.len() as u64)
        }
        LocalContent::Generated(GeneratedContent { media_type, content, .. }) => {
            (Some(media_type.as_bytes()), content.len() as u64)
        }
        LocalContent::File(opened) => (kept_type.or(Some(opened.media_type.as_bytes())), opened.metadata.size),
    };

    let mut head = Head::local(status, rules.server_tokens);
    let fields = head.fields_mut();
    if let Some(media_type) = media_type.filter(|media_type| has_body && !media_type.is_empty()) {
        fields.push("Content-Type", media_type);
    }
    let hides_length = matches!(content, LocalContent::Generated(GeneratedContent { hides_length: true, .. }));
    if has_body && !hides_length {
        let mut text = Vec::with_capacity(20);
        decimal(&mut text, length);
        fields.push("Content-Length", text);
    }
    if let Some(modified) = modified(&content)
        && matches!(status, 200 | 304)
        && !is_replaced("Last-Modified")
    {
        // a time before 1970 counts as 1970
        fields.push("Last-Modified", date::of(u64::try_from(modified).unwrap_or(0)));
    }
    if let (LocalContent::Page, Some(target)) = (&content, &context.route.redirect) {
        let mut location = Vec::new();
        if rules.absolute_redirect && target.starts_with(b"/") {
            write_origin(&scope, &mut location);
        }
        write_target(target, &mut location);
        fields.push("Location", location);
    }
    head.connection_fields_here();
    for (name, value) in kept_fields(&scope, false) {
        head.fields_mut().push(name, value);
    }
    let (mut ranges, mut varies) = (None, false);
    if let LocalContent::File(opened) = &content {
        let OpenedFile { metadata, coding, .. } = opened;
        if let Some(tag) = tag.as_ref().filter(|_| !is_replaced("ETag")) {
            head.fields_mut().push("ETag", tag);
        }
        if let Some(coding) = coding.filter(|_| has_body) {
            head.fields_mut().push("Content-Encoding", coding);
        }
        varies = opened.varies;
        // as in nginx: there are no ranges of a compressed file
        ranges = coding.is_none().then_some(RangeValidators { tag, modified: metadata.modified, size: metadata.size });
    }
    add_fields(&mut head, &scope);

    let body = match content {
        _ if !has_body || context.is_head() => Body::Empty,
        LocalContent::Page => Body::bytes(page.unwrap_or_default()),
        LocalContent::Text(text) => Body::bytes(text),
        LocalContent::Generated(generated) => Body::bytes(generated.content),
        LocalContent::File(OpenedFile { file: Some(file), metadata, .. }) => Body::file(file, metadata.size),
        LocalContent::File(OpenedFile { file: None, .. }) => Body::Empty,
    };
    Response { ranges, varies, hides_length, ..Response::new(head, body) }
}

fn page_length(page: Option<&[u8]>) -> u64 {
    page.map_or(0, <[u8]>::len) as u64
}
