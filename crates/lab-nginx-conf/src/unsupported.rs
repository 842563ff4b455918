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

pub(crate) const NO_CACHE: &str = "There is no cache. Cache in front of lab proxy or in the application.";

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
        names: &["uwsgi_cache_purge", "proxy_cache_purge"],
        prefixes: &["uwsgi_force_ranges"],
        reason: NO_CACHE,
    },
    Refused {
        names: &[],
        prefixes: &["auth_jwt", "auth_pam"],
        reason: "Check access with auth_basic or auth_request, or in the application.",
    },
    Refused {
        names: &["charset_map", "source_charset"],
        prefixes: &["image_filter", "xslt_", "xml_entities"],
        reason: "Bodies are compressed with gzip or brotli, and changed by sub_filter, addition and ssi only. Transform them \
                 in the application.",
    },
    Refused {
        names: &[],
        prefixes: &["zstd"],
        reason: "Responses are compressed with gzip or brotli, not with zstd. Use one of these.",
    },
    Refused {
        names: &["create_full_put_path", "empty_gif", "flv", "min_delete_depth", "random_index", "slice"],
        prefixes: &["dav_", "mp4", "fancyindex"],
        reason: "Files are served read-only. Use root, alias, index, autoindex and try_files.",
    },
    Refused {
        names: &["ancient_browser", "modern_browser"],
        prefixes: &["ancient_browser_", "modern_browser_", "geoip_", "geoip2"],
        reason: "Use map or geo.",
    },
    Refused {
        names: &["js_import", "more_set_headers", "more_clear_headers", "more_set_input_headers"],
        prefixes: &["perl", "lua_", "content_by_lua", "access_by_lua", "js_", "headers_more", "vhost_traffic_status"],
        reason: "Modules of others are not supported. Use add_header and proxy_hide_header for fields, and map for values.",
    },
    Refused {
        names: &["mail", "stream", "rtmp"],
        prefixes: &[],
        reason: "Only HTTP is supported.",
    },
    Refused {
        names: &["least_time", "ntlm", "queue", "random", "state"],
        prefixes: &[],
        reason: "Use round robin, least_conn, ip_hash or hash. Each worker balances by its own counts.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_names_are_known() {
        for name in ["zstd", "xslt_types", "ssl_ocsp", "proxy_cache_purge", "fastcgi_pass"] {
            assert!(advice(name).is_some(), "{name}");
        }
        for name in ["proxy_pas", "lokation", "exspires", ""] {
            assert!(advice(name).is_none(), "{name}");
        }
    }
}
