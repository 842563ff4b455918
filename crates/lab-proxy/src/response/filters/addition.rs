//! `add_before_body`, `add_after_body`: has contents of other locations put around a response.

use super::weaken_tag;
use crate::context::RequestContext;
use crate::response::Response;

/// Has the contents added, if the response is of the types of the location. As in nginx, only one with status 200 is
/// changed, and none of a subrequest.
pub(super) fn apply(context: &RequestContext<'_>, response: &mut Response) {
    let Some(rules) = &context.config().addition else { return };
    let is_of_type = rules.types.contains(response.head.fields().get("content-type"));
    if response.head.status != 200 || context.route.is_subrequest || !is_of_type {
        return;
    }
    response.head.fields_mut().remove("Content-Length");
    response.head.fields_mut().remove("Accept-Ranges");
    weaken_tag(&mut response.head);
    response.ranges = None;
    if !context.is_head() {
        let assembly = response.assembly.get_or_insert_default();
        assembly.before.clone_from(&rules.before);
        assembly.after.clone_from(&rules.after);
    }
}
