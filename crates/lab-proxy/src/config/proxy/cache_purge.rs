//! `proxy_cache_purge`, as the well-known module has it: requests that remove the entries of their key.

use std::net::IpAddr;

use crate::config::network::Network;
use lab_nginx_conf::{ConfError, Directive};

/// Which requests remove the entries of their key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePurge {
    pub method: Vec<u8>,
    /// From where they are accepted; None for everywhere. Without `from` that is this machine.
    pub networks: Option<Vec<Network>>,
}

impl CachePurge {
    /// Reads `off`, or `on` or a method, and perhaps `from` with addresses. None for `off`.
    pub(crate) fn read(directive: &Directive) -> Result<Option<CachePurge>, ConfError> {
        const ACCEPTED: &str = "off, or on or a method, and perhaps from with all or addresses";
        let mut words = directive.args.iter().map(|arg| arg.value.as_str());
        let method = match words.next().unwrap_or_default() {
            "off" => None,
            "on" => Some("PURGE"),
            name if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase()) => Some(name),
            other => return Err(directive.invalid(other, ACCEPTED)),
        };
        let networks = match words.next() {
            None => Some(loopback()),
            Some("from") => {
                let names: Vec<&str> = words.collect();
                let network = |name: &&str| Network::parse(name).ok_or_else(|| directive.invalid(name, ACCEPTED));
                match names[..] {
                    [] => return Err(directive.invalid("from", ACCEPTED)),
                    ["all"] => None,
                    _ => Some(names.iter().map(network).collect::<Result<_, _>>()?),
                }
            }
            Some(_) => return Err(directive.unsupported("the form with a zone and a key", ACCEPTED)),
        };
        Ok(method.map(|method| CachePurge { method: method.as_bytes().to_vec(), networks }))
    }

    /// Whether a client with this address may remove responses.
    #[must_use]
    pub fn allows(&self, address: Option<IpAddr>) -> bool {
        self.networks.as_ref().is_none_or(|networks| networks.iter().any(|network| network.contains(address)))
    }
}

/// The addresses of this machine.
fn loopback() -> Vec<Network> {
    // OK because the constants are networks
    ["127.0.0.0/8", "::1", "unix:"].iter().filter_map(|text| Network::parse(text)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(words: &str) -> Result<Option<CachePurge>, String> {
        let tree = lab_nginx_conf::parse(&format!("proxy_cache_purge {words};"), Path::new("nginx.conf")).unwrap();
        CachePurge::read(&tree[0]).map_err(|error| error.to_string())
    }

    #[test]
    fn only_this_machine_may_purge_by_default() {
        let address = |text: &str| text.parse::<IpAddr>().ok();
        for (words, method, [local, other]) in [
            ("on", "PURGE", [true, false]),
            ("DELETE from all", "DELETE", [true, true]),
            ("PURGE from 10.0.0.0/8 192.0.2.1", "PURGE", [false, true]),
        ] {
            let purge = read(words).unwrap().unwrap();
            assert_eq!(purge.method, method.as_bytes(), "{words}");
            let found = [purge.allows(address("127.0.0.1")), purge.allows(address("10.1.1.1"))];
            assert_eq!(found, [local, other], "{words}");
        }
        assert_eq!(read("off").unwrap(), None);
    }

    #[test]
    fn bad_words_are_refused() {
        for words in ["purge", "on from", "on from here", "zone $uri", "PURGE 10.0.0.1"] {
            assert!(read(words).is_err(), "{words}");
        }
    }
}
