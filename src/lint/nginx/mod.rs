//! Rules about nginx.conf.
//!
//! Each file holds the rules of one theme and looks at one block at a time, with the blocks around it:
//! what nginx inherits is looked up there, by nginx's own rule that a level which says anything of a list's directive
//! inherits nothing of it.

mod scope;

mod client;
mod conditions;
mod fields;
mod files;
mod injection;
mod requests;
mod upstreams;

use lab_nginx_conf::Directive;

use super::finding::{Finding, Place};
use super::rule::Rule;
use scope::Block;

/// The rules about nginx.conf, in the order in which their documentation is best read.
pub const RULES: &[&Rule] = &[
    &fields::MISSPELT_HEADER,
    &fields::SET_HEADER_NOT_INHERITED,
    &fields::ADD_HEADER_NOT_INHERITED,
    &fields::SERVER_PASSED_THROUGH,
    &client::FORWARDED_FOR_UNSET,
    &client::FORWARDED_FOR_FROM_CLIENT,
    &client::FORWARDED_PROTO_UNSET,
    &client::FORWARDED_PROTO_FROM_CLIENT,
    &client::HOST_UNSET,
    &client::REAL_IP_FROM_EVERYONE,
    &client::UNDERSCORES_IN_HEADERS,
    &conditions::INVERTED_FILE_TEST,
    &conditions::IF_IN_LOCATION,
    &files::ALIAS_TRAVERSAL,
    &files::ALIAS_WITHOUT_SLASH,
    &files::DEFAULT_ROOT,
    &files::PASS_WITHOUT_SLASH,
    &files::REGEX_DOT,
    &injection::DECODED_URI,
    &upstreams::KEEPALIVE_UNUSED,
    &upstreams::UPGRADE_INCOMPLETE,
    &upstreams::REPEATS_POST,
    &requests::UNBUFFERED_REQUESTS,
    &requests::UNBUFFERED_RESPONSES,
];

/// Everything the rules have against a configuration, by file and line. The
/// configuration may be a whole nginx.conf or one site's file, as it is included in `http`.
#[must_use]
pub fn lint(tree: &[Directive]) -> Vec<Finding> {
    let mut found = Vec::new();
    visit(&Block::outermost(tree), &mut found);
    // a setting that several locations inherit is told once
    let mut seen = Vec::new();
    found.retain(|finding| {
        let place = (finding.rule, finding.place.clone());
        let first = !seen.contains(&place);
        seen.push(place);
        first
    });
    found.sort_by(|a, b| (&a.place.file, a.place.span.start).cmp(&(&b.place.file, b.place.span.start)));
    found
}

/// A field that a configuration leaves to the client, though applications take it for the proxy's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unset {
    /// Its name.
    pub field: &'static str,
    /// The first `proxy_pass` that sends it as it came.
    pub place: Place,
}

/// The fields about the client that reach the application as the client sent them.
#[must_use]
pub fn unset(tree: &[Directive]) -> Vec<Unset> {
    let mut found = Vec::new();
    client::collect_unset(&Block::outermost(tree), &mut found);
    found
}

fn visit(block: &Block, found: &mut Vec<Finding>) {
    for check in [
        fields::check as fn(&Block, &mut Vec<Finding>),
        client::check,
        conditions::check,
        files::check,
        injection::check,
        upstreams::check,
        requests::check,
    ] {
        check(block, found);
    }
    for inner in block.inner() {
        visit(&inner, found);
    }
}
