//! Copies of an upstream's content: the files of `proxy_store`, and the entries of a cache.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::parse_http_date;
use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::context::{RequestContext, StoredFile};
use crate::downstream::cached_response;
use crate::response::{Body, ContentCopy, Response};

/// `proxy_store`: has the content of a response copied to a file. Returns the response's date.
pub(super) fn begin_file(
    context: &RequestContext<'_>,
    pass: &ProxyPass,
    response: &mut Response,
) -> Option<SystemTime> {
    let rules = pass.store.as_ref().filter(|_| response.head.received_status() == 200 && !context.is_head())?;
    let scope = context.scope();
    let path = match &rules.path {
        Some(path) => path.value(&scope),
        None => context.route.location.root.file_path(&scope)?.bytes,
    };
    let modified = response.head.fields().get("last-modified").and_then(parse_http_date);
    let modified = modified.and_then(|seconds| u64::try_from(seconds).ok());
    let modified = modified.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    let created = StoredFile::create(&path, rules.access);
    let stored = created.and_then(|file| match &mut response.body {
        Body::Stream(stream) => {
            stream.copy_to(ContentCopy::File(file));
            Ok(())
        }
        _ => file.finish(modified),
    });
    if let Err(error) = stored {
        log_failure(context, &error);
    }
    modified
}

/// Puts the copy of a complete response in its place.
pub(super) fn finish(context: &RequestContext<'_>, body: &mut Body, modified: Option<SystemTime>) {
    let Body::Stream(stream) = body else { return };
    match stream.take_copy() {
        None => {}
        Some(ContentCopy::File(file)) => {
            if let Err(error) = file.finish(modified) {
                log_failure(context, &error);
            }
        }
        Some(ContentCopy::Entry(writer)) => cached_response::finish(context, *writer),
    }
}

fn log_failure(context: &RequestContext<'_>, error: &std::io::Error) {
    context.log_error(Severity::Crit, &format!("a response cannot be stored ({error})"), None);
}
