//! Selects servers by a hash of the client or of a key. The hashes are nginx's, so that both proxies select the same
//! server.

use std::net::IpAddr;
use std::time::Instant;

use super::round_robin::select_smoothly;
use super::{Peer, PeerSearch};
use crate::config::upstream::UpstreamServer;

/// After this many unavailable servers the request is balanced by round robin.
const MAX_REHASHES: u32 = 20;

/// `ip_hash`: by the first three bytes of an IPv4 address, or all of an IPv6 one.
pub(super) fn select_by_client(
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
    if search.rehashes == 0 && search.tried.is_empty() {
        search.hash = FIRST;
    }
    while search.rehashes <= MAX_REHASHES {
        for byte in &bytes {
            search.hash = (search.hash * 113 + usize::from(*byte)) % 6271;
        }
        let index = peer_at(peers, search.hash)?;
        if search.is_eligible(index, &peers[index], now) {
            return Some(index);
        }
        search.rehashes += 1;
    }
    None
}

/// `hash KEY`: the hash of Cache::Memcached.
pub(super) fn select_by_key(peers: &[Peer], search: &mut PeerSearch, key: &[u8], now: Instant) -> Option<usize> {
    if key.is_empty() {
        return None;
    }
    while search.rehashes <= MAX_REHASHES {
        // from the second hash on, their number precedes the key
        let earlier = search.rehashes as usize + search.tried.len();
        let prefix = if earlier > 0 { earlier.to_string() } else { String::new() };
        let crc = Crc32::new().update(prefix.as_bytes()).update(key).finish();
        search.hash = search.hash.wrapping_add((crc >> 16) as usize & 0x7fff);
        let index = peer_at(peers, search.hash)?;
        if search.is_eligible(index, &peers[index], now) {
            return Some(index);
        }
        search.rehashes += 1;
    }
    None
}

/// The peer at a point of all weights in a row. Peers that are down keep their share; backups have none.
fn peer_at(peers: &[Peer], hash: usize) -> Option<usize> {
    let share = |peer: &Peer| if peer.is_backup { 0 } else { peer.weight };
    let total: i64 = peers.iter().map(share).sum();
    let mut point = i64::try_from(hash).ok()?.checked_rem(total)?;
    peers.iter().position(|peer| {
        point -= share(peer);
        point < 0
    })
}

/// `hash KEY consistent`: each server has many points on a ring (ketama, as in Cache::Memcached::Fast).
#[derive(Debug)]
pub(super) struct Ring {
    /// The index into `names` for each hash, sorted by hash.
    points: Vec<(u32, usize)>,
    /// The addresses as written, each with its servers of the upstream.
    names: Vec<(String, Vec<usize>)>,
}

impl Ring {
    /// The points of a server for each unit of its weight.
    const POINTS_PER_WEIGHT: i64 = 160;

    pub(super) fn new(servers: &[UpstreamServer]) -> Ring {
        let mut ring = Ring { points: Vec::new(), names: Vec::new() };
        for (index, server) in servers.iter().enumerate().filter(|(_, server)| !server.is_backup) {
            let name = ring.names.iter().position(|(name, _)| *name == server.written).unwrap_or_else(|| {
                ring.names.push((server.written.clone(), Vec::new()));
                ring.names.len() - 1
            });
            ring.names[name].1.push(index);
            let (host, port) = host_and_port(&server.written);
            let base = Crc32::new().update(host.as_bytes()).update(&[0]).update(port.as_bytes());
            let mut previous = 0_u32;
            for _ in 0..server.weight * Ring::POINTS_PER_WEIGHT {
                previous = base.update(&previous.to_le_bytes()).finish();
                ring.points.push((previous, name));
            }
        }
        ring.points.sort_by_key(|(hash, _)| *hash);
        ring.points.dedup_by_key(|(hash, _)| *hash);
        ring
    }

    pub(super) fn select(
        &self,
        peers: &mut [Peer],
        search: &mut PeerSearch,
        key: &[u8],
        now: Instant,
    ) -> Option<usize> {
        if key.is_empty() {
            return None;
        }
        if search.rehashes == 0 && search.tried.is_empty() {
            let hash = Crc32::new().update(key).finish();
            search.hash = self.points.partition_point(|(point, _)| *point < hash);
        }
        while search.rehashes <= MAX_REHASHES {
            let (_, name) = self.points[search.hash.checked_rem(self.points.len())?];
            let servers = &self.names[name].1;
            let selected =
                select_smoothly(peers, |index, peer| servers.contains(&index) && search.is_eligible(index, peer, now));
            if selected.is_some() {
                return selected;
            }
            search.hash += 1;
            search.rehashes += 1;
        }
        None
    }
}

/// Splits an address into host and port as nginx does: digits after the last colon are a port.
fn host_and_port(written: &str) -> (&str, &str) {
    if let Some(path) = written.strip_prefix("unix:") {
        return (path, "");
    }
    match written.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (written, ""),
    }
}

/// The CRC-32 of zip and Ethernet (ISO 3309).
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
    fn crc32_check_value() {
        assert_eq!(Crc32::new().update(b"123456789").finish(), 0xcbf4_3926);
        assert_eq!(Crc32::new().update(b"1234").update(b"56789").finish(), 0xcbf4_3926);
    }

    #[test]
    fn addresses_are_split_as_in_nginx() {
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
