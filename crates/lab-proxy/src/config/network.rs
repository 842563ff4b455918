//! Sets of addresses, as `allow`, `set_real_ip_from` and others name them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _};

use lab_nginx_conf::{ConfError, Directive, parse_number};

/// A set of peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// A range of addresses.
    Range {
        /// Any address of the range.
        address: IpAddr,
        /// How many leading bits the addresses share.
        bits: u32,
    },
    /// `unix:`: all peers on unix sockets.
    Unix,
}

impl Network {
    /// Whether the set contains a peer; none is a peer on a unix socket. An IPv4 address in IPv6 form counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: Option<IpAddr>) -> bool {
        let Network::Range { address: own, bits } = *self else { return address.is_none() };
        let Some(address) = address else { return false };
        match (own, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }

    /// Parses an address, a range or `unix:`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Network> {
        if text == "unix:" {
            return Some(Network::Unix);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, Some(parse_number(bits)?)),
            None => (text.parse().ok()?, None),
        };
        let bits = bits.unwrap_or(width(address));
        (bits <= width(address)).then_some(Network::Range { address, bits })
    }

    /// Reads a `set_real_ip_from`: an address, a range, or a host name, which may have several addresses.
    pub(crate) fn read(directive: &Directive) -> Result<Vec<Network>, ConfError> {
        const ACCEPTED: &str = "an address, a range such as 10.0.0.0/8 or fd00::/8, a name, or unix:";
        let text = directive.first();
        let invalid = || directive.invalid(text, ACCEPTED);
        if let Some(network) = Network::parse(text) {
            return Ok(vec![network]);
        }
        if text.contains('/') {
            return Err(invalid());
        }
        let found = (text, 0).to_socket_addrs().map_err(|_| invalid())?;
        Ok(found.map(|found| Network::Range { address: found.ip(), bits: width(found.ip()) }).collect())
    }
}

fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => Ipv4Addr::BITS,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_match_by_leading_bits() {
        for (network, bits, address, expected) in [
            ("10.0.0.0", 8, "10.255.0.1", true),
            ("10.0.0.0", 8, "11.0.0.1", false),
            ("0.0.0.0", 0, "8.8.8.8", true),
            ("127.0.0.1", 32, "127.0.0.1", true),
            ("127.0.0.1", 32, "127.0.0.2", false),
            ("127.0.0.0", 8, "::ffff:127.0.0.1", true),
            ("fd00::", 8, "fdff::1", true),
            ("fd00::", 8, "fe00::1", false),
            ("::", 0, "1.2.3.4", false),
        ] {
            let network = Network::Range { address: network.parse().unwrap(), bits };
            assert_eq!(network.contains(Some(address.parse().unwrap())), expected, "{network:?} {address}");
        }
    }
}
