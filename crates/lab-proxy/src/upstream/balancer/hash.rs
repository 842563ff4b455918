//! Servers by a hash: the same client, or the same key, comes to the same server. The hashes are nginx's own, so that
//! both send a request to the same place.

use std::net::IpAddr;
use std::time::Instant;

use super::turns::smoothly;
use super::{Peer, PeerSearch};
use crate::config::upstream::UpstreamServer;

/// So many servers that cannot be asked are skipped before the request is balanced in turn.
const SKIPPED: u32 = 20;

/// `ip_hash`: by the first three bytes of an IPv4 address, or all of an IPv6 one.
pub(super) fn by_client(
    peers: &[Peer],
    search: &mut PeerSearch,
    client: Option<IpAddr>,
    now: Instant,
) -> Option<usize> {
    const FIRST: usize = 89;
    let bytes = match client {
        Some(IpAddr::V4(address)) => address.octets()[..3].to_vec(),
        Some(IpAddr::V6(address)) => address.octets().to_vec(),
        None => vec![0; 3],
    };
    if search.hashed == 0 && search.tried.is_empty() {
        search.hash = FIRST;
    }
    while search.hashed <= SKIPPED {
        for byte in &bytes {
            search.hash = (search.hash * 113 + usize::from(*byte)) % 6271;
        }
        let index = at_weight(peers, search.hash)?;
        if search.may_try(index, &peers[index], now) {
            return Some(index);
        }
        search.hashed += 1;
    }
    None
}

/// `hash KEY`: the hash of Cache::Memcached.
pub(super) fn by_key(peers: &[Peer], search: &mut PeerSearch, key: &[u8], now: Instant) -> Option<usize> {
    if key.is_empty() {
        return None;
    }
    while search.hashed <= SKIPPED {
        // how often this request has been hashed, unless for the first time, goes before the key
        let again = search.hashed as usize + search.tried.len();
        let prefix = if again > 0 { again.to_string() } else { String::new() };
        let crc = Crc32::new().update(prefix.as_bytes()).update(key).finish();
        search.hash = search.hash.wrapping_add((crc >> 16) as usize & 0x7fff);
        let index = at_weight(peers, search.hash)?;
        if search.may_try(index, &peers[index], now) {
            return Some(index);
        }
        search.hashed += 1;
    }
    None
}

/// The server at a point of all weights in a row; those that are down keep their place.
fn at_weight(peers: &[Peer], hash: usize) -> Option<usize> {
    let total: i64 = peers.iter().map(|peer| peer.weight).sum();
    let mut point = i64::try_from(hash).ok()?.checked_rem(total)?;
    peers.iter().position(|peer| {
        point -= peer.weight;
        point < 0
    })
}

/// `hash KEY consistent`: each server at many points of a ring (ketama, as Cache::Memcached::Fast has it).
#[derive(Debug)]
pub(super) struct Ring {
    /// By hash; which of `names` stands there.
    points: Vec<(u32, usize)>,
    /// The servers as they were written, and which of the upstream's servers that names.
    names: Vec<(String, Vec<usize>)>,
}

impl Ring {
    /// How many points a server has for each unit of its weight.
    const POINTS: i64 = 160;

    pub(super) fn new(servers: &[UpstreamServer]) -> Ring {
        let mut ring = Ring { points: Vec::new(), names: Vec::new() };
        for (index, server) in servers.iter().enumerate() {
            let name = ring.names.iter().position(|(name, _)| *name == server.written).unwrap_or_else(|| {
                ring.names.push((server.written.clone(), Vec::new()));
                ring.names.len() - 1
            });
            ring.names[name].1.push(index);
            let (host, port) = host_and_port(&server.written);
            let base = Crc32::new().update(host.as_bytes()).update(&[0]).update(port.as_bytes());
            let mut previous = 0_u32;
            for _ in 0..server.weight * Ring::POINTS {
                previous = base.update(&previous.to_le_bytes()).finish();
                ring.points.push((previous, name));
            }
        }
        ring.points.sort_by_key(|(hash, _)| *hash);
        ring.points.dedup_by_key(|(hash, _)| *hash);
        ring
    }

    pub(super) fn find(&self, peers: &mut [Peer], search: &mut PeerSearch, key: &[u8], now: Instant) -> Option<usize> {
        if key.is_empty() {
            return None;
        }
        if search.hashed == 0 && search.tried.is_empty() {
            let hash = Crc32::new().update(key).finish();
            search.hash = self.points.partition_point(|(point, _)| *point < hash);
        }
        while search.hashed <= SKIPPED {
            let (_, name) = self.points[search.hash.checked_rem(self.points.len())?];
            let of_name = &self.names[name].1;
            let found = smoothly(peers, |index, peer| of_name.contains(&index) && search.may_try(index, peer, now));
            if found.is_some() {
                return found;
            }
            search.hash += 1;
            search.hashed += 1;
        }
        None
    }
}

/// A server's name without and with its port, as nginx takes them apart: what is behind the last colon is a port if it
/// is digits only.
fn host_and_port(written: &str) -> (&str, &str) {
    if let Some(path) = written.strip_prefix("unix:") {
        return (path, "");
    }
    match written.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (written, ""),
    }
}

/// CRC-32 as in zip and Ethernet (ISO 3309).
#[derive(Debug, Clone, Copy)]
struct Crc32(u32);

impl Crc32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut value = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[byte] = value;
            byte += 1;
        }
        table
    };

    fn new() -> Crc32 {
        Crc32(u32::MAX)
    }

    fn update(self, bytes: &[u8]) -> Crc32 {
        let step = |crc: u32, byte: &u8| Crc32::TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8);
        Crc32(bytes.iter().fold(self.0, step))
    }

    fn finish(self) -> u32 {
        self.0 ^ u32::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(Crc32::new().update(b"123456789").finish(), 0xcbf4_3926);
        assert_eq!(Crc32::new().update(b"1234").update(b"56789").finish(), 0xcbf4_3926);
    }

    #[test]
    fn names_are_taken_apart_as_nginx_does() {
        for (written, expected) in [
            ("127.0.0.1:80", ("127.0.0.1", "80")),
            ("app", ("app", "")),
            ("[::1]:81", ("[::1]", "81")),
            ("[::1]", ("[::1]", "")),
            ("unix:/run/a:1", ("/run/a:1", "")),
        ] {
            assert_eq!(host_and_port(written), expected, "{written}");
        }
    }
}
