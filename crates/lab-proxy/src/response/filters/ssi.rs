//! `ssi`: has commands in a response executed.

use super::change_validators;
use crate::context::RequestContext;
use crate::response::Response;

/// Has the commands executed, if the response is of the types of the location.
pub(super) fn apply(context: &RequestContext<'_>, response: &mut Response) {
    let Some(rules) = &context.config().ssi else { return };
    let fields = response.head.fields_mut();
    // as in nginx: nothing is changed where nothing is
    if !rules.types.contains(fields.get("content-type")) || fields.get("content-length") == Some(b"0") {
        return;
    }
    fields.remove("Content-Length");
    fields.remove("Accept-Ranges");
    change_validators(&mut response.head, rules.keeps_last_modified);
    response.ranges = None;
    if !context.is_head() {
        response.assembly.get_or_insert_default().has_commands = true;
    }
}
