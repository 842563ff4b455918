//! `proxy_bind`: the local address of connections to upstreams.

use std::net::{IpAddr, SocketAddr};

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

/// The local address of connections to an upstream.
#[derive(Debug, Clone)]
pub struct LocalAddress {
    /// An address with or without a port, perhaps with variables.
    pub address: Template,
    /// `transparent`: whether the address may belong to another machine.
    pub is_transparent: bool,
}

impl LocalAddress {
    /// Reads one directive. None for `off`.
    pub(crate) fn read(
        directive: &Directive,
        reader: &mut ConfigReader<'_>,
    ) -> Result<Option<LocalAddress>, ConfError> {
        const ACCEPTED: &str = "an address with or without a port, then transparent; or off";
        let text = directive.first();
        if directive.args.len() == 1 && text == "off" {
            return Ok(None);
        }
        if !text.contains('$') && parse_local_address(text).is_none() {
            return Err(directive.invalid(text, ACCEPTED));
        }
        let is_transparent = match directive.arg(1) {
            None => false,
            Some("transparent") => true,
            Some(other) => return Err(directive.invalid(other, ACCEPTED)),
        };
        Ok(Some(LocalAddress { address: reader.template(directive, text)?, is_transparent }))
    }
}

/// Parses an address with or without a port. The system chooses a port that is missing.
#[must_use]
pub fn parse_local_address(text: &str) -> Option<SocketAddr> {
    let ip = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| Some(SocketAddr::new(ip.parse::<IpAddr>().ok()?, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_optional() {
        for (text, expected) in [
            ("127.0.0.1", Some("127.0.0.1:0")),
            ("127.0.0.1:80", Some("127.0.0.1:80")),
            ("::1", Some("[::1]:0")),
            ("[::1]", Some("[::1]:0")),
            ("[::1]:80", Some("[::1]:80")),
            ("localhost", None),
            ("", None),
        ] {
            let parsed = parse_local_address(text).map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }
}
