//! Which peers are trusted: gunicorn's `forwarded_allow_ips` and `proxy_allow_ips`.

use std::net::IpAddr;

use lab_http::message::extensions::ConnectionInfo;

/// A set of trusted peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedPeers {
    includes_all: bool,
    networks: Vec<(IpAddr, u8)>,
}

/// An entry that is neither an address, a network nor `*`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a peer: expected an address, a network such as 10.0.0.0/8, or *")]
pub struct PeerError(String);

impl TrustedPeers {
    /// Parses the entries: addresses, networks, and `*` for all peers.
    pub fn new(entries: &[impl AsRef<str>]) -> Result<TrustedPeers, PeerError> {
        let mut peers = TrustedPeers { includes_all: false, networks: Vec::new() };
        for entry in entries.iter().map(AsRef::as_ref).map(str::trim).filter(|entry| !entry.is_empty()) {
            match entry {
                "*" => peers.includes_all = true,
                network => peers.networks.push(parse_network(network).ok_or_else(|| PeerError(network.to_owned()))?),
            }
        }
        Ok(peers)
    }

    /// Whether the peer's address is in this set. Peers on a unix socket always are: file permissions guard it.
    #[must_use]
    pub fn include(&self, connection: &ConnectionInfo) -> bool {
        match connection {
            ConnectionInfo::Unix => true,
            ConnectionInfo::Tcp { peer, .. } => {
                self.includes_all || self.networks.iter().any(|&network| is_within(peer.ip(), network))
            }
        }
    }
}

fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(longest);
    // Host bits behind the prefix are a mistake: the address or the prefix length is wrong.
    (length <= longest && network_of(address, length) == network_of(address, longest)).then_some((address, length))
}

fn is_within(address: IpAddr, (network, length): (IpAddr, u8)) -> bool {
    address.is_ipv4() == network.is_ipv4() && network_of(address, length) == network_of(network, length)
}

/// The first `length` bits of an address.
fn network_of(address: IpAddr, length: u8) -> u128 {
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let behind = u32::from(width - length.min(width));
    bits.checked_shr(behind).map_or(0, |prefix| prefix << behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn includes(entries: &[&str], peer: &str) -> bool {
        let peer = std::net::SocketAddr::new(peer.parse().unwrap(), 1);
        TrustedPeers::new(entries).unwrap().include(&ConnectionInfo::Tcp { peer, local: peer })
    }

    #[test]
    fn peers_are_addresses_networks_or_all() {
        let cases = [
            (&["127.0.0.1", "::1"][..], "127.0.0.1", true),
            (&["127.0.0.1", "::1"], "::1", true),
            (&["127.0.0.1", "::1"], "127.0.0.2", false),
            (&["127.0.0.1"], "::ffff:127.0.0.1", false),
            (&["10.0.0.0/8", "192.168.1.0/24"], "10.255.0.1", true),
            (&["10.0.0.0/8", "192.168.1.0/24"], "192.168.2.1", false),
            (&["fd00::/8"], "fd12::1", true),
            (&["0.0.0.0/0"], "203.0.113.9", true),
            (&["0.0.0.0/0"], "::1", false),
            (&["*"], "203.0.113.9", true),
            (&[], "127.0.0.1", false),
        ];
        for (entries, peer, expected) in cases {
            assert_eq!(includes(entries, peer), expected, "{entries:?} {peer}");
        }
        assert!(TrustedPeers::new(&[""]).unwrap().include(&ConnectionInfo::Unix));
    }

    #[test]
    fn invalid_entries_are_named() {
        for entry in ["localhost", "10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "**"] {
            assert_eq!(TrustedPeers::new(&[entry]), Err(PeerError(entry.to_owned())), "{entry}");
        }
    }
}
