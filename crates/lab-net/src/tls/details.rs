//! What a handshake agreed on, by OpenSSL's names.

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, Connection, HandshakeKind, NamedGroup, ProtocolVersion};

use super::cipher_suites::cipher_suite_name;
use super::parameters::group_name;

/// The outcome of a handshake; by default that of one which has not begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionDetails {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite.
    pub cipher: &'static str,
    /// The group of the key exchange; none for a resumed session of TLS 1.2.
    pub group: Option<String>,
    pub is_resumed: bool,
    pub alpn: Option<Vec<u8>>,
    /// The peer's chain, its own certificate first.
    pub peer_certificates: Vec<CertificateDer<'static>>,
}

impl SessionDetails {
    pub(super) fn of(session: &Connection) -> SessionDetails {
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "",
        };
        SessionDetails {
            version,
            cipher: session.negotiated_cipher_suite().and_then(cipher_suite_name).unwrap_or_default(),
            group: session.negotiated_key_exchange_group().map(|group| group_name(group.name())),
            is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: session.peer_certificates().unwrap_or_default().to_vec(),
        }
    }
}

/// What a client offered in its first message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientOffer {
    /// The host of SNI (RFC 6066 section 3).
    pub server_name: Option<String>,
    ciphers: Vec<CipherSuite>,
    groups: Vec<NamedGroup>,
}

impl ClientOffer {
    pub(super) fn of(hello: &rustls::server::ClientHello<'_>) -> ClientOffer {
        ClientOffer {
            server_name: hello.server_name().map(str::to_owned),
            ciphers: hello.cipher_suites().to_vec(),
            groups: hello.named_groups().unwrap_or_default().to_vec(),
        }
    }

    /// The offered cipher suites, separated by colons. Unknown ones are numbers.
    #[must_use]
    pub fn ciphers(&self) -> String {
        let name = |suite: &CipherSuite| {
            let number = u16::from(*suite);
            match OPENSSL_NAMES.iter().find(|(own, _)| *own == number) {
                Some((_, name)) => (*name).to_owned(),
                None => format!("0x{number:04x}"),
            }
        };
        self.ciphers.iter().map(name).collect::<Vec<_>>().join(":")
    }

    /// The offered groups, separated by colons. Unknown ones are numbers.
    #[must_use]
    pub fn groups(&self) -> String {
        self.groups.iter().map(|group| group_name(*group)).collect::<Vec<_>>().join(":")
    }
}

/// The suites of OpenSSL 3 by their numbers, and the mark for secure renegotiation.
#[rustfmt::skip]
const OPENSSL_NAMES: [(u16, &str); 31] = [
    (0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
    (0x1301, "TLS_AES_128_GCM_SHA256"), (0x1302, "TLS_AES_256_GCM_SHA384"), (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    (0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384"), (0xc030, "ECDHE-RSA-AES256-GCM-SHA384"),
    (0x009f, "DHE-RSA-AES256-GCM-SHA384"), (0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (0xcca8, "ECDHE-RSA-CHACHA20-POLY1305"), (0xccaa, "DHE-RSA-CHACHA20-POLY1305"),
    (0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256"), (0xc02f, "ECDHE-RSA-AES128-GCM-SHA256"),
    (0x009e, "DHE-RSA-AES128-GCM-SHA256"), (0xc024, "ECDHE-ECDSA-AES256-SHA384"), (0xc028, "ECDHE-RSA-AES256-SHA384"),
    (0x006b, "DHE-RSA-AES256-SHA256"), (0xc023, "ECDHE-ECDSA-AES128-SHA256"), (0xc027, "ECDHE-RSA-AES128-SHA256"),
    (0x0067, "DHE-RSA-AES128-SHA256"), (0xc00a, "ECDHE-ECDSA-AES256-SHA"), (0xc014, "ECDHE-RSA-AES256-SHA"),
    (0x0039, "DHE-RSA-AES256-SHA"), (0xc009, "ECDHE-ECDSA-AES128-SHA"), (0xc013, "ECDHE-RSA-AES128-SHA"),
    (0x0033, "DHE-RSA-AES128-SHA"), (0x009d, "AES256-GCM-SHA384"), (0x009c, "AES128-GCM-SHA256"),
    (0x003d, "AES256-SHA256"), (0x003c, "AES128-SHA256"), (0x0035, "AES256-SHA"), (0x002f, "AES128-SHA"),
];
