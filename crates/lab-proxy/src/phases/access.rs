//! The access phase: `allow` and `deny`, then `auth_basic`, then `auth_request`, combined by `satisfy`.

use base64::Engine as _;

use super::{Action, Flow, Phases};
use crate::config::location::access::{AccessConfig, BasicAuth};
use crate::config::logs::Severity;
use crate::phases::password;
use crate::routing::route::Route;

/// What one module says.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    /// It is not configured, or no rule applies.
    Undecided,
    Granted,
    Refused(u16),
    /// It cannot decide.
    Failed(u16),
}

/// Checks access up to `auth_request`, for which the phases have to stop.
pub(super) fn check<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>) -> Flow<'a> {
    let Some(access) = &route.location.config.access else { return Flow::Continue };
    if route.is_subrequest {
        return Flow::Continue;
    }
    route.refusal = None;
    let verdict = by_address(phases, route, access);
    if let Some(flow) = combine(access, verdict, route) {
        return flow;
    }
    if let Some(basic) = &access.basic {
        let verdict = by_password(phases, route, basic);
        if let Some(flow) = combine(access, verdict, route) {
            return flow;
        }
    }
    match &access.request {
        Some(request) => Flow::Done(Action::Authorize(request)),
        None => end(access, route),
    }
}

/// Continues with the status of the subrequest.
pub(super) fn check_authorized<'a>(route: &mut Route<'a>, status: u16) -> Flow<'a> {
    let Some(access) = &route.location.config.access else { return Flow::Continue };
    let verdict = match status {
        200..=299 => Verdict::Granted,
        401 | 403 => Verdict::Refused(status),
        _ => {
            route.note(Severity::Error, format!("auth request unexpected status: {status}"));
            Verdict::Failed(500)
        }
    };
    combine(access, verdict, route).unwrap_or_else(|| end(access, route))
}

/// The flow that a verdict leads to; none if the next module decides.
fn combine<'a>(access: &AccessConfig, verdict: Verdict, route: &mut Route<'a>) -> Option<Flow<'a>> {
    match verdict {
        Verdict::Undecided => None,
        Verdict::Granted if access.any => {
            route.preserved.remove("WWW-Authenticate");
            Some(Flow::Continue)
        }
        Verdict::Granted => None,
        Verdict::Refused(status) if access.any => {
            // the client may have access with other credentials
            if route.refusal != Some(401) {
                route.refusal = Some(status);
            }
            None
        }
        Verdict::Refused(status) | Verdict::Failed(status) => Some(refuse(access, route, status)),
    }
}

/// The end of the phase with `satisfy any`, if no module has granted access.
fn end<'a>(access: &AccessConfig, route: &mut Route<'a>) -> Flow<'a> {
    match route.refusal.take() {
        None => Flow::Continue,
        Some(status) => {
            if status == 403 {
                route.note(Severity::Error, "access forbidden by rule");
            }
            refuse(access, route, status)
        }
    }
}

fn refuse<'a>(access: &AccessConfig, route: &mut Route<'a>, status: u16) -> Flow<'a> {
    if status == 401 && !access.delay.is_zero() {
        route.delay = Some(access.delay);
    }
    Flow::Status(status)
}

fn by_address(phases: &Phases<'_, '_>, route: &mut Route<'_>, access: &AccessConfig) -> Verdict {
    let client = phases.scope(route).client_ip();
    let rule = access.rules.iter().find(|rule| rule.network.is_none_or(|network| network.contains(client)));
    match rule {
        None => Verdict::Undecided,
        Some(rule) if rule.allows => Verdict::Granted,
        Some(_) => {
            if !access.any {
                route.note(Severity::Error, "access forbidden by rule");
            }
            Verdict::Refused(403)
        }
    }
}

fn by_password(phases: &Phases<'_, '_>, route: &mut Route<'_>, basic: &BasicAuth) -> Verdict {
    let realm = basic.realm.value(&phases.scope(route));
    if realm == b"off" {
        return Verdict::Undecided;
    }
    let Some((user, password)) = phases.request.head.headers.get("authorization").and_then(credentials) else {
        return challenge(route, &realm);
    };
    let mut path = basic.file.value(&phases.scope(route));
    if path.first() != Some(&b'/') {
        path.splice(0..0, basic.prefix.iter().copied());
    }
    let shown = String::from_utf8_lossy(&path).into_owned();
    let file = match phases.files.read(&path) {
        Ok(file) => file,
        Err(error) => {
            let is_missing = error.kind() == std::io::ErrorKind::NotFound;
            let (severity, status) = if is_missing { (Severity::Error, 403) } else { (Severity::Crit, 500) };
            let reason = super::file_system::error_text(&error);
            route.note(severity, format!("open() \"{shown}\" failed ({reason})"));
            return Verdict::Failed(status);
        }
    };
    let name = user.escape_ascii();
    match password::find(&file, &user) {
        None => route.note(Severity::Error, format!("user \"{name}\" was not found in \"{shown}\"")),
        Some(hash) if password::verify(&password, hash) => return Verdict::Granted,
        Some(_) => route.note(Severity::Error, format!("user \"{name}\": password mismatch")),
    }
    challenge(route, &realm)
}

/// The user and the password of `Basic` credentials (RFC 7617).
fn credentials(authorization: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, rest) = authorization.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let mut user = base64::engine::general_purpose::STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = memchr::memchr(b':', &user).filter(|colon| *colon > 0)?;
    let password = user.split_off(colon + 1);
    user.pop();
    Some((user, password))
}

fn challenge(route: &mut Route<'_>, realm: &[u8]) -> Verdict {
    let mut value = [b"Basic realm=\"", realm, b"\""].concat();
    for byte in &mut value {
        if *byte < 0x20 || *byte == 0x7f {
            *byte = b' ';
        }
    }
    route.preserved.remove("WWW-Authenticate");
    route.preserved.push("WWW-Authenticate", value);
    Verdict::Refused(401)
}
