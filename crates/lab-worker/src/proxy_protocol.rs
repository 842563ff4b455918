//! Which PROXY headers a worker accepts, and from whom (gunicorn's `proxy_protocol` and `proxy_allow_ips`). Pure.

use lab_http::message::extensions::ConnectionInfo;
use lab_net::proxy_protocol::{Addresses, LONGEST_LINE, Malformed, Origin, Parsed, Version};
use serde::{Deserialize, Serialize};

use crate::trusted_peers::TrustedPeers;

/// The accepted versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Versions {
    /// None: a header is a malformed request.
    #[default]
    Off,
    /// Text.
    V1,
    /// Binary.
    V2,
    /// Both.
    Auto,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPolicy {
    pub versions: Versions,
    /// Peers that may send a header.
    pub allowed: TrustedPeers,
}

/// Why a header is not accepted. The connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("the peer may not send a PROXY header")]
    Forbidden,
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl HeaderError {
    /// The status of the response, which is gunicorn's.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            HeaderError::Forbidden => 403,
            HeaderError::Malformed(_) => 400,
        }
    }
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// More bytes are needed.
    Undecided,
    /// A request: as in gunicorn, the header is optional.
    Request,
    /// A header of this many bytes. Without addresses (`UNKNOWN`, `LOCAL`) those of the connection hold.
    Header(usize, Option<Addresses>),
}

impl Versions {
    fn include(self, version: Version) -> bool {
        matches!((self, version), (Versions::Auto, _) | (Versions::V1, Version::V1) | (Versions::V2, Version::V2))
    }
}

impl HeaderPolicy {
    /// Examines the first bytes of a connection.
    ///
    /// # Errors
    /// They are a header that is not accepted.
    pub fn examine(&self, connection: &ConnectionInfo, bytes: &[u8]) -> Result<Start, HeaderError> {
        let candidates = [Version::V1, Version::V2].into_iter().filter(|version| self.versions.include(*version));
        let Some(version) = candidates.into_iter().find(|version| version.may_match(bytes)) else {
            return Ok(Start::Request);
        };
        if bytes.len() < version.signature().len() {
            return Ok(Start::Undecided);
        }
        if !self.allowed.include(connection) {
            return Err(HeaderError::Forbidden);
        }
        if version == Version::V1 && ends_with_bare_line_feed(bytes) {
            return Err(Malformed("its line ends without a carriage return").into());
        }
        match version.parse(bytes)? {
            Parsed::Incomplete => Ok(Start::Undecided),
            Parsed::Header { length, origin: Origin::Forwarded(addresses) } => {
                Ok(Start::Header(length, Some(addresses)))
            }
            Parsed::Header { length, origin: Origin::Unknown } => Ok(Start::Header(length, None)),
            Parsed::Header { origin: Origin::Unsupported(reason), .. } => Err(Malformed(reason).into()),
        }
    }
}

/// No valid line contains a bare line feed. The parser would wait for a CRLF behind it, as nginx does.
fn ends_with_bare_line_feed(bytes: &[u8]) -> bool {
    let end = bytes.iter().take(LONGEST_LINE).position(|&byte| byte == b'\n');
    end.is_some_and(|end| !bytes[..end].ends_with(b"\r"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(versions: Versions) -> HeaderPolicy {
        HeaderPolicy { versions, allowed: TrustedPeers::new(&["127.0.0.1"]).unwrap() }
    }

    fn examine(versions: Versions, bytes: &[u8]) -> Result<Start, HeaderError> {
        let address = "127.0.0.1:1".parse().unwrap();
        policy(versions).examine(&ConnectionInfo::Tcp { peer: address, local: address }, bytes)
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [Version::V2.signature(), &[command, family], &length, addresses, b"GET "].concat()
    }

    fn forwarded(source: &str, destination: &str) -> Option<Addresses> {
        Some(Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
    }

    #[test]
    fn text_headers() {
        let line = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
        let found = forwarded("192.0.2.1:56324", "192.0.2.2:443");
        assert_eq!(examine(Versions::V1, format!("{line}GET").as_bytes()), Ok(Start::Header(line.len(), found)));
        for length in 0..line.len() {
            assert_eq!(examine(Versions::Auto, &line.as_bytes()[..length]), Ok(Start::Undecided), "{length}");
        }
        let line = "PROXY TCP6 2001:db8::1 ::1 1 2\r\n";
        let found = forwarded("[2001:db8::1]:1", "[::1]:2");
        assert_eq!(examine(Versions::Auto, line.as_bytes()), Ok(Start::Header(line.len(), found)));
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ff::1 ff::2 1 2\r\n"] {
            assert_eq!(examine(Versions::V1, line.as_bytes()), Ok(Start::Header(line.len(), None)));
        }
    }

    #[test]
    fn malformed_text_headers() {
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
            let found = examine(Versions::V1, line.as_bytes());
            assert!(matches!(found, Err(HeaderError::Malformed(_))), "{line:?}: {found:?}");
        }
    }

    #[test]
    fn binary_headers() {
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 0xbb];
        let found = forwarded("192.0.2.1:56324", "192.0.2.2:443");
        let bytes = v2(0x21, 0x11, &four);
        assert_eq!(examine(Versions::V2, &bytes), Ok(Start::Header(28, found)));
        for length in 0..28 {
            assert_eq!(examine(Versions::Auto, &bytes[..length]), Ok(Start::Undecided), "{length}");
        }
        // extensions behind the addresses are skipped
        assert_eq!(
            examine(Versions::V2, &v2(0x21, 0x11, &[&four[..], &[4, 0, 0]].concat())),
            Ok(Start::Header(31, found))
        );
        let mut six = [0; 36];
        (six[15], six[31], six[33], six[35]) = (1, 2, 80, 81);
        assert_eq!(
            examine(Versions::V2, &v2(0x21, 0x21, &six)),
            Ok(Start::Header(52, forwarded("[::1]:80", "[::2]:81")))
        );
        assert_eq!(examine(Versions::V2, &v2(0x20, 0x00, b"")), Ok(Start::Header(16, None)));
        assert_eq!(examine(Versions::V2, &v2(0x21, 0x01, b"xx")), Ok(Start::Header(18, None)));
    }

    #[test]
    fn malformed_binary_headers() {
        let cases =
            [v2(0x11, 0x11, &[0; 12]), v2(0x22, 0x11, &[0; 12]), v2(0x21, 0x12, &[0; 12]), v2(0x21, 0x31, &[0; 216])];
        for bytes in cases.into_iter().chain([v2(0x21, 0x11, &[0; 11]), v2(0x21, 0x21, &[0; 35])]) {
            let found = examine(Versions::V2, &bytes);
            assert!(matches!(found, Err(HeaderError::Malformed(_))), "{bytes:?}: {found:?}");
        }
    }

    #[test]
    fn only_accepted_versions_of_allowed_peers() {
        let text = b"PROXY UNKNOWN\r\n";
        assert_eq!(examine(Versions::V2, text), Ok(Start::Request));
        assert_eq!(examine(Versions::V1, &v2(0x20, 0, b"")), Ok(Start::Request));
        assert_eq!(examine(Versions::Off, text), Ok(Start::Request));
        assert_eq!(examine(Versions::Auto, b"GET / HTTP/1.1\r\n"), Ok(Start::Request));
        assert_eq!(examine(Versions::Auto, b"\r\nGET / HTTP/1.1\r\n"), Ok(Start::Request));
        let other = "10.0.0.1:1".parse().unwrap();
        let other = ConnectionInfo::Tcp { peer: other, local: other };
        assert_eq!(policy(Versions::Auto).examine(&other, text), Err(HeaderError::Forbidden));
        assert_eq!(policy(Versions::Auto).examine(&other, b"GET / "), Ok(Start::Request));
        assert_eq!(policy(Versions::V1).examine(&ConnectionInfo::Unix, text), Ok(Start::Header(15, None)));
    }
}
