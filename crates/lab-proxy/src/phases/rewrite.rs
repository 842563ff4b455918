//! Runs the directives of the rewrite module.

use std::borrow::Cow;

use super::file_system::FileKind;
use super::{Action, Flow, Phases, append_args};
use crate::config::location::rewrite::{Condition, FileTest, Instruction, Return, Rewrite, RewriteFlag, SetTarget};
use crate::config::logs::Severity;
use crate::routing::route::{Route, UriAlignment, UriOrigin};
use crate::routing::uri;

/// Runs a script. [`Flow::FindLocation`] if it changed the path.
pub(super) fn run<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>, script: &'a [Instruction]) -> Flow<'a> {
    let mut is_changed = false;
    match run_block(phases, route, script, &mut is_changed) {
        Some(flow) => flow,
        None if is_changed => Flow::FindLocation,
        None => Flow::Continue,
    }
}

/// The flow that ends the whole script; none if the script continues after the block. `is_changed` is set if the path
/// changed, so that a location must be searched for.
fn run_block<'a>(
    phases: &Phases<'a, '_>,
    route: &mut Route<'a>,
    script: &'a [Instruction],
    is_changed: &mut bool,
) -> Option<Flow<'a>> {
    for instruction in script {
        match instruction {
            Instruction::Set { target, value } => {
                let value = value.value(&phases.scope(route));
                match target {
                    SetTarget::Slot(slot) => route.values.set(*slot, &value),
                    SetTarget::Args => route.args = Some(Cow::Owned(value)),
                    // as in nginx: an invalid size is ignored
                    SetTarget::LimitRate => route.limit_rate = parse_rate(&value).or(route.limit_rate),
                }
            }
            Instruction::Break => {
                *is_changed = false;
                return Some(Flow::Continue);
            }
            Instruction::Return(directive) => return Some(return_now(phases, route, directive)),
            Instruction::Rewrite(rewrite) => {
                if let Some(flow) = rewrite_path(phases, route, rewrite, is_changed) {
                    return Some(flow);
                }
            }
            Instruction::If { condition, location, then } => {
                if !is_true(phases, route, condition) {
                    continue;
                }
                if let Some(location) = location {
                    route.location = location;
                    route.pass = location.pass.as_ref();
                }
                if let Some(flow) = run_block(phases, route, then, is_changed) {
                    return Some(flow);
                }
            }
        }
    }
    None
}

fn parse_rate(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok().and_then(lab_nginx_conf::parse_size)
}

fn rewrite_path<'a>(
    phases: &Phases<'a, '_>,
    route: &mut Route<'a>,
    rewrite: &Rewrite,
    is_changed: &mut bool,
) -> Option<Flow<'a>> {
    if !rewrite.pattern.matches(&route.uri, &route.values) {
        // as in nginx: the captures of an earlier expression are lost
        route.values.set_captures(b"", &[]);
        return None;
    }
    // as in nginx: captures are escaped again only if the client's target had escapes or a plus
    let target = phases.request.head.target();
    let escapes = memchr::memchr2(b'%', b'+', target).is_some();
    let scope = phases.scope(route);
    if let RewriteFlag::Redirect(status) = rewrite.then {
        let mut target = Vec::new();
        if escapes {
            rewrite.replacement.write_escaping_captures(&scope, &mut target);
        } else {
            rewrite.replacement.write(&scope, &mut target);
        }
        let mut target = uri::unescape_redirect(&target);
        if rewrite.keeps_args && route.has_args() {
            target.push(if rewrite.has_query { b'&' } else { b'?' });
            target.extend_from_slice(route.args());
        }
        route.redirect = Some(target);
        return Some(Flow::Status(status));
    }
    let path = rewrite.replacement.value(&scope);
    let mut args = rewrite.args.as_ref().map(|template| {
        let mut args = Vec::new();
        if escapes {
            template.write_escaping_captures(&scope, &mut args);
        } else {
            template.write(&scope, &mut args);
        }
        args
    });
    if let Some(args) = args.as_mut().filter(|_| rewrite.keeps_args && route.has_args()) {
        args.push(b'&');
        args.extend_from_slice(route.args());
    }
    match args {
        Some(args) => route.args = Some(Cow::Owned(args)),
        None if !rewrite.keeps_args => route.args = Some(Cow::Borrowed(b"")),
        None => {}
    }
    if path.is_empty() {
        route.note(Severity::Error, "the rewritten URI has a zero length");
        return Some(Flow::Status(500));
    }
    route.uri = Cow::Owned(path);
    route.origin = UriOrigin::Configuration;
    *is_changed = true;
    match rewrite.then {
        RewriteFlag::Break => {
            route.alignment = UriAlignment::Detached;
            *is_changed = false;
            Some(Flow::Continue)
        }
        RewriteFlag::Last => Some(Flow::FindLocation),
        RewriteFlag::Next | RewriteFlag::Redirect(_) => None,
    }
}

fn return_now<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>, directive: &Return) -> Flow<'a> {
    route.returned = Some(directive.status);
    let text = directive.text.as_ref().map(|text| text.value(&phases.scope(route)));
    match (directive.status, text) {
        // as in nginx: no response, as if the client had left
        (status @ (408 | 444 | 499), None) => Flow::Done(Action::Drop(status)),
        (status @ (301 | 302 | 303 | 307 | 308), text) => {
            route.redirect = Some(text.unwrap_or_default());
            Flow::Status(status)
        }
        (status @ 400.., None) => Flow::Status(status),
        (status, text) => Flow::Done(Action::Text { status, text: text.unwrap_or_default() }),
    }
}

fn is_true(phases: &Phases<'_, '_>, route: &mut Route<'_>, condition: &Condition) -> bool {
    let scope = phases.scope(route);
    match condition {
        Condition::True(variable) => !matches!(&*variable.value(&scope), b"" | b"0"),
        Condition::Equal { left, right, negated } => (left.value(&scope) == right.value(&scope)) != *negated,
        Condition::Matches { text, pattern, negated } => {
            let is_match = pattern.matches(&text.value(&scope), &route.values);
            if !is_match {
                route.values.set_captures(b"", &[]);
            }
            is_match != *negated
        }
        Condition::File { path, kind, negated } => {
            let found = phases.metadata(route, &path.value(&scope)).ok();
            let is_match = found.is_some_and(|found| match kind {
                FileTest::File => found.kind == FileKind::File,
                FileTest::Folder => found.kind == FileKind::Folder,
                FileTest::Exists => true,
                FileTest::Executable => found.is_executable,
            });
            is_match != *negated
        }
    }
}

/// The target of a redirect to the request's path with a slash at its end.
pub(super) fn with_slash(route: &Route<'_>) -> Vec<u8> {
    let mut target = Vec::new();
    uri::escape(&route.uri, &mut target);
    target.push(b'/');
    append_args(&mut target, route.args());
    target
}
