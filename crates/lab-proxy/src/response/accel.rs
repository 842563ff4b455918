//! The fields by which an upstream controls its proxy: `X-Accel-Redirect`, `X-Accel-Buffering`, `X-Accel-Limit-Rate`
//! and `X-Accel-Charset`.

use lab_http::Headers;

use crate::config::proxy::pass::ProxyPass;
use lab_nginx_conf::parse_number;

/// The X-Accel fields of a response, without those of `proxy_ignore_headers`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AccelHeaders<'h> {
    /// `X-Accel-Redirect`: the path or named location that responds instead; the first of several.
    pub(crate) redirect: Option<&'h [u8]>,
    /// `X-Accel-Buffering: yes` or `no`, which overrides `proxy_buffering`.
    pub(crate) buffering: Option<bool>,
    /// `X-Accel-Limit-Rate` in bytes per second; 0 for no limit.
    pub(crate) rate: Option<u64>,
    /// `X-Accel-Charset`: the charset of the response, if a `charset` of the configuration names it too.
    pub(crate) charset: Option<&'h [u8]>,
}

impl AccelHeaders<'_> {
    pub(crate) fn parse<'h>(fields: &'h Headers, pass: &ProxyPass) -> AccelHeaders<'h> {
        const PREFIX: &[u8] = b"x-accel-";
        let mut accel = AccelHeaders::default();
        for (name, value) in fields.iter() {
            let Some((start, rest)) = name.split_at_checked(PREFIX.len()) else { continue };
            if !start.eq_ignore_ascii_case(PREFIX) || pass.ignored.contains(name) {
                continue;
            }
            match rest.to_ascii_lowercase().as_slice() {
                b"redirect" => _ = accel.redirect.get_or_insert(value),
                b"buffering" if value.eq_ignore_ascii_case(b"yes") => accel.buffering = Some(true),
                b"buffering" if value.eq_ignore_ascii_case(b"no") => accel.buffering = Some(false),
                b"limit-rate" => {
                    let rate = std::str::from_utf8(value).ok().and_then(parse_number);
                    accel.rate = rate.or(accel.rate);
                }
                b"charset" => accel.charset = Some(value),
                _ => {}
            }
        }
        accel
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::read_configuration_text;

    #[test]
    fn ignored_accel_fields_have_no_effect() {
        let text = "events { } http { server { listen 127.0.0.1:1; location / { proxy_pass http://127.0.0.1:2; \
                    proxy_ignore_headers X-Accel-Charset; } } }";
        let config = read_configuration_text(text, Path::new("nginx.conf")).unwrap();
        let pass = config.servers[0].locations().all()[0].pass.as_ref().unwrap();
        let fields: Headers = [
            ("x-accel-redirect", "/a"),
            ("X-Accel-Redirect", "/b"),
            ("X-Accel-Buffering", "YES"),
            ("X-Accel-Buffering", "perhaps"),
            ("X-Accel-Limit-Rate", "10"),
            ("X-Accel-Limit-Rate", "1k"),
            ("X-Accel-Charset", "utf-8"),
            ("X-Accel", "yes"),
        ]
        .into_iter()
        .collect();
        let expected = AccelHeaders { redirect: Some(b"/a"), buffering: Some(true), rate: Some(10), charset: None };
        assert_eq!(AccelHeaders::parse(&fields, pass), expected);
        let fields: Headers = [("Server", "x")].into_iter().collect();
        assert_eq!(AccelHeaders::parse(&fields, pass), AccelHeaders::default());
    }
}
