//! Directives of nginx's own modules that lab does not support, with what to use instead. A known name gets a better
//! message than a misspelt one.

/// Directives that are refused for one reason.
pub(crate) struct Refused {
    pub(crate) names: &'static [&'static str],
    /// Beginnings of names: all directives that begin so are refused.
    pub(crate) prefixes: &'static [&'static str],
    /// What to use instead, as a sentence.
    pub(crate) reason: &'static str,
}

/// Whether nginx, built with its usual modules, has an unsupported directive of this name.
pub(crate) fn is_refused(name: &str) -> bool {
    REFUSED
        .iter()
        .any(|group| group.names.contains(&name) || group.prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

#[rustfmt::skip]
pub(crate) const REFUSED: &[Refused] = &[
    Refused {
        names: &["ssl"],
        prefixes: &["ssl_", "http2_"],
        reason: "TLS and HTTP/2 to clients are not supported. Terminate them in front of lab proxy.",
    },
    Refused {
        names: &[],
        prefixes: &["proxy_ssl_"],
        reason: "TLS to upstreams is not supported. Use http:// in proxy_pass.",
    },
    Refused {
        names: &[],
        prefixes: &["fastcgi_", "grpc_", "memcached_", "scgi_", "uwsgi_"],
        reason: "Upstreams speak HTTP only. Let the application server speak HTTP and use proxy_pass.",
    },
    Refused {
        names: &["proxy_no_cache"],
        prefixes: &["open_file_cache", "proxy_cache", "proxy_store"],
        reason: "There is no cache. Cache in front of lab proxy or in the application.",
    },
    Refused {
        names: &["allow", "deny", "satisfy", "valid_referers"],
        prefixes: &["auth_", "referer_", "secure_link"],
        reason: "Access control is not supported. Check access in the application, or use if with return 403.",
    },
    Refused {
        names: &["proxy_limit_rate"],
        prefixes: &["limit_"],
        reason: "Limits of rates and connections are not supported. Of an upstream's servers, max_conns is; a response \
                 may set X-Accel-Limit-Rate.",
    },
    Refused {
        names: &["add_after_body", "add_before_body", "addition_types", "override_charset", "source_charset"],
        prefixes: &["charset", "gunzip", "gzip", "image_filter", "ssi", "sub_filter", "xslt_"],
        reason: "Bodies are passed on unchanged. Compress and transform them in the application.",
    },
    Refused {
        names: &["empty_gif", "flv", "max_ranges", "min_delete_depth", "random_index", "slice"],
        prefixes: &["autoindex", "dav_", "mp4"],
        reason: "Files are served whole and read-only. Use root, alias, index and try_files.",
    },
    Refused {
        names: &["expires"],
        prefixes: &[],
        reason: "Use add_header Cache-Control, and add_header Expires.",
    },
    Refused {
        names: &["add_trailer", "chunked_transfer_encoding"],
        prefixes: &[],
        reason: "How a response is framed is not configurable, and it has no trailers.",
    },
    Refused {
        names: &["ancient_browser", "geo", "modern_browser", "split_clients"],
        prefixes: &["geoip_"],
        reason: "Use map, with regular expressions where needed.",
    },
    Refused {
        names: &["post_action"],
        prefixes: &["mirror", "userid"],
        reason: "Extra requests and cookies are left to the application.",
    },
    Refused {
        names: &["load_module"],
        prefixes: &["perl"],
        reason: "Modules cannot be loaded.",
    },
    Refused {
        names: &["mail", "stream"],
        prefixes: &[],
        reason: "Only http is served.",
    },
    Refused {
        names: &["log_subrequest", "stub_status"],
        prefixes: &[],
        reason: "Use access_log with a log_format of the variables needed.",
    },
    Refused {
        names: &["least_time", "ntlm", "queue", "random", "state", "zone"],
        prefixes: &[],
        reason: "Use round robin, least_conn, ip_hash or hash. Each worker balances by its own counts.",
    },
    Refused {
        names: &[
            "proxy_bind", "proxy_cookie_flags", "proxy_force_ranges", "proxy_method", "proxy_pass_request_body",
            "proxy_pass_request_headers", "proxy_send_lowat", "proxy_set_body", "proxy_socket_keepalive",
        ],
        prefixes: &[],
        reason: "Requests are passed on with their method and body, by connections with the system's defaults. Use \
                 proxy_set_header to change fields.",
    },
    Refused {
        names: &[
            "client_body_in_file_only", "client_body_in_single_buffer", "connection_pool_size", "output_buffers",
            "postpone_output", "read_ahead", "request_pool_size", "send_lowat", "subrequest_output_buffer_size",
        ],
        prefixes: &[],
        reason: "Memory is not managed by these settings. Use client_body_buffer_size and proxy_buffers, or leave them \
                 out.",
    },
    Refused {
        names: &["aio", "aio_write", "directio", "directio_alignment", "sendfile_max_chunk", "worker_aio_requests"],
        prefixes: &["thread_pool"],
        reason: "How files are read is not configurable. Leave it out.",
    },
    Refused {
        names: &["disable_symlinks"],
        prefixes: &[],
        reason: "Symbolic links are followed. Keep untrusted files out of root.",
    },
    Refused {
        names: &[
            "keepalive_disable", "lingering_close", "lingering_time", "lingering_timeout", "msie_padding",
            "msie_refresh", "proxy_protocol_timeout", "reset_timedout_connection",
        ],
        prefixes: &[],
        reason: "How connections close is not configurable, and no browser gets a special treatment. Leave it out.",
    },
    Refused {
        names: &[
            "accept_mutex_delay", "debug_connection", "debug_points", "lock_file", "timer_resolution",
        ],
        prefixes: &[],
        reason: "It concerns the internals of nginx. Leave it out.",
    },
    Refused {
        names: &[
            "env", "worker_priority", "worker_rlimit_core", "worker_rlimit_nofile", "working_directory",
        ],
        prefixes: &[],
        reason: "The environment, priority, limits and folder are those that lab proxy is started with.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_names_differ_from_misspelt_ones() {
        for name in ["gzip", "gzip_types", "ssl_certificate", "proxy_cache_path", "expires", "autoindex", "uwsgi_pass"]
        {
            assert!(is_refused(name), "{name}");
        }
        for name in ["proxy_pas", "lokation", "exspires", ""] {
            assert!(!is_refused(name), "{name}");
        }
    }
}
