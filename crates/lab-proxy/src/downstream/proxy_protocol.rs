//! The PROXY protocol, versions 1 and 2: a proxy in front says whom it speaks for, before the first request
//! (`listen … proxy_protocol`; the specification is haproxy's).
//!
//! Pure: the first bytes of a connection in, what they announce out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The connection as the proxy in front has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Its client.
    pub source: SocketAddr,
    /// Where the client connected to.
    pub destination: SocketAddr,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header.
    Incomplete,
    /// No header.
    Invalid,
    /// A header.
    Whole {
        /// How many bytes it has.
        length: usize,
        /// What it announces; nothing if the proxy in front speaks for itself, or for something that has no address.
        announced: Option<Announced>,
    },
}

/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// A header of version 1 is never longer, in bytes, its line end included.
const LONGEST_LINE: usize = 107;

/// Reads the header at the start of a connection.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let begins = |start: &[u8]| bytes.iter().zip(start).all(|(byte, expected)| byte == expected);
    if begins(SIGNATURE) {
        parse_binary(bytes)
    } else if begins(b"PROXY ") {
        parse_line(bytes)
    } else {
        Parsed::Invalid
    }
}

/// `PROXY TCP4 1.2.3.4 5.6.7.8 1234 80` and CRLF.
fn parse_line(bytes: &[u8]) -> Parsed {
    let bounded = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = memchr::memmem::find(bounded, b"\r\n") else {
        return if bounded.len() < LONGEST_LINE { Parsed::Incomplete } else { Parsed::Invalid };
    };
    let Ok(line) = std::str::from_utf8(&bounded[..end]) else { return Parsed::Invalid };
    let words: Vec<&str> = line.split(' ').collect();
    let announced = match words[..] {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", family @ ("TCP4" | "TCP6"), source, destination, source_port, destination_port] => {
            let address = |ip: &str, port: &str| -> Option<SocketAddr> {
                let ip: IpAddr = ip.parse().ok()?;
                let port = lab_nginx_conf::parse_number(port).filter(|_| !port.is_empty())?;
                (ip.is_ipv4() == (family == "TCP4")).then_some(SocketAddr::new(ip, port))
            };
            match (address(source, source_port), address(destination, destination_port)) {
                (Some(source), Some(destination)) => Some(Announced { source, destination }),
                _ => return Parsed::Invalid,
            }
        }
        _ => return Parsed::Invalid,
    };
    Parsed::Whole { length: end + 2, announced }
}

/// The signature, version and command, family and transport, the length of the rest, and the rest: addresses first.
fn parse_binary(bytes: &[u8]) -> Parsed {
    const FIXED: usize = SIGNATURE.len() + 4;
    let Some(&[version, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED) else { return Parsed::Incomplete };
    if version >> 4 != 2 {
        return Parsed::Invalid;
    }
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    let Some(rest) = bytes.get(FIXED..length) else { return Parsed::Incomplete };
    let is_for_another = version & 15 == 1;
    let announced = match family {
        // streams only: what came as datagrams has no connection
        0x11 if is_for_another => match *rest {
            [a, b, c, d, e, f, g, h, i, j, k, l, ..] => Some(Announced {
                source: (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([i, j])).into(),
                destination: (Ipv4Addr::new(e, f, g, h), u16::from_be_bytes([k, l])).into(),
            }),
            _ => return Parsed::Invalid,
        },
        0x21 if is_for_another => match six(rest) {
            Some(announced) => Some(announced),
            None => return Parsed::Invalid,
        },
        _ => None,
    };
    Parsed::Whole { length, announced }
}

fn six(rest: &[u8]) -> Option<Announced> {
    let (source, rest) = rest.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let (source_port, rest) = rest.split_first_chunk()?;
    let (destination_port, _) = rest.split_first_chunk()?;
    Some(Announced {
        source: (Ipv6Addr::from(*source), u16::from_be_bytes(*source_port)).into(),
        destination: (Ipv6Addr::from(*destination), u16::from_be_bytes(*destination_port)).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(bytes: &[u8]) -> String {
        match parse(bytes) {
            Parsed::Incomplete => "incomplete".to_owned(),
            Parsed::Invalid => "invalid".to_owned(),
            Parsed::Whole { length, announced: None } => format!("{length}: nobody"),
            Parsed::Whole { length, announced: Some(announced) } => {
                format!("{length}: {} to {}", announced.source, announced.destination)
            }
        }
    }

    #[test]
    fn lines_are_read_exactly() {
        for (line, expected) in [
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234 80\r\nGET", "36: 1.2.3.4:1234 to 5.6.7.8:80"),
            ("PROXY TCP6 fd00::1 ::1 1 65535\r\n", "32: [fd00::1]:1 to [::1]:65535"),
            ("PROXY UNKNOWN\r\n", "15: nobody"),
            ("PROXY UNKNOWN ffff::1 x\r\n", "25: nobody"),
            ("PRO", "incomplete"),
            ("", "incomplete"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234 80\r", "incomplete"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234 80\n", "incomplete"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234 65536\r\n", "invalid"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1234 \r\n", "invalid"),
            ("PROXY TCP4 fd00::1 ::1 1 2\r\n", "invalid"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8  1234 80\r\n", "invalid"),
            ("PROXY UDP4 1.2.3.4 5.6.7.8 1234 80\r\n", "invalid"),
            ("GET / HTTP/1.1\r\n", "invalid"),
        ] {
            assert_eq!(show(line.as_bytes()), expected, "{line:?}");
        }
        assert_eq!(show(&[b"PROXY UNKNOWN ", &[b'x'; 93][..]].concat()), "invalid");
    }

    #[test]
    fn the_binary_form_is_read_and_what_follows_the_addresses_passed_over() {
        let header = |version: u8, family: u8, rest: &[u8]| {
            let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
            [&SIGNATURE[..], &[version, family], &length, rest].concat()
        };
        let four = [1, 2, 3, 4, 5, 6, 7, 8, 0x04, 0xd2, 0, 80];
        assert_eq!(show(&header(0x21, 0x11, &four)), "28: 1.2.3.4:1234 to 5.6.7.8:80");
        assert_eq!(show(&header(0x21, 0x11, &[&four[..], b"more"].concat())), "32: 1.2.3.4:1234 to 5.6.7.8:80");
        let six = [&Ipv6Addr::LOCALHOST.octets()[..], &Ipv6Addr::UNSPECIFIED.octets(), &[0, 1, 0, 2]].concat();
        assert_eq!(show(&header(0x21, 0x21, &six)), "52: [::1]:1 to [::]:2");
        assert_eq!(show(&header(0x20, 0x11, &four)), "28: nobody");
        assert_eq!(show(&header(0x21, 0x31, &[0; 216])), "232: nobody");
        assert_eq!(show(&header(0x21, 0x11, &four[..11])), "invalid");
        assert_eq!(show(&header(0x11, 0x11, &four)), "invalid");
        assert_eq!(show(&header(0x21, 0x11, &four)[..27]), "incomplete");
        assert_eq!(show(&SIGNATURE[..5]), "incomplete");
    }
}
