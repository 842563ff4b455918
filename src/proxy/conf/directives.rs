//! The directives lab knows: where each may stand, and in what shape. [`check`] holds a tree against the table.
//!
//! Values are judged later, by who reads them.

use std::fmt;

use super::error::{ConfError, ConfErrorKind, closest};
use super::syntax::Directive;

/// A block that directives stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Outside of every block.
    Main,
    /// `events { }`
    Events,
    /// `http { }`
    Http,
    /// `upstream name { }`
    Upstream,
    /// `server { }`
    Server,
    /// `location path { }`
    Location,
}

impl Context {
    /// The block's name as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Context::Main => "the main level",
            Context::Events => "\"events\"",
            Context::Http => "\"http\"",
            Context::Upstream => "\"upstream\"",
            Context::Server => "\"server\"",
            Context::Location => "\"location\"",
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What ends a directive, and how often it may stand in one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Ends with `;`, stands once.
    Once,
    /// Ends with `;`, stands any number of times.
    Many,
    /// Opens a block, stands once.
    OneBlock(Context),
    /// Opens a block, stands any number of times.
    Blocks(Context),
}

struct Rule {
    name: &'static str,
    contexts: &'static [Context],
    /// The least and the greatest number of arguments.
    args: (usize, usize),
    shape: Shape,
}

const MAIN: &[Context] = &[Context::Main];
const EVENTS: &[Context] = &[Context::Events];
const HTTP: &[Context] = &[Context::Http];
const UPSTREAM: &[Context] = &[Context::Upstream];
const SERVER: &[Context] = &[Context::Server];
const LOCATION: &[Context] = &[Context::Location];
const HTTP_SERVER: &[Context] = &[Context::Http, Context::Server];
const REQUEST: &[Context] = &[Context::Http, Context::Server, Context::Location];
const ANYWHERE_BUT_EVENTS: &[Context] = &[Context::Main, Context::Http, Context::Server, Context::Location];
const ANY_NUMBER: usize = usize::MAX;

const fn rule(name: &'static str, contexts: &'static [Context], args: (usize, usize), shape: Shape) -> Rule {
    Rule { name, contexts, args, shape }
}

/// In nginx's order: core, events, http, upstream, server, location, proxy.
const RULES: &[Rule] = &[
    rule("user", MAIN, (1, 2), Shape::Once),
    rule("worker_processes", MAIN, (1, 1), Shape::Once),
    rule("pid", MAIN, (1, 1), Shape::Once),
    rule("daemon", MAIN, (1, 1), Shape::Once),
    rule("master_process", MAIN, (1, 1), Shape::Once),
    rule("worker_cpu_affinity", MAIN, (1, ANY_NUMBER), Shape::Once),
    rule("worker_shutdown_timeout", MAIN, (1, 1), Shape::Once),
    rule("error_log", ANYWHERE_BUT_EVENTS, (1, 2), Shape::Once),
    rule("events", MAIN, (0, 0), Shape::OneBlock(Context::Events)),
    rule("worker_connections", EVENTS, (1, 1), Shape::Once),
    rule("http", MAIN, (0, 0), Shape::OneBlock(Context::Http)),
    rule("log_format", HTTP, (2, ANY_NUMBER), Shape::Many),
    rule("access_log", REQUEST, (1, 2), Shape::Many),
    rule("upstream", HTTP, (1, 1), Shape::Blocks(Context::Upstream)),
    rule("server", UPSTREAM, (1, ANY_NUMBER), Shape::Many),
    rule("keepalive", UPSTREAM, (1, 1), Shape::Once),
    rule(
        "keepalive_requests",
        &[Context::Http, Context::Server, Context::Location, Context::Upstream],
        (1, 1),
        Shape::Once,
    ),
    rule("keepalive_timeout", REQUEST, (1, 2), Shape::Once),
    rule("keepalive_timeout", UPSTREAM, (1, 1), Shape::Once),
    rule("server", HTTP, (0, 0), Shape::Blocks(Context::Server)),
    rule("listen", SERVER, (1, ANY_NUMBER), Shape::Many),
    rule("server_name", SERVER, (1, ANY_NUMBER), Shape::Many),
    rule("server_tokens", REQUEST, (1, 1), Shape::Once),
    rule("sendfile", REQUEST, (1, 1), Shape::Once),
    rule("tcp_nopush", REQUEST, (1, 1), Shape::Once),
    rule("tcp_nodelay", REQUEST, (1, 1), Shape::Once),
    rule("client_header_timeout", HTTP_SERVER, (1, 1), Shape::Once),
    rule("client_body_timeout", REQUEST, (1, 1), Shape::Once),
    rule("client_max_body_size", REQUEST, (1, 1), Shape::Once),
    rule("send_timeout", REQUEST, (1, 1), Shape::Once),
    rule("location", SERVER, (1, 2), Shape::Blocks(Context::Location)),
    rule("proxy_pass", LOCATION, (1, 1), Shape::Once),
    rule("proxy_http_version", REQUEST, (1, 1), Shape::Once),
    rule("proxy_set_header", REQUEST, (2, 2), Shape::Many),
    rule("proxy_pass_header", REQUEST, (1, 1), Shape::Many),
    rule("proxy_hide_header", REQUEST, (1, 1), Shape::Many),
    rule("proxy_redirect", REQUEST, (1, 2), Shape::Many),
    rule("proxy_connect_timeout", REQUEST, (1, 1), Shape::Once),
    rule("proxy_read_timeout", REQUEST, (1, 1), Shape::Once),
    rule("proxy_send_timeout", REQUEST, (1, 1), Shape::Once),
    // what stands between the two directions, and which server is asked
    rule("least_conn", UPSTREAM, (0, 0), Shape::Once),
    rule("ip_hash", UPSTREAM, (0, 0), Shape::Once),
    rule("hash", UPSTREAM, (1, 2), Shape::Once),
    rule("keepalive_time", UPSTREAM, (1, 1), Shape::Once),
    rule("client_body_buffer_size", REQUEST, (1, 1), Shape::Once),
    rule("client_body_temp_path", REQUEST, (1, 4), Shape::Once),
    rule("proxy_buffering", REQUEST, (1, 1), Shape::Once),
    rule("proxy_buffers", REQUEST, (2, 2), Shape::Once),
    rule("proxy_buffer_size", REQUEST, (1, 1), Shape::Once),
    rule("proxy_busy_buffers_size", REQUEST, (1, 1), Shape::Once),
    rule("proxy_max_temp_file_size", REQUEST, (1, 1), Shape::Once),
    rule("proxy_temp_file_write_size", REQUEST, (1, 1), Shape::Once),
    rule("proxy_temp_path", REQUEST, (1, 4), Shape::Once),
    rule("proxy_request_buffering", REQUEST, (1, 1), Shape::Once),
    rule("proxy_intercept_errors", REQUEST, (1, 1), Shape::Once),
    rule("proxy_ignore_client_abort", REQUEST, (1, 1), Shape::Once),
    rule("proxy_next_upstream", REQUEST, (1, ANY_NUMBER), Shape::Once),
    rule("proxy_next_upstream_tries", REQUEST, (1, 1), Shape::Once),
    rule("proxy_next_upstream_timeout", REQUEST, (1, 1), Shape::Once),
];

/// Holds every directive of a tree, from which `include`s are gone, against the table.
///
/// # Errors
/// The first directive in file order that is unknown, misplaced, misshapen, or there twice.
pub fn check(tree: &[Directive]) -> Result<(), ConfError> {
    check_block(tree, Context::Main)
}

fn check_block(block: &[Directive], context: Context) -> Result<(), ConfError> {
    for (index, directive) in block.iter().enumerate() {
        let rule = rule_for(directive, context)?;
        let name = || directive.name.clone();
        let inner = match (rule.shape, &directive.block) {
            (Shape::OneBlock(_) | Shape::Blocks(_), None) => {
                return Err(directive.error(ConfErrorKind::NoBlock { name: name() }));
            }
            (Shape::Once | Shape::Many, Some(_)) => {
                return Err(directive.error(ConfErrorKind::NotABlock { name: name() }));
            }
            (Shape::OneBlock(inner) | Shape::Blocks(inner), Some(block)) => Some((inner, block)),
            (Shape::Once | Shape::Many, None) => None,
        };
        let (least, most) = rule.args;
        if !(least..=most).contains(&directive.args.len()) {
            let found = directive.args.len();
            let accepted = arguments_in_words(least, most);
            return Err(directive.error(ConfErrorKind::Arguments { name: name(), accepted, found }));
        }
        let once = matches!(rule.shape, Shape::Once | Shape::OneBlock(_));
        if once && block[..index].iter().any(|earlier| earlier.name == directive.name) {
            return Err(directive.error(ConfErrorKind::Duplicate { name: name() }));
        }
        if let Some((inner, block)) = inner {
            check_block(block, inner)?;
        }
    }
    Ok(())
}

fn rule_for(directive: &Directive, context: Context) -> Result<&'static Rule, ConfError> {
    let mut allowed = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.name == directive.name) {
        if rule.contexts.contains(&context) {
            return Ok(rule);
        }
        allowed.extend_from_slice(rule.contexts);
    }
    let name = directive.name.clone();
    Err(directive.error(if allowed.is_empty() {
        let hint = closest(&name, RULES.iter().map(|rule| rule.name).chain(["include"]));
        ConfErrorKind::UnknownDirective { name, hint }
    } else {
        ConfErrorKind::NotAllowedHere { name, context, allowed }
    }))
}

fn arguments_in_words(least: usize, most: usize) -> String {
    let noun = |count| if count == 1 { "argument" } else { "arguments" };
    match (least, most) {
        (0, 0) => "none".to_owned(),
        (least, most) if least == most => format!("{least} {}", noun(least)),
        (least, ANY_NUMBER) => format!("at least {least} {}", noun(least)),
        (least, most) => format!("{least} to {most} arguments"),
    }
}
