//! Variables of nginx that lab does not support, with alternatives. Their error message differs from that of a misspelt
//! name.

/// Names, or the beginnings of names that end with `_`, and what to use instead.
const REFUSED: &[(&[&str], &str)] = &[
    (&["ancient_browser", "modern_browser", "msie"], "Use map with $http_user_agent."),
    (&["fastcgi_path_info"], "Use map with $uri."),
    (&["geoip_", "geoip2_"], "Use geo or map."),
    (&["http3"], "HTTP/3 is not supported. Use $http2 or $server_protocol."),
    (&["sent_trailer_", "upstream_trailer_"], "Trailers are passed on, and have no variables. Use fields of the head."),
    (&["tcpinfo_"], "Use $request_time, $connection_time or $upstream_connect_time."),
];

/// What to use instead of a variable; none if nginx, built with its usual modules, has no such variable.
pub(super) fn advice(name: &str) -> Option<&'static str> {
    let is_meant = |own: &&str| if own.ends_with('_') { name.starts_with(*own) } else { name == *own };
    REFUSED.iter().find(|(names, _)| names.iter().any(is_meant)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_nginx_are_known() {
        for name in ["tcpinfo_rtt", "msie", "geoip_country_code", "upstream_trailer_x"] {
            assert!(advice(name).is_some(), "{name}");
        }
        for name in ["tcpinfo", "msie6", "hots", ""] {
            assert!(advice(name).is_none(), "{name}");
        }
    }
}
