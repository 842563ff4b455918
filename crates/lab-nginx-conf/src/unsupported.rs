//! Directives of nginx that lab does not support, with alternatives. Their error message differs from that of a
//! misspelt name.

/// Directives that are refused for the same reason.
pub(crate) struct Refused {
    pub(crate) names: &'static [&'static str],
    /// All directives with these prefixes are refused.
    pub(crate) prefixes: &'static [&'static str],
    /// Sentences, with an alternative if there is one.
    pub(crate) reason: &'static str,
}

/// What to use instead of an unsupported directive; none if nginx, built with its usual modules, has no such directive.
pub(crate) fn advice(name: &str) -> Option<&'static str> {
    let is_in =
        |group: &&Refused| group.names.contains(&name) || group.prefixes.iter().any(|prefix| name.starts_with(prefix));
    REFUSED.iter().find(is_in).map(|group| group.reason)
}

#[rustfmt::skip]
pub(crate) const REFUSED: &[Refused] = &[
    Refused {
        names: &[],
        prefixes: &["quic_", "http3"],
        reason: "HTTP/3 is not supported: it needs QUIC over UDP. Clients use HTTP/2 over TCP.",
    },
    Refused {
        names: &[],
        prefixes: &["ssl_ocsp"],
        reason: "Certificates are not checked by OCSP. Use ssl_crl.",
    },
    Refused {
        names: &["ssl_engine"],
        prefixes: &[],
        reason: "Keys are read from files. Use ssl_certificate_key.",
    },
    Refused {
        names: &[],
        prefixes: &["uwsgi_ssl_"],
        reason: "uwsgi over TLS is not supported. Use https:// in proxy_pass.",
    },
    Refused {
        names: &["fastcgi_pass", "grpc_pass", "memcached_pass", "scgi_pass"],
        prefixes: &[],
        reason: "Upstreams speak HTTP or uwsgi. Let the application server speak one of them, and use proxy_pass or \
                 uwsgi_pass.",
    },
    Refused {
        names: &["uwsgi_string"],
        prefixes: &[],
        reason: "Requests over uwsgi consist of variables. Use uwsgi_param.",
    },
    Refused {
        names: &[],
        prefixes: &["auth_jwt", "auth_pam"],
        reason: "Check access with auth_basic or auth_request, or in the application.",
    },
    Refused {
        names: &[],
        prefixes: &["image_filter", "xslt_", "xml_entities"],
        reason: "Bodies are compressed with gzip, brotli or zstd, and changed by sub_filter, addition, ssi and charset_map \
                 only. Transform them in the application.",
    },
    Refused {
        names: &[],
        prefixes: &["zstd_"],
        reason: "Clients decompress zstd without a dictionary, in blocks of any size. Remove it.",
    },
    Refused {
        names: &["create_full_put_path", "min_delete_depth", "random_index"],
        prefixes: &["dav_", "fancyindex"],
        reason: "Files are served read-only. Use root, alias, index, autoindex and try_files.",
    },
    Refused {
        names: &["ancient_browser", "modern_browser"],
        prefixes: &["ancient_browser_", "modern_browser_", "geoip_", "geoip2"],
        reason: "Use map or geo.",
    },
    Refused {
        names: &["js_import"],
        prefixes: &[
            "perl", "lua_", "content_by_lua", "access_by_lua", "rewrite_by_lua", "set_by_lua", "init_by_lua",
            "init_worker_by_lua", "header_filter_by_lua", "body_filter_by_lua", "log_by_lua", "balancer_by_lua",
            "ssl_certificate_by_lua", "js_", "headers_more", "more_", "echo", "subs_filter", "vhost_traffic_status",
        ],
        reason: "Modules of others are not supported. Use add_header and proxy_hide_header for fields, sub_filter for \
                 contents, and map for values.",
    },
    Refused {
        names: &["SecRulesEnabled", "LearningMode", "CheckRule"],
        prefixes: &["modsecurity", "naxsi_", "auth_ldap", "pagespeed", "passenger_", "nchan_", "push_stream_", "upload_progress"],
        reason: "Modules of others are not supported. Do their work in the application, or in front of lab proxy.",
    },
    Refused {
        names: &["status", "status_zone", "health_check", "match", "api", "mgmt", "session_log", "upstream_conf"],
        prefixes: &["keyval", "oidc", "auth_oidc", "otel_", "zone_sync", "mp4_limit_rate", "f4f", "hls", "acme_", "session_log_"],
        reason: "It belongs to NGINX Plus or to a module that is not built in. Remove it.",
    },
    Refused {
        names: &["early_hints"],
        prefixes: &[],
        reason: "It is new in nginx 1.29. Interim responses are passed on to every client that understands them: remove it.",
    },
    Refused {
        names: &["keepalive_min_timeout", "max_headers", "proxy_pass_trailers"],
        prefixes: &[],
        reason: "It is new in nginx 1.27 or later. Use keepalive_timeout, large_client_header_buffers and add_trailer.",
    },
    Refused {
        names: &["ssl_certificate_cache", "ssl_certificate_compression", "ssl_object_cache_inheritable",
                 "proxy_ssl_certificate_cache"],
        prefixes: &[],
        reason: "It is new in nginx 1.27 or later. Certificates are read with the configuration and sent as they are: \
                 remove it.",
    },
    Refused {
        names: &["ssl_key_log", "proxy_ssl_key_log"],
        prefixes: &[],
        reason: "Keys of sessions are not logged. Let the client log them, with SSLKEYLOGFILE.",
    },
    Refused {
        names: &["mail", "stream", "rtmp"],
        prefixes: &[],
        reason: "Only HTTP is supported.",
    },
    Refused {
        names: &["least_time", "ntlm", "queue", "state", "sticky"],
        prefixes: &[],
        reason: "Use round robin, least_conn, ip_hash, hash or random. Each worker balances by its own counts.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_names_are_known() {
        let refused = ["zstd_dict_file", "xslt_types", "ssl_ocsp", "fastcgi_pass", "more_set_headers", "sticky"];
        for name in refused {
            assert!(advice(name).is_some(), "{name}");
        }
        for name in ["proxy_pas", "lokation", "exspires", ""] {
            assert!(advice(name).is_none(), "{name}");
        }
    }
}
