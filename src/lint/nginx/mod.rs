//! Rules for nginx.conf.
//!
//! Each file has the rules of one theme and checks one block at a time. Inherited directives are looked up in the
//! enclosing blocks by nginx's rule: a block that has a directive of a list inherits none of that list.

mod scope;

mod certificates;
mod client;
mod conditions;
mod fields;
mod files;
mod injection;
mod pass_targets;
mod proxied;
mod requests;
mod secrets;
mod server_names;
mod tls;
mod upstreams;
mod versions;

use std::time::SystemTime;

use lab_nginx_conf::Directive;
use lab_proxy::config::nginx_version::NginxVersion;

use super::finding::Finding;
use super::rule::Rule;
use super::spoofable_field::SpoofableField;
use scope::Block;

pub use certificates::expired_certificates;
pub use pass_targets::{addresses_of, pass_targets};
pub use proxied::{ProxiedLocation, ProxyChain, proxied_locations, proxy_chains};
pub use server_names::unrequested_names;

/// The rules for nginx.conf, in the order of `lab lint --rules`.
pub const RULES: &[&Rule] = &[
    &fields::MISSPELT_HEADER,
    &fields::LINE_BREAK_IN_FIELD,
    &fields::SET_HEADER_NOT_INHERITED,
    &fields::ADD_HEADER_NOT_INHERITED,
    &fields::ADD_HEADER_WITHOUT_ALWAYS,
    &fields::SERVER_PASSED_THROUGH,
    &client::FORWARDED_FOR_UNSET,
    &client::FORWARDED_FOR_FROM_CLIENT,
    &client::FORWARDED_PROTO_UNSET,
    &client::FORWARDED_FIELD_PASSED_ON,
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
    &upstreams::KEEPALIVE_BY_DEFAULT,
    &versions::LISTEN_HTTP2,
    &versions::OBSOLETE_DIRECTIVE,
    &versions::TLS_VERSIONS_BY_DEFAULT,
    &tls::OLD_TLS,
    &tls::WEAK_CIPHERS,
    &certificates::CERTIFICATE_EXPIRED,
    &secrets::SECRET_IN_CONFIGURATION,
];

/// The findings in a configuration, by file and line. It may be a whole nginx.conf, or a site's file that `http`
/// includes. With a version of nginx, the findings are for that one; otherwise for any.
#[must_use]
pub fn lint(tree: &[Directive], version: Option<NginxVersion>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    visit(&Block::of_version(tree, version), &mut findings);
    findings.extend(expired_certificates(tree, SystemTime::now()));
    // a setting that several locations inherit is reported once
    let mut reported = Vec::new();
    findings.retain(|finding| {
        let key = (finding.rule, finding.location.clone());
        let is_new = !reported.contains(&key);
        reported.push(key);
        is_new
    });
    findings.sort_by(|a, b| (&a.location.file, a.location.span.start).cmp(&(&b.location.file, b.location.span.start)));
    findings
}

#[must_use]
pub fn spoofable_fields(tree: &[Directive]) -> Vec<SpoofableField> {
    let mut fields = Vec::new();
    client::collect_spoofable(&Block::top_level(tree), &mut fields);
    fields
}

fn visit(block: &Block, findings: &mut Vec<Finding>) {
    for check in [
        fields::check as fn(&Block, &mut Vec<Finding>),
        client::check,
        conditions::check,
        files::check,
        injection::check,
        upstreams::check,
        requests::check,
        tls::check,
        versions::check,
        secrets::check,
    ] {
        check(block, findings);
    }
    for child in block.children() {
        visit(&child, findings);
    }
}
