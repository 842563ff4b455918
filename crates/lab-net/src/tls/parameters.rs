//! The versions, cipher suites and groups that a side offers or accepts.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs::kx_group};
use rustls::{NamedGroup, SupportedCipherSuite, SupportedProtocolVersion, version};

/// The versions of TLS that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolVersions {
    pub tls12: bool,
    pub tls13: bool,
}

impl ProtocolVersions {
    pub const ALL: ProtocolVersions = ProtocolVersions { tls12: true, tls13: true };

    pub(super) fn list(self) -> Vec<&'static SupportedProtocolVersion> {
        let all = [(self.tls13, &version::TLS13), (self.tls12, &version::TLS12)];
        all.into_iter().filter(|(is_used, _)| *is_used).map(|(_, version)| version).collect()
    }
}

/// The choices of one side of a handshake. An absent list leaves the provider's default.
#[derive(Debug, Clone)]
pub struct HandshakeParameters {
    pub versions: ProtocolVersions,
    /// Of TLS 1.2.
    pub cipher_suites: Option<Vec<SupportedCipherSuite>>,
    pub tls13_cipher_suites: Option<Vec<SupportedCipherSuite>>,
    pub groups: Option<Vec<KeyExchangeGroup>>,
}

/// A group for the key exchange.
#[derive(Debug, Clone, Copy)]
pub struct KeyExchangeGroup(&'static dyn SupportedKxGroup);

impl PartialEq for KeyExchangeGroup {
    fn eq(&self, other: &KeyExchangeGroup) -> bool {
        self.0.name() == other.0.name()
    }
}

/// OpenSSL's names of the groups that the provider has.
const GROUPS: [(&str, &dyn SupportedKxGroup); 9] = [
    ("X25519", kx_group::X25519),
    ("x25519", kx_group::X25519),
    ("prime256v1", kx_group::SECP256R1),
    ("secp256r1", kx_group::SECP256R1),
    ("P-256", kx_group::SECP256R1),
    ("secp384r1", kx_group::SECP384R1),
    ("P-384", kx_group::SECP384R1),
    ("X25519MLKEM768", kx_group::X25519MLKEM768),
    ("SecP256r1MLKEM768", kx_group::SECP256R1MLKEM768),
];

/// Groups of OpenSSL 3 that the provider does not have.
const UNSUPPORTED_GROUPS: [&str; 21] = [
    "X448",
    "secp521r1",
    "P-521",
    "secp256k1",
    "secp224r1",
    "secp192r1",
    "prime192v1",
    "brainpoolP256r1",
    "brainpoolP384r1",
    "brainpoolP512r1",
    "sect571r1",
    "sect571k1",
    "sect409r1",
    "sect409k1",
    "sect283r1",
    "sect283k1",
    "ffdhe2048",
    "ffdhe3072",
    "ffdhe4096",
    "ffdhe6144",
    "ffdhe8192",
];

/// Groups by OpenSSL's names.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupList {
    /// Most preferred first.
    pub groups: Vec<KeyExchangeGroup>,
    /// Groups of OpenSSL that the provider does not have.
    pub unsupported: Vec<String>,
}

impl GroupList {
    /// Parses names that are separated by colons.
    ///
    /// # Errors
    /// The first word that is not the name of a group.
    pub fn parse(text: &str) -> Result<GroupList, String> {
        let mut list = GroupList { groups: Vec::new(), unsupported: Vec::new() };
        for name in text.split(':') {
            match GROUPS.iter().find(|(own, _)| *own == name) {
                Some((_, group)) => list.groups.push(KeyExchangeGroup(*group)),
                None if UNSUPPORTED_GROUPS.contains(&name) => list.unsupported.push(name.to_owned()),
                None => return Err(name.to_owned()),
            }
        }
        Ok(list)
    }
}

/// OpenSSL's name of a group, or its number.
pub(super) fn group_name(group: NamedGroup) -> String {
    let known = match group {
        NamedGroup::secp256r1 => "prime256v1",
        NamedGroup::secp384r1 => "secp384r1",
        NamedGroup::secp521r1 => "secp521r1",
        NamedGroup::X25519 => "X25519",
        NamedGroup::X448 => "X448",
        NamedGroup::FFDHE2048 => "ffdhe2048",
        NamedGroup::FFDHE3072 => "ffdhe3072",
        NamedGroup::FFDHE4096 => "ffdhe4096",
        NamedGroup::FFDHE6144 => "ffdhe6144",
        NamedGroup::FFDHE8192 => "ffdhe8192",
        NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
        other => return format!("0x{:04x}", u16::from(other)),
    };
    known.to_owned()
}

impl HandshakeParameters {
    /// The provider, restricted to these choices.
    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        let mut provider = super::provider();
        let own = Arc::make_mut(&mut provider);
        let is_tls13 = |suite: &&SupportedCipherSuite| suite.tls13().is_some();
        let (default_13, default_12): (Vec<_>, Vec<_>) = own.cipher_suites.iter().partition(is_tls13);
        let suites = |chosen: &Option<Vec<SupportedCipherSuite>>, default: Vec<SupportedCipherSuite>| {
            chosen.clone().unwrap_or(default)
        };
        let tls13 = suites(&self.tls13_cipher_suites, default_13);
        let tls12 = suites(&self.cipher_suites, default_12);
        own.cipher_suites = [tls13, tls12].concat();
        if let Some(groups) = &self.groups {
            own.kx_groups = groups.iter().map(|group| group.0).collect();
        }
        provider
    }
}

impl Default for HandshakeParameters {
    fn default() -> HandshakeParameters {
        HandshakeParameters {
            versions: ProtocolVersions::ALL,
            cipher_suites: None,
            tls13_cipher_suites: None,
            groups: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_restrict_the_provider() {
        let list = GroupList::parse("secp384r1:X448:X25519").unwrap();
        assert_eq!((list.groups.len(), list.unsupported), (2, vec!["X448".to_owned()]));
        assert_eq!(GroupList::parse("X25519:secp384"), Err("secp384".to_owned()));
        let parameters = HandshakeParameters {
            groups: Some(list.groups),
            cipher_suites: Some(Vec::new()),
            ..HandshakeParameters::default()
        };
        let provider = parameters.provider();
        assert_eq!((provider.cipher_suites.len(), provider.kx_groups.len()), (3, 2));
        assert_eq!(group_name(provider.kx_groups[0].name()), "secp384r1");
    }
}
