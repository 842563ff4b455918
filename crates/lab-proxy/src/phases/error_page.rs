//! `error_page`: replaces the bare page of a status.

use super::{Action, Flow, Phases};
use crate::config::location::error_page::ErrorPageStatus;
use crate::routing::route::{ConnectionReuse, ErrorPages, Route};
use crate::routing::uri;

/// Continues with the error page of a status, or ends with the status itself.
pub(super) fn apply<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>, status: u16) -> Flow<'a> {
    route.own_status = Some(status).filter(|status| matches!(status, 494..=497));
    route.status = Some(match status {
        // as in nginx: clients do not see the codes that only nginx has
        494..=497 => 400,
        status => status,
    });
    // as in nginx: after these the connection cannot be reused
    if matches!(status, 400 | 413 | 414 | 495..=497 | 500 | 501) {
        route.connection = ConnectionReuse::Forbidden;
    }
    let rules = &route.location.config;
    let may_have_page = route.error_pages == ErrorPages::Allowed && !route.changes.is_spent();
    let Some(page) = rules.error_page(status).filter(|_| may_have_page) else {
        return Flow::Done(Action::Page(route.status.unwrap_or(status)));
    };
    if !rules.recursive_error_pages {
        route.error_pages = ErrorPages::Used;
    }
    match page.response {
        ErrorPageStatus::Unchanged => {}
        ErrorPageStatus::FromPage => route.status = None,
        ErrorPageStatus::Fixed(status) => route.status = Some(status),
    }
    let target = page.page.value(&phases.scope(route));
    match target.first() {
        Some(b'/') => {
            let (path, args) = uri::split_args(&target);
            let (path, args) = (path.to_vec(), args.map(<[u8]>::to_vec));
            if route.method != b"HEAD" {
                route.method = b"GET";
            }
            route.redirect = None;
            phases.redirect(route, path, args)
        }
        Some(b'@') => {
            route.redirect = None;
            phases.redirect_to_name(route, &target)
        }
        _ => {
            let status = match page.response {
                ErrorPageStatus::Fixed(status @ (301 | 302 | 303 | 307 | 308)) => status,
                _ => 302,
            };
            route.status = Some(status);
            route.redirect = Some(target);
            Flow::Done(Action::Page(status))
        }
    }
}
