//! The PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`): before the first request, a proxy announces
//! the client it forwards. Pure.
//!
//! Section numbers are those of the specification. Receivers treat a header without usable addresses differently: nginx
//! keeps the connection's own addresses, gunicorn refuses some headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of the longest header of version 1, including its line end (§2.1).
pub const LONGEST_LINE: usize = 107;
/// Bytes before the addresses in version 2 (§2.2).
const FIXED: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// The connection between client and proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// The address the client connected to.
    pub destination: SocketAddr,
}

/// The start of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// More bytes are needed.
    Incomplete,
    /// A header of `length` bytes.
    Header { length: usize, origin: Origin },
}

/// The connection for which the proxy sent its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Forwarded(Addresses),
    /// No client, or one without an address: `UNKNOWN`, `LOCAL`, `UNSPEC`. The connection's own addresses apply.
    Unknown,
    /// A valid header of version 2 with a command, transport or address family other than TCP over IP, and its name.
    Unsupported(&'static str),
}

/// The reason why bytes are not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the PROXY header is malformed: {0}")]
pub struct Malformed(pub &'static str);

impl Version {
    /// The first bytes of every header of this version.
    #[must_use]
    pub const fn signature(self) -> &'static [u8] {
        match self {
            Version::V1 => b"PROXY ",
            Version::V2 => b"\r\n\r\n\0\r\nQUIT\n",
        }
    }

    /// Whether `bytes` starts with the signature or with a part of it, and so may become a header.
    #[must_use]
    pub fn may_match(self, bytes: &[u8]) -> bool {
        bytes.iter().zip(self.signature()).all(|(byte, expected)| byte == expected)
    }

    /// Parses a header of this version at the start of `bytes`.
    ///
    /// # Errors
    /// The bytes are not such a header.
    pub fn parse(self, bytes: &[u8]) -> Result<Parsed, Malformed> {
        if !self.may_match(bytes) {
            return Err(Malformed("it does not start with its signature"));
        }
        match self {
            Version::V1 => parse_line(bytes),
            Version::V2 => parse_binary(bytes),
        }
    }
}

impl Addresses {
    /// `TCP4` or `TCP6`.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        if self.source.is_ipv4() { "TCP4" } else { "TCP6" }
    }
}

/// Parses a header of either version at the start of `bytes`.
///
/// # Errors
/// The bytes are not a header.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let version = if Version::V2.may_match(bytes) { Version::V2 } else { Version::V1 };
    version.parse(bytes)
}

/// The extensions of a whole header of version 2: types and values (§2.2.1). The last one may be cut off.
pub fn extensions(header: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let addresses = match header.get(13).map(|family| family >> 4) {
        Some(1) => 12,
        Some(2) => 36,
        Some(3) => 216,
        _ => 0,
    };
    let is_binary = header.starts_with(Version::V2.signature());
    extension_list(header.get(FIXED + addresses..).filter(|_| is_binary).unwrap_or_default())
}

/// The extensions in a list of them, which one of the type `PP2_TYPE_SSL` contains too (§2.2.6).
pub fn extension_list(list: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (fixed, behind) = rest.split_first_chunk::<3>()?;
        let (value, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes([fixed[1], fixed[2]])))?;
        rest = behind;
        Some((fixed[0], value))
    })
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` and CRLF.
fn parse_line(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let bounded = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = bounded.windows(2).position(|pair| pair == b"\r\n") else {
        let is_too_long = bounded.len() == LONGEST_LINE;
        return if is_too_long { Err(Malformed("its line does not end")) } else { Ok(Parsed::Incomplete) };
    };
    let line = std::str::from_utf8(&bounded[..end]).map_err(|_| Malformed("it is not text"))?;
    let words: Vec<&str> = line.split(' ').collect();
    let origin = match words[..] {
        [_, "UNKNOWN", ..] => Origin::Unknown,
        [_, "TCP4", source, destination, source_port, destination_port] => Origin::Forwarded(Addresses {
            source: SocketAddr::new(parse_ip::<Ipv4Addr>(source)?, parse_port(source_port)?),
            destination: SocketAddr::new(parse_ip::<Ipv4Addr>(destination)?, parse_port(destination_port)?),
        }),
        [_, "TCP6", source, destination, source_port, destination_port] => Origin::Forwarded(Addresses {
            source: SocketAddr::new(parse_ip::<Ipv6Addr>(source)?, parse_port(source_port)?),
            destination: SocketAddr::new(parse_ip::<Ipv6Addr>(destination)?, parse_port(destination_port)?),
        }),
        [_, "TCP4" | "TCP6", ..] => return Err(Malformed("it is not two addresses and two ports")),
        _ => return Err(Malformed("its protocol is neither TCP4, TCP6 nor UNKNOWN")),
    };
    Ok(Parsed::Header { length: end + 2, origin })
}

fn parse_ip<A: std::str::FromStr + Into<IpAddr>>(word: &str) -> Result<IpAddr, Malformed> {
    word.parse::<A>().map(Into::into).map_err(|_| Malformed("an address is none of its protocol"))
}

fn parse_port(word: &str) -> Result<u16, Malformed> {
    // `parse` alone would accept a plus sign
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|_| is_number).ok_or(Malformed("a port is no number up to 65535"))
}

/// The signature; version and command; family and transport; the length of the rest; the addresses and extensions.
fn parse_binary(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else { return Ok(Parsed::Incomplete) };
    if fixed[12] >> 4 != 2 {
        return Err(Malformed("its version is not 2"));
    }
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let Some(rest) = rest.get(..length) else { return Ok(Parsed::Incomplete) };
    let (command, family, transport) = (fixed[12] & 0xf, fixed[13] >> 4, fixed[13] & 0xf);
    let origin = match (command, family, transport) {
        (0, ..) => Origin::Unknown,
        (2.., ..) => Origin::Unsupported("its command is neither LOCAL nor PROXY"),
        (1, 0, 1) => Origin::Unknown,
        (1, 1, 1) => Origin::Forwarded(addresses_of(rest, Ipv4Addr::from)?),
        (1, 2, 1) => Origin::Forwarded(addresses_of(rest, Ipv6Addr::from)?),
        (1, _, 1) => Origin::Unsupported("its addresses are neither IPv4 nor IPv6"),
        (1, ..) => Origin::Unsupported("its protocol is not a stream"),
    };
    Ok(Parsed::Header { length: FIXED + length, origin })
}

/// Two addresses of `N` bytes and two ports; extensions may follow (§2.2.1).
fn addresses_of<const N: usize, A: Into<IpAddr>>(rest: &[u8], ip: fn([u8; N]) -> A) -> Result<Addresses, Malformed> {
    let read = || {
        let (source, rest) = rest.split_first_chunk::<N>()?;
        let (destination, rest) = rest.split_first_chunk::<N>()?;
        let (source_port, rest) = rest.split_first_chunk()?;
        let (destination_port, _) = rest.split_first_chunk()?;
        Some(Addresses {
            source: SocketAddr::new(ip(*source).into(), u16::from_be_bytes(*source_port)),
            destination: SocketAddr::new(ip(*destination).into(), u16::from_be_bytes(*destination_port)),
        })
    };
    read().ok_or(Malformed("it is too short for its addresses"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(bytes: &[u8]) -> String {
        match parse(bytes) {
            Ok(Parsed::Incomplete) => "incomplete".to_owned(),
            Ok(Parsed::Header { length, origin: Origin::Unknown }) => format!("{length}: unknown"),
            Ok(Parsed::Header { length, origin: Origin::Unsupported(reason) }) => format!("{length}: {reason}"),
            Ok(Parsed::Header { length, origin: Origin::Forwarded(addresses) }) => {
                format!("{length}: {} {} to {}", addresses.protocol(), addresses.source, addresses.destination)
            }
            Err(Malformed(reason)) => format!("! {reason}"),
        }
    }

    #[test]
    fn extensions_follow_the_addresses() {
        let header = [
            Version::V2.signature(),
            b"\x21\x11\0\x18",
            b"\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02",
            b"\x01\0\x02h2",
            b"\x02\0\0",
            b"\x05\0\x09x",
        ]
        .concat();
        assert_eq!(extensions(&header).collect::<Vec<_>>(), [(1, &b"h2"[..]), (2, b"")]);
        assert_eq!(extensions(b"PROXY UNKNOWN\r\n").count(), 0);
        assert_eq!(extensions(&header[..14]).count(), 0);
    }

    #[test]
    fn text_headers() {
        for (line, expected) in [
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234 80\r\nGET", "36: TCP4 1.2.3.4:1234 to 5.6.7.8:80"),
            ("PROXY TCP6 fd00::1 ::1 1 65535\r\n", "32: TCP6 [fd00::1]:1 to [::1]:65535"),
            ("PROXY UNKNOWN\r\n", "15: unknown"),
            ("PROXY UNKNOWN ffff::1 x\r\n", "25: unknown"),
            ("PRO", "incomplete"),
            ("", "incomplete"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234 80\r", "incomplete"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234 80\n", "incomplete"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234 65536\r\n", "! a port is no number up to 65535"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 +1 80\r\n", "! a port is no number up to 65535"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234 \r\n", "! a port is no number up to 65535"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234\r\n", "! it is not two addresses and two ports"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8  1234 80\r\n", "! it is not two addresses and two ports"),
            ("PROXY TCP4 fd00::1 ::1 1 2\r\n", "! an address is none of its protocol"),
            ("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", "! an address is none of its protocol"),
            ("PROXY UDP4 1.2.3.4 5.6.7.8 1234 80\r\n", "! its protocol is neither TCP4, TCP6 nor UNKNOWN"),
            ("GET / HTTP/1.1\r\n", "! it does not start with its signature"),
        ] {
            assert_eq!(show(line.as_bytes()), expected, "{line:?}");
        }
        assert_eq!(show(&[b"PROXY UNKNOWN ", &[b'x'; 93][..]].concat()), "! its line does not end");
        assert_eq!(show(b"PROXY UNKNOWN \xff\r\n"), "! it is not text");
    }

    #[test]
    fn binary_headers() {
        let header = |command: u8, family: u8, rest: &[u8]| {
            let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
            [Version::V2.signature(), &[command, family], &length, rest].concat()
        };
        let four = [1, 2, 3, 4, 5, 6, 7, 8, 0x04, 0xd2, 0, 80];
        let six = [&Ipv6Addr::LOCALHOST.octets()[..], &Ipv6Addr::UNSPECIFIED.octets(), &[0, 1, 0, 2]].concat();
        let whole = header(0x21, 0x11, &four);
        for (bytes, expected) in [
            (whole.clone(), "28: TCP4 1.2.3.4:1234 to 5.6.7.8:80"),
            // extensions behind the addresses are skipped
            (header(0x21, 0x11, &[&four[..], b"more"].concat()), "32: TCP4 1.2.3.4:1234 to 5.6.7.8:80"),
            ([&whole, &b"GET "[..]].concat(), "28: TCP4 1.2.3.4:1234 to 5.6.7.8:80"),
            (header(0x21, 0x21, &six), "52: TCP6 [::1]:1 to [::]:2"),
            (header(0x20, 0x11, &four), "28: unknown"),
            (header(0x20, 0x00, b""), "16: unknown"),
            (header(0x21, 0x01, b"xx"), "18: unknown"),
            (header(0x22, 0x11, &four), "28: its command is neither LOCAL nor PROXY"),
            (header(0x21, 0x12, &four), "28: its protocol is not a stream"),
            (header(0x21, 0x00, b""), "16: its protocol is not a stream"),
            (header(0x21, 0x31, &[0; 216]), "232: its addresses are neither IPv4 nor IPv6"),
            (header(0x21, 0x11, &four[..11]), "! it is too short for its addresses"),
            (header(0x21, 0x21, &six[..35]), "! it is too short for its addresses"),
            (header(0x11, 0x11, &four), "! its version is not 2"),
        ] {
            assert_eq!(show(&bytes), expected, "{bytes:?}");
        }
        for length in 0..whole.len() {
            assert_eq!(show(&whole[..length]), "incomplete", "{length}");
        }
    }
}
