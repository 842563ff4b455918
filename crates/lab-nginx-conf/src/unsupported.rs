//! Directives of nginx's own modules that lab does not support, so that it can say that instead of calling them
//! unknown.

/// Whether nginx, built with its usual modules, has a directive of this name. Families of directives are known by how
/// their names begin.
pub(super) fn is_nginxs(name: &str) -> bool {
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

#[rustfmt::skip]
const FAMILIES: &[&str] = &[
    "auth_", "autoindex", "charset", "dav_", "fastcgi_", "geoip_", "grpc_", "gunzip", "gzip", "http2_",
    "image_filter", "limit_", "memcached_", "mirror", "mp4", "open_file_cache", "perl", "proxy_cache", "proxy_ssl_",
    "proxy_store", "referer_", "scgi_", "secure_link", "ssi", "ssl_", "sub_filter", "thread_pool", "userid", "uwsgi_",
    "xslt_",
];

#[rustfmt::skip]
const NAMES: &[&str] = &[
    "accept_mutex_delay", "add_after_body", "add_before_body", "add_trailer", "addition_types", "aio", "aio_write",
    "allow", "ancient_browser", "chunked_transfer_encoding", "client_body_in_file_only",
    "client_body_in_single_buffer", "connection_pool_size", "debug_connection",
    "debug_points", "deny", "directio", "directio_alignment", "disable_symlinks", "empty_gif", "env", "expires",
    "flv", "geo", "keepalive_disable", "least_time", "lingering_close", "lingering_time", "lingering_timeout",
    "load_module", "lock_file", "log_subrequest", "mail", "max_ranges", "min_delete_depth",
    "modern_browser", "msie_padding", "msie_refresh", "ntlm", "output_buffers", "override_charset", "post_action",
    "postpone_output", "proxy_bind", "proxy_cookie_flags", "proxy_force_ranges", "proxy_limit_rate", "proxy_method",
    "proxy_no_cache", "proxy_pass_request_body", "proxy_pass_request_headers", "proxy_protocol_timeout",
    "proxy_send_lowat", "proxy_set_body", "proxy_socket_keepalive", "queue", "random", "random_index", "read_ahead",
    "request_pool_size", "reset_timedout_connection", "satisfy", "send_lowat", "sendfile_max_chunk", "slice",
    "source_charset", "split_clients", "ssl", "state", "stream", "stub_status", "subrequest_output_buffer_size",
    "timer_resolution", "valid_referers", "worker_aio_requests", "worker_priority",
    "worker_rlimit_core", "worker_rlimit_nofile", "working_directory", "zone",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_names_are_told_from_slips_of_the_pen() {
        for name in ["gzip", "gzip_types", "ssl_certificate", "proxy_cache_path", "expires", "autoindex", "uwsgi_pass"]
        {
            assert!(is_nginxs(name), "{name}");
        }
        for name in ["proxy_pas", "lokation", "exspires", ""] {
            assert!(!is_nginxs(name), "{name}");
        }
    }
}
