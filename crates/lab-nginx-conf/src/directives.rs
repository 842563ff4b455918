//! The table of supported directives: names, contexts, numbers of arguments. Values are validated later, when each block
//! is read.

use crate::context::Context;

/// How a directive ends, and how often one block may have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Ends with `;`; at most once.
    Once,
    /// Ends with `;`; any number of times.
    Many,
    /// Opens a block; at most once.
    OneBlock(Context),
    /// Opens a block; any number of times.
    Blocks(Context),
    /// Opens a block whose lines begin with keys, not with the names of directives.
    Entries(Context),
}

/// Where a directive may stand, and in what form. A name may have several rules, for different contexts.
pub(crate) struct DirectiveRule {
    pub(crate) name: &'static str,
    pub(crate) contexts: &'static [Context],
    /// The least and the greatest number of arguments.
    pub(crate) args: (usize, usize),
    pub(crate) shape: Shape,
}

const MAIN: &[Context] = &[Context::Main];
const EVENTS: &[Context] = &[Context::Events];
const HTTP: &[Context] = &[Context::Http];
const UPSTREAM: &[Context] = &[Context::Upstream];
const SERVER: &[Context] = &[Context::Server];
const LOCATION: &[Context] = &[Context::Location];
const HTTP_SERVER: &[Context] = &[Context::Http, Context::Server];
const SERVER_LOCATION: &[Context] = &[Context::Server, Context::Location];
const REQUEST: &[Context] = &[Context::Http, Context::Server, Context::Location];
/// As REQUEST, and an `if` in a location.
const REQUEST_IF: &[Context] = &[Context::Http, Context::Server, Context::Location, Context::LocationIf];
/// The contexts of the rewrite module.
const REWRITE: &[Context] = &[Context::Server, Context::Location, Context::ServerIf, Context::LocationIf];
const ANYWHERE_BUT_EVENTS: &[Context] = &[Context::Main, Context::Http, Context::Server, Context::Location];
pub(crate) const ANY_NUMBER: usize = usize::MAX;

const fn rule(name: &'static str, contexts: &'static [Context], args: (usize, usize), shape: Shape) -> DirectiveRule {
    DirectiveRule { name, contexts, args, shape }
}

/// In the order of nginx's documentation: core, events, http, upstream, server, location, rewrite, real ip, proxy.
pub(crate) const RULES: &[DirectiveRule] = &[
    rule("user", MAIN, (1, 2), Shape::Once),
    rule("worker_processes", MAIN, (1, 1), Shape::Once),
    rule("pid", MAIN, (1, 1), Shape::Once),
    rule("daemon", MAIN, (1, 1), Shape::Once),
    rule("master_process", MAIN, (1, 1), Shape::Once),
    rule("worker_cpu_affinity", MAIN, (1, ANY_NUMBER), Shape::Once),
    rule("worker_shutdown_timeout", MAIN, (1, 1), Shape::Once),
    rule("error_log", ANYWHERE_BUT_EVENTS, (1, 2), Shape::Many),
    rule("pcre_jit", MAIN, (1, 1), Shape::Once),
    rule("events", MAIN, (0, 0), Shape::OneBlock(Context::Events)),
    rule("worker_connections", EVENTS, (1, 1), Shape::Once),
    rule("use", EVENTS, (1, 1), Shape::Once),
    rule("multi_accept", EVENTS, (1, 1), Shape::Once),
    rule("accept_mutex", EVENTS, (1, 1), Shape::Once),
    rule("http", MAIN, (0, 0), Shape::OneBlock(Context::Http)),
    rule("log_format", HTTP, (2, ANY_NUMBER), Shape::Many),
    rule("access_log", REQUEST_IF, (1, ANY_NUMBER), Shape::Many),
    rule("map", HTTP, (2, 2), Shape::Entries(Context::Map)),
    rule("map_hash_max_size", HTTP, (1, 1), Shape::Once),
    rule("map_hash_bucket_size", HTTP, (1, 1), Shape::Once),
    rule("server_names_hash_max_size", HTTP, (1, 1), Shape::Once),
    rule("server_names_hash_bucket_size", HTTP, (1, 1), Shape::Once),
    rule("types_hash_max_size", REQUEST, (1, 1), Shape::Once),
    rule("types_hash_bucket_size", REQUEST, (1, 1), Shape::Once),
    rule("variables_hash_max_size", HTTP, (1, 1), Shape::Once),
    rule("variables_hash_bucket_size", HTTP, (1, 1), Shape::Once),
    rule("proxy_headers_hash_max_size", REQUEST, (1, 1), Shape::Once),
    rule("proxy_headers_hash_bucket_size", REQUEST, (1, 1), Shape::Once),
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
    rule("keepalive_time", REQUEST, (1, 1), Shape::Once),
    rule("server", HTTP, (0, 0), Shape::Blocks(Context::Server)),
    rule("listen", SERVER, (1, ANY_NUMBER), Shape::Many),
    rule("server_name", SERVER, (1, ANY_NUMBER), Shape::Many),
    rule("server_tokens", REQUEST, (1, 1), Shape::Once),
    rule("sendfile", REQUEST_IF, (1, 1), Shape::Once),
    rule("tcp_nopush", REQUEST, (1, 1), Shape::Once),
    rule("tcp_nodelay", REQUEST, (1, 1), Shape::Once),
    rule("client_header_timeout", HTTP_SERVER, (1, 1), Shape::Once),
    rule("client_header_buffer_size", HTTP_SERVER, (1, 1), Shape::Once),
    rule("large_client_header_buffers", HTTP_SERVER, (2, 2), Shape::Once),
    rule("underscores_in_headers", HTTP_SERVER, (1, 1), Shape::Once),
    rule("ignore_invalid_headers", HTTP_SERVER, (1, 1), Shape::Once),
    rule("merge_slashes", HTTP_SERVER, (1, 1), Shape::Once),
    rule("client_body_timeout", REQUEST, (1, 1), Shape::Once),
    rule("client_max_body_size", REQUEST, (1, 1), Shape::Once),
    rule("send_timeout", REQUEST, (1, 1), Shape::Once),
    rule("resolver", REQUEST, (1, ANY_NUMBER), Shape::Once),
    rule("resolver_timeout", REQUEST, (1, 1), Shape::Once),
    rule("absolute_redirect", REQUEST, (1, 1), Shape::Once),
    rule("port_in_redirect", REQUEST, (1, 1), Shape::Once),
    rule("server_name_in_redirect", REQUEST, (1, 1), Shape::Once),
    rule("location", SERVER_LOCATION, (1, 2), Shape::Blocks(Context::Location)),
    rule("internal", LOCATION, (0, 0), Shape::Once),
    rule("root", REQUEST_IF, (1, 1), Shape::Once),
    rule("alias", LOCATION, (1, 1), Shape::Once),
    rule("index", REQUEST, (1, ANY_NUMBER), Shape::Many),
    rule("try_files", SERVER_LOCATION, (2, ANY_NUMBER), Shape::Once),
    rule("types", REQUEST, (0, 0), Shape::Entries(Context::Types)),
    rule("default_type", REQUEST, (1, 1), Shape::Once),
    rule("etag", REQUEST, (1, 1), Shape::Once),
    rule("if_modified_since", REQUEST, (1, 1), Shape::Once),
    rule("log_not_found", REQUEST, (1, 1), Shape::Once),
    rule("error_page", REQUEST_IF, (2, ANY_NUMBER), Shape::Many),
    rule("recursive_error_pages", REQUEST, (1, 1), Shape::Once),
    rule("add_header", REQUEST_IF, (2, 3), Shape::Many),
    rule("if", SERVER, (1, ANY_NUMBER), Shape::Blocks(Context::ServerIf)),
    rule("if", LOCATION, (1, ANY_NUMBER), Shape::Blocks(Context::LocationIf)),
    rule("set", REWRITE, (2, 2), Shape::Many),
    rule("rewrite", REWRITE, (2, 3), Shape::Many),
    rule("return", REWRITE, (1, 2), Shape::Many),
    rule("break", REWRITE, (0, 0), Shape::Many),
    rule("rewrite_log", REWRITE, (1, 1), Shape::Once),
    rule("uninitialized_variable_warn", REWRITE, (1, 1), Shape::Once),
    rule("set_real_ip_from", REQUEST, (1, 1), Shape::Many),
    rule("real_ip_header", REQUEST, (1, 1), Shape::Once),
    rule("real_ip_recursive", REQUEST, (1, 1), Shape::Once),
    rule("proxy_pass", &[Context::Location, Context::LocationIf], (1, 1), Shape::Once),
    rule("proxy_http_version", REQUEST, (1, 1), Shape::Once),
    rule("proxy_set_header", REQUEST, (2, 2), Shape::Many),
    rule("proxy_pass_header", REQUEST, (1, 1), Shape::Many),
    rule("proxy_hide_header", REQUEST, (1, 1), Shape::Many),
    rule("proxy_ignore_headers", REQUEST, (1, ANY_NUMBER), Shape::Once),
    rule("proxy_redirect", REQUEST, (1, 2), Shape::Many),
    rule("proxy_cookie_domain", REQUEST, (1, 2), Shape::Many),
    rule("proxy_cookie_path", REQUEST, (1, 2), Shape::Many),
    rule("proxy_connect_timeout", REQUEST, (1, 1), Shape::Once),
    rule("proxy_read_timeout", REQUEST, (1, 1), Shape::Once),
    rule("proxy_send_timeout", REQUEST, (1, 1), Shape::Once),
    // load balancing, buffering and retries
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_everything_has_every_directive() {
        const PARTS: [&str; 2] = [
            include_str!("../../../tests/it/proxy/good/everything.conf"),
            include_str!("../../../tests/it/proxy/good/parts/upstreams.inc"),
        ];
        let words: Vec<&str> = PARTS.iter().flat_map(|part| part.split([' ', '\n', ';'])).collect();
        let missing: Vec<&str> = RULES.iter().map(|rule| rule.name).filter(|name| !words.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
