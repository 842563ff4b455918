//! The PROXY protocol: a proxy says in front of the first request who its client is (HAProxy's `proxy-protocol.txt`,
//! gunicorn's `proxy_protocol`). Both versions, for streams over IPv4 and IPv6. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::wsgi::trust::Peers;
use lab_http::extensions::ConnectionInfo;

/// What a header of version 2 starts with (§2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What a header of version 1 starts with (§2.1).
const WORD: &[u8] = b"PROXY ";
/// Bytes of the longest header of version 1, its line end included (§2.1).
const LONGEST_LINE: usize = 107;
/// Bytes in front of the addresses of version 2.
const FIXED: usize = 16;

/// The versions that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Versions {
    /// None: what looks like a header is a malformed request.
    #[default]
    Off,
    /// The one in text.
    V1,
    /// The binary one.
    V2,
    /// Both.
    Auto,
}

/// Which headers are understood, and from whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The versions.
    pub versions: Versions,
    /// Peers that may send one (gunicorn's `proxy_allow_ips`).
    pub allowed: Peers,
}

/// What a proxy says of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxied {
    /// `TCP4` or `TCP6`.
    pub protocol: &'static str,
    /// Who connected to the proxy.
    pub client: SocketAddr,
    /// Where to.
    pub proxy: SocketAddr,
}

/// Why a header is not accepted; the connection ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// This peer may not say who its client is.
    #[error("the peer may not send a PROXY header")]
    Forbidden,
    /// It is not a header of its version.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
}

impl ProxyError {
    /// The status of the answer, as gunicorn's.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            ProxyError::Forbidden => 403,
            ProxyError::Malformed(_) => 400,
        }
    }
}

/// What a connection starts with, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// More bytes are needed to tell.
    Undecided,
    /// A request: a peer may also do without a header (as gunicorn has it).
    Request,
    /// A header of so many bytes. Without addresses (`UNKNOWN`, `LOCAL`) those of the connection hold.
    Header(usize, Option<Proxied>),
}

impl Rules {
    /// Looks at the first bytes of a connection.
    ///
    /// # Errors
    /// They are a header that is not accepted.
    pub fn look(&self, connection: &ConnectionInfo, bytes: &[u8]) -> Result<Start, ProxyError> {
        let (v1, v2) = match self.versions {
            Versions::Off => (false, false),
            Versions::V1 => (true, false),
            Versions::V2 => (false, true),
            Versions::Auto => (true, true),
        };
        let may_be = |mark: &[u8]| bytes.iter().zip(mark).all(|(own, marks)| own == marks);
        for (is_on, mark, parse) in [(v1, WORD, version_1 as fn(&[u8]) -> _), (v2, SIGNATURE, version_2)] {
            if is_on && may_be(mark) {
                if bytes.len() < mark.len() {
                    return Ok(Start::Undecided);
                }
                return if self.allowed.include(connection) { parse(bytes) } else { Err(ProxyError::Forbidden) };
            }
        }
        Ok(Start::Request)
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` and a line end.
fn version_1(bytes: &[u8]) -> Result<Start, ProxyError> {
    let malformed = ProxyError::Malformed;
    let Some(end) = bytes.iter().take(LONGEST_LINE).position(|&byte| byte == b'\n') else {
        let is_too_long = bytes.len() >= LONGEST_LINE;
        return if is_too_long { Err(malformed("its line does not end")) } else { Ok(Start::Undecided) };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or(malformed("its line ends without a carriage return"))?;
    let line = std::str::from_utf8(line).map_err(|_| malformed("it is not text"))?;
    let words: Vec<&str> = line.split(' ').collect();
    let (protocol, client, proxy) = match words[..] {
        [_, "UNKNOWN", ..] => return Ok(Start::Header(end + 1, None)),
        [_, "TCP4", client, proxy, _, _] => ("TCP4", ip::<Ipv4Addr>(client)?, ip::<Ipv4Addr>(proxy)?),
        [_, "TCP6", client, proxy, _, _] => ("TCP6", ip::<Ipv6Addr>(client)?, ip::<Ipv6Addr>(proxy)?),
        [_, "TCP4" | "TCP6", ..] => return Err(malformed("it is not two addresses and two ports")),
        _ => return Err(malformed("its protocol is neither TCP4, TCP6 nor UNKNOWN")),
    };
    let port = |word: &str| {
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        word.parse().ok().filter(|_| digits).ok_or(malformed("a port is no number up to 65535"))
    };
    let client = SocketAddr::new(client, port(words[4])?);
    let proxy = SocketAddr::new(proxy, port(words[5])?);
    Ok(Start::Header(end + 1, Some(Proxied { protocol, client, proxy })))
}

fn ip<A: std::str::FromStr + Into<IpAddr>>(word: &str) -> Result<IpAddr, ProxyError> {
    word.parse::<A>().map(Into::into).map_err(|_| ProxyError::Malformed("an address is none of its protocol"))
}

/// The signature; version and command; family and protocol; the length of what follows: the addresses and extensions.
fn version_2(bytes: &[u8]) -> Result<Start, ProxyError> {
    let malformed = ProxyError::Malformed;
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else { return Ok(Start::Undecided) };
    if fixed[12] >> 4 != 2 {
        return Err(malformed("its version is not 2"));
    }
    if fixed[12] & 0xf > 1 {
        return Err(malformed("its command is neither LOCAL nor PROXY"));
    }
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let Some(addresses) = rest.get(..length) else { return Ok(Start::Undecided) };
    let header = |proxied| Ok(Start::Header(FIXED + length, proxied));
    if fixed[12] & 0xf == 0 {
        return header(None);
    }
    if fixed[13] & 0xf != 1 {
        return Err(malformed("its protocol is not a stream"));
    }
    let port = |at: usize| addresses.get(at..at + 2).map(|port| u16::from_be_bytes([port[0], port[1]]));
    let proxied = match fixed[13] >> 4 {
        0 => return header(None),
        1 => {
            let ip = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(addresses.get(at..at + 4)?).ok()?));
            pair("TCP4", (ip(0), port(8)), (ip(4), port(10)))
        }
        2 => {
            let ip = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(addresses.get(at..at + 16)?).ok()?));
            pair("TCP6", (ip(0), port(32)), (ip(16), port(34)))
        }
        _ => return Err(malformed("its addresses are neither IPv4 nor IPv6")),
    };
    header(Some(proxied.ok_or(malformed("it is too short for its addresses"))?))
}

type End = (Option<IpAddr>, Option<u16>);

fn pair(protocol: &'static str, client: End, proxy: End) -> Option<Proxied> {
    let address = |(ip, port): End| Some(SocketAddr::new(ip?, port?));
    Some(Proxied { protocol, client: address(client)?, proxy: address(proxy)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(versions: Versions) -> Rules {
        Rules { versions, allowed: Peers::new(&["127.0.0.1"]).unwrap() }
    }

    fn look(versions: Versions, bytes: &[u8]) -> Result<Start, ProxyError> {
        let address = "127.0.0.1:1".parse().unwrap();
        rules(versions).look(&ConnectionInfo::Tcp { peer: address, local: address }, bytes)
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, addresses, b"GET "].concat()
    }

    fn proxied(protocol: &'static str, client: &str, proxy: &str) -> Option<Proxied> {
        Some(Proxied { protocol, client: client.parse().unwrap(), proxy: proxy.parse().unwrap() })
    }

    #[test]
    fn headers_in_text_are_read() {
        let line = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
        let found = proxied("TCP4", "192.0.2.1:56324", "192.0.2.2:443");
        assert_eq!(look(Versions::V1, format!("{line}GET").as_bytes()), Ok(Start::Header(line.len(), found)));
        for length in 0..line.len() {
            assert_eq!(look(Versions::Auto, &line.as_bytes()[..length]), Ok(Start::Undecided), "{length}");
        }
        let line = "PROXY TCP6 2001:db8::1 ::1 1 2\r\n";
        let found = proxied("TCP6", "[2001:db8::1]:1", "[::1]:2");
        assert_eq!(look(Versions::Auto, line.as_bytes()), Ok(Start::Header(line.len(), found)));
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ff::1 ff::2 1 2\r\n"] {
            assert_eq!(look(Versions::V1, line.as_bytes()), Ok(Start::Header(line.len(), None)));
        }
    }

    #[test]
    fn malformed_headers_in_text_are_refused() {
        for line in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 56324 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 443\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            &format!("PROXY TCP4 {}", "1".repeat(200)),
        ] {
            let found = look(Versions::V1, line.as_bytes());
            assert!(matches!(found, Err(ProxyError::Malformed(_))), "{line:?}: {found:?}");
        }
    }

    #[test]
    fn binary_headers_are_read() {
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 0xbb];
        let found = proxied("TCP4", "192.0.2.1:56324", "192.0.2.2:443");
        let bytes = v2(0x21, 0x11, &four);
        assert_eq!(look(Versions::V2, &bytes), Ok(Start::Header(28, found)));
        for length in 0..28 {
            assert_eq!(look(Versions::Auto, &bytes[..length]), Ok(Start::Undecided), "{length}");
        }
        // extensions behind the addresses are skipped
        assert_eq!(
            look(Versions::V2, &v2(0x21, 0x11, &[&four[..], &[4, 0, 0]].concat())),
            Ok(Start::Header(31, found))
        );
        let mut six = [0; 36];
        (six[15], six[31], six[33], six[35]) = (1, 2, 80, 81);
        assert_eq!(
            look(Versions::V2, &v2(0x21, 0x21, &six)),
            Ok(Start::Header(52, proxied("TCP6", "[::1]:80", "[::2]:81")))
        );
        assert_eq!(look(Versions::V2, &v2(0x20, 0x00, b"")), Ok(Start::Header(16, None)));
        assert_eq!(look(Versions::V2, &v2(0x21, 0x01, b"xx")), Ok(Start::Header(18, None)));
    }

    #[test]
    fn malformed_binary_headers_are_refused() {
        let cases =
            [v2(0x11, 0x11, &[0; 12]), v2(0x22, 0x11, &[0; 12]), v2(0x21, 0x12, &[0; 12]), v2(0x21, 0x31, &[0; 216])];
        for bytes in cases.into_iter().chain([v2(0x21, 0x11, &[0; 11]), v2(0x21, 0x21, &[0; 35])]) {
            let found = look(Versions::V2, &bytes);
            assert!(matches!(found, Err(ProxyError::Malformed(_))), "{bytes:?}: {found:?}");
        }
    }

    #[test]
    fn only_versions_that_are_on_are_read_and_only_from_who_may_send_them() {
        let text = b"PROXY UNKNOWN\r\n";
        assert_eq!(look(Versions::V2, text), Ok(Start::Request));
        assert_eq!(look(Versions::V1, &v2(0x20, 0, b"")), Ok(Start::Request));
        assert_eq!(look(Versions::Off, text), Ok(Start::Request));
        assert_eq!(look(Versions::Auto, b"GET / HTTP/1.1\r\n"), Ok(Start::Request));
        assert_eq!(look(Versions::Auto, b"\r\nGET / HTTP/1.1\r\n"), Ok(Start::Request));
        let other = "10.0.0.1:1".parse().unwrap();
        let other = ConnectionInfo::Tcp { peer: other, local: other };
        assert_eq!(rules(Versions::Auto).look(&other, text), Err(ProxyError::Forbidden));
        assert_eq!(rules(Versions::Auto).look(&other, b"GET / "), Ok(Start::Request));
        assert_eq!(rules(Versions::V1).look(&ConnectionInfo::Unix, text), Ok(Start::Header(15, None)));
    }
}
