//! Directives that tune nginx's memory, events or system calls. Their values are validated, and change nothing that a
//! client sees.

use crate::context::Context;
use crate::directives::{DirectiveRule, Shape};
use crate::error::ConfError;
use crate::syntax::Directive;
use crate::values::{parse_number, parse_size};

pub(crate) struct NoEffect {
    pub(crate) rule: DirectiveRule,
    value: Value,
    /// Why nothing changes, as a sentence.
    pub(crate) reason: &'static str,
}

/// The form of a directive's value.
enum Value {
    Flag,
    Number,
    /// A number and a size.
    Buffers,
    Size,
    SizeOrOff,
    Time,
    Words(&'static [&'static str], &'static str),
    /// `max=` and `inactive=`, or `off`.
    FileCache,
    /// The file of one of Debian's dynamic modules.
    Module,
    Any,
}

const MAIN: &[Context] = &[Context::Main];
const EVENTS: &[Context] = &[Context::Events];
const HTTP: &[Context] = &[Context::Http];
const UPSTREAM: &[Context] = &[Context::Upstream];
const HTTP_SERVER: &[Context] = &[Context::Http, Context::Server];
const SERVER_LOCATION: &[Context] = &[Context::Server, Context::Location];
const REQUEST: &[Context] = &[Context::Http, Context::Server, Context::Location];
const REWRITE: &[Context] =
    &[Context::Http, Context::Server, Context::Location, Context::ServerIf, Context::LocationIf];

const fn row(
    name: &'static str,
    contexts: &'static [Context],
    args: (usize, usize),
    value: Value,
    reason: &'static str,
) -> NoEffect {
    NoEffect { rule: DirectiveRule { name, contexts, args, shape: Shape::Once }, value, reason }
}

const fn repeated(mut row: NoEffect) -> NoEffect {
    row.rule.shape = Shape::Many;
    row
}

const PROCESS: &str = "lab proxy keeps the environment, priority and folder it was started with.";
const INTERNALS: &str = "It configures internals of nginx.";
const ACCEPTING: &str = "The runtime decides how connections are accepted.";
const MEMORY: &str = "Memory has no pools of a fixed size.";
const COMPRESSION: &str = "The compressor decides about its memory.";
const READING: &str = "Files are read in blocks of 64 KiB, or sent by the kernel, through the page cache.";
const WRITING: &str = "Responses are written as soon as the client accepts them.";
const FILES: &str = "Files are opened for every request, so a changed file shows at once.";
const SOCKETS: &str = "Sockets use the system's defaults.";
const BALANCING: &str = "Each worker balances by its own counts.";
const STAPLING: &str = "OCSP responses that were fetched are always verified, by the issuer of the certificate.";
const OBSOLETE_HEADS: &str =
    "Obsolete since nginx 1.19.7. large_client_header_buffers bounds heads in every version of HTTP.";
const OBSOLETE_REQUESTS: &str = "Obsolete since nginx 1.19.7. keepalive_requests applies to HTTP/2 as well.";
const OBSOLETE_IDLE: &str = "Obsolete since nginx 1.19.7. keepalive_timeout applies to HTTP/2 as well.";
const OBSOLETE_RECEIVING: &str = "Obsolete since nginx 1.19.7. client_header_timeout applies to HTTP/2 as well.";
const FRAMES: &str = "A frame has as much content as the client accepts in one.";
const PUSH: &str = "Nothing is pushed. Browsers no longer accept it, and nginx 1.25.1 removed it.";
/// Of the modules that cut videos.
pub(crate) const VIDEOS: &str = "Requests with start= or end= get the whole file. Players seek with ranges.";
const MODULES: &str = "Modules are built in. Directives of those that are not are refused by name.";

pub(crate) const NO_EFFECT: &[NoEffect] = &[
    repeated(row("load_module", MAIN, (1, 1), Value::Module, MODULES)),
    repeated(row("env", MAIN, (1, 1), Value::Any, PROCESS)),
    repeated(row("thread_pool", MAIN, (2, 3), Value::Any, READING)),
    row("worker_priority", MAIN, (1, 1), Value::Any, PROCESS),
    row("worker_rlimit_core", MAIN, (1, 1), Value::Size, PROCESS),
    row("working_directory", MAIN, (1, 1), Value::Any, PROCESS),
    row("timer_resolution", MAIN, (1, 1), Value::Time, INTERNALS),
    row("lock_file", MAIN, (1, 1), Value::Any, INTERNALS),
    row("debug_points", MAIN, (1, 1), Value::Words(&["stop", "abort"], "stop, abort"), INTERNALS),
    row("accept_mutex_delay", EVENTS, (1, 1), Value::Time, ACCEPTING),
    repeated(row("debug_connection", EVENTS, (1, 1), Value::Any, INTERNALS)),
    row("epoll_events", EVENTS, (1, 1), Value::Number, ACCEPTING),
    row("worker_aio_requests", EVENTS, (1, 1), Value::Number, READING),
    row("connection_pool_size", HTTP_SERVER, (1, 1), Value::Size, MEMORY),
    row("request_pool_size", HTTP_SERVER, (1, 1), Value::Size, MEMORY),
    row("client_body_in_single_buffer", REQUEST, (1, 1), Value::Flag, MEMORY),
    row("zone", UPSTREAM, (1, 2), Value::Any, BALANCING),
    row("subrequest_output_buffer_size", REQUEST, (1, 1), Value::Size, MEMORY),
    row("referer_hash_max_size", SERVER_LOCATION, (1, 1), Value::Number, MEMORY),
    row("referer_hash_bucket_size", SERVER_LOCATION, (1, 1), Value::Number, MEMORY),
    row("aio", REQUEST, (1, 1), Value::Any, READING),
    row("aio_write", REQUEST, (1, 1), Value::Flag, READING),
    row("directio", REQUEST, (1, 1), Value::SizeOrOff, READING),
    row("directio_alignment", REQUEST, (1, 1), Value::Size, READING),
    row("read_ahead", REQUEST, (1, 1), Value::Size, READING),
    row("output_buffers", REQUEST, (2, 2), Value::Buffers, READING),
    row("postpone_output", REQUEST, (1, 1), Value::Size, WRITING),
    row("send_lowat", REQUEST, (1, 1), Value::Size, WRITING),
    row("proxy_send_lowat", REQUEST, (1, 1), Value::Size, WRITING),
    row("open_file_cache", REQUEST, (1, 2), Value::FileCache, FILES),
    row("open_file_cache_valid", REQUEST, (1, 1), Value::Time, FILES),
    row("open_file_cache_min_uses", REQUEST, (1, 1), Value::Number, FILES),
    row("open_file_cache_errors", REQUEST, (1, 1), Value::Flag, FILES),
    row("open_file_cache_events", REQUEST, (1, 1), Value::Flag, FILES),
    row(
        "reset_timedout_connection",
        REQUEST,
        (1, 1),
        Value::Flag,
        "Connections that time out within a response are always reset.",
    ),
    row("msie_padding", REQUEST, (1, 1), Value::Flag, "No browser gets special treatment."),
    row("msie_refresh", REQUEST, (1, 1), Value::Flag, "No browser gets special treatment."),
    row("proxy_socket_keepalive", REQUEST, (1, 1), Value::Flag, SOCKETS),
    row("uwsgi_socket_keepalive", REQUEST, (1, 1), Value::Flag, SOCKETS),
    row(
        "open_log_file_cache",
        REQUEST,
        (1, 4),
        Value::Any,
        "Each log is opened once, or for each line if its path has variables.",
    ),
    row("log_subrequest", REQUEST, (1, 1), Value::Flag, "Subrequests are not logged."),
    row("rewrite_log", REWRITE, (1, 1), Value::Flag, "Rewriting is not logged."),
    row(
        "uninitialized_variable_warn",
        REWRITE,
        (1, 1),
        Value::Flag,
        "Uninitialised variables are empty, without a warning.",
    ),
    row("gzip_buffers", REQUEST, (2, 2), Value::Buffers, MEMORY),
    row("gzip_window", REQUEST, (1, 1), Value::Size, COMPRESSION),
    row("gzip_hash", REQUEST, (1, 1), Value::Size, COMPRESSION),
    row("gzip_no_buffer", REQUEST, (1, 1), Value::Flag, COMPRESSION),
    row("postpone_gzipping", REQUEST, (1, 1), Value::Size, COMPRESSION),
    row("gunzip_buffers", REQUEST, (2, 2), Value::Buffers, MEMORY),
    row("brotli_buffers", REQUEST, (2, 2), Value::Buffers, MEMORY),
    row("zstd_buffers", REQUEST, (2, 2), Value::Buffers, MEMORY),
    row("mp4_buffer_size", REQUEST, (1, 1), Value::Size, VIDEOS),
    row("mp4_max_buffer_size", REQUEST, (1, 1), Value::Size, VIDEOS),
    row("mp4_start_key_frame", REQUEST, (1, 1), Value::Flag, VIDEOS),
    row("ssi_min_file_chunk", REQUEST, (1, 1), Value::Size, MEMORY),
    row("ssi_ignore_recycled_buffers", REQUEST, (1, 1), Value::Flag, MEMORY),
    row("ssl_dhparam", HTTP_SERVER, (1, 1), Value::Any, "The TLS library has no cipher suites with DHE."),
    row("ssl_stapling_verify", HTTP_SERVER, (1, 1), Value::Flag, STAPLING),
    row("http2_max_field_size", HTTP_SERVER, (1, 1), Value::Size, OBSOLETE_HEADS),
    row("http2_max_header_size", HTTP_SERVER, (1, 1), Value::Size, OBSOLETE_HEADS),
    row("http2_max_requests", HTTP_SERVER, (1, 1), Value::Number, OBSOLETE_REQUESTS),
    row("http2_idle_timeout", HTTP_SERVER, (1, 1), Value::Time, OBSOLETE_IDLE),
    row("http2_recv_timeout", HTTP_SERVER, (1, 1), Value::Time, OBSOLETE_RECEIVING),
    row("http2_recv_buffer_size", HTTP, (1, 1), Value::Size, INTERNALS),
    row("http2_pool_size", HTTP_SERVER, (1, 1), Value::Size, MEMORY),
    row("http2_chunk_size", REQUEST, (1, 1), Value::Size, FRAMES),
    row("http2_streams_index_size", HTTP_SERVER, (1, 1), Value::Number, MEMORY),
    repeated(row("http2_push", REQUEST, (1, 1), Value::Any, PUSH)),
    row("http2_push_preload", REQUEST, (1, 1), Value::Flag, PUSH),
    row("http2_max_concurrent_pushes", HTTP_SERVER, (1, 1), Value::Number, PUSH),
];

/// Gateways that are not supported. Without their `_pass`, which is refused, no other directive of theirs has an effect.
pub(crate) const GATEWAYS: &[(&str, &str)] = &[
    ("fastcgi_", "Only fastcgi_pass uses it, which is refused."),
    ("scgi_", "Only scgi_pass uses it, which is refused."),
    ("grpc_", "Only grpc_pass uses it, which is refused."),
    ("memcached_", "Only memcached_pass uses it, which is refused."),
];

/// What follows the prefix of a gateway.
#[rustfmt::skip]
const GATEWAY_SETTINGS: &[&str] = &[
    "bind", "buffer_size", "buffering", "buffers", "busy_buffers_size", "cache", "cache_background_update",
    "cache_bypass", "cache_key", "cache_lock", "cache_lock_age", "cache_lock_timeout", "cache_max_range_offset",
    "cache_methods", "cache_min_uses", "cache_path", "cache_purge", "cache_revalidate", "cache_use_stale",
    "cache_valid", "catch_stderr", "connect_timeout", "force_ranges", "gzip_flag", "hide_header",
    "ignore_client_abort", "ignore_headers", "index", "intercept_errors", "keep_conn", "limit_rate",
    "max_temp_file_size", "next_upstream", "next_upstream_timeout", "next_upstream_tries", "no_cache", "param",
    "pass_header", "pass_request_body", "pass_request_headers", "read_timeout", "request_buffering", "send_lowat",
    "send_timeout", "set_header", "socket_keepalive", "split_path_info", "ssl_certificate", "ssl_certificate_key",
    "ssl_ciphers", "ssl_conf_command", "ssl_crl", "ssl_name", "ssl_password_file", "ssl_protocols", "ssl_server_name",
    "ssl_session_reuse", "ssl_trusted_certificate", "ssl_verify", "ssl_verify_depth", "store", "store_access", "temp_file_write_size", "temp_path",
];

/// Debian's dynamic modules, without `ngx_` and `_module.so`.
#[rustfmt::skip]
const MODULE_FILES: &[&str] = &[
    "http_auth_pam", "http_brotli_filter", "http_brotli_static", "http_cache_purge", "http_dav_ext", "http_echo",
    "http_fancyindex", "http_geoip", "http_geoip2", "http_headers_more_filter", "http_image_filter", "http_js",
    "http_lua", "http_memc", "http_naxsi", "http_ndk", "http_perl", "http_subs_filter", "http_upload_progress",
    "http_uploadprogress", "http_upstream_fair", "http_xslt_filter", "mail", "nchan", "rtmp", "stream",
    "stream_geoip", "stream_geoip2", "stream_js", "ndk_http", "http_zstd_filter", "http_zstd_static",
];

/// Whether it is a directive of an unsupported gateway, other than its `_pass`.
pub(crate) fn is_gateway_setting(name: &str) -> bool {
    let rest = GATEWAYS.iter().find_map(|(prefix, _)| name.strip_prefix(prefix));
    rest.is_some_and(|rest| GATEWAY_SETTINGS.contains(&rest))
}

/// Validates the value of a directive in the table. Accepts all others.
pub(crate) fn check_value(directive: &Directive) -> Result<(), ConfError> {
    let Some(row) = NO_EFFECT.iter().find(|row| row.rule.name == directive.name) else { return Ok(()) };
    let first = directive.first();
    match row.value {
        Value::Any => {}
        Value::Flag => _ = directive.flag()?,
        Value::Number => _ = directive.number()?,
        Value::Size => _ = directive.size()?,
        Value::SizeOrOff if first == "off" => {}
        Value::SizeOrOff => _ = directive.size()?,
        Value::Time => _ = directive.time()?,
        Value::Buffers => {
            let size = directive.arg(1).unwrap_or_default();
            directive.number()?;
            parse_size(size).ok_or_else(|| directive.invalid(size, "a number of buffers, then their size"))?;
        }
        Value::Words(words, _) if words.contains(&first) => {}
        Value::Words(_, accepted) => return Err(directive.invalid(first, accepted)),
        Value::FileCache => {
            for word in directive.args.iter().map(|arg| arg.value.as_str()) {
                let is_valid = match word.split_once('=') {
                    Some(("max", number)) => parse_number::<u64>(number).is_some_and(|number| number > 0),
                    Some(("inactive", time)) => crate::parse_time(time).is_some(),
                    _ => word == "off",
                };
                if !is_valid {
                    return Err(directive.invalid(word, "max=N with inactive=TIME, or off"));
                }
            }
        }
        Value::Module => {
            let file = first.rsplit('/').next().unwrap_or_default();
            let name = file.strip_prefix("ngx_").or(file.strip_prefix("ndk_").map(|_| "ndk_http"));
            let name = name.map(|name| name.strip_suffix("_module.so").unwrap_or(name));
            if !name.is_some_and(|name| MODULE_FILES.contains(&name)) {
                return Err(directive.unsupported(format!("module \"{first}\""), "the dynamic modules of Debian"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn check(text: &str) -> Result<(), String> {
        let tree = crate::parse(text, Path::new("nginx.conf")).unwrap();
        check_value(&tree[0]).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_validated() {
        for text in [
            "output_buffers 2 32k;",
            "open_file_cache max=1000 inactive=20s;",
            "open_file_cache off;",
            "directio off;",
            "directio 4m;",
            "timer_resolution 100ms;",
            "load_module modules/ngx_http_geoip_module.so;",
            "load_module /usr/lib/nginx/modules/ndk_http_module.so;",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in [
            "output_buffers 2 x;",
            "open_file_cache maximum=1;",
            "directio on;",
            "timer_resolution soon;",
            "load_module modules/ngx_http_own_module.so;",
            "reset_timedout_connection yes;",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn gateway_settings_are_known_by_name() {
        assert!(is_gateway_setting("fastcgi_param") && is_gateway_setting("grpc_set_header"));
        assert!(!is_gateway_setting("fastcgi_pass") && !is_gateway_setting("fastcgi_parm"));
    }
}
