//! Host addresses as gunicorn writes them, in `bind` and in `statsd_host`.

/// gunicorn's `parse_address` for hosts: `HOST`, `HOST:PORT`, `[HOST]`, `[HOST]:PORT`, `tcp://…`.
pub(crate) fn parse_host_and_port(address: &str, default_port: u16) -> Option<(String, u16)> {
    let address = address.strip_prefix("tcp://").unwrap_or(address);
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            match behind.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if behind.is_empty() => (host, None),
                None => return None,
            }
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None if address.is_empty() => ("0.0.0.0", None),
            None => (address, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok()?,
        None => default_port,
    };
    Some((host.to_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_addresses_are_parsed() {
        let cases = [
            ("", Some(("0.0.0.0", 8000))),
            ("LocalHost", Some(("localhost", 8000))),
            ("10.0.0.1:80", Some(("10.0.0.1", 80))),
            (":80", Some(("", 80))),
            ("[::1]", Some(("::1", 8000))),
            ("[::1]:80", Some(("::1", 80))),
            ("tcp://h:1", Some(("h", 1))),
            ("::1", None),
            ("h:x", None),
            ("h:65536", None),
            ("[::1]x", None),
        ];
        for (address, expected) in cases {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(parse_host_and_port(address, 8000), expected, "{address}");
        }
    }
}
