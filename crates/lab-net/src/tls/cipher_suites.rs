//! Cipher suites by OpenSSL's names.

use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::cipher_suite;

/// The suites of TLS 1.2 in OpenSSL's order of preference. OpenSSL's cipher list does not name those of TLS 1.3 either.
#[rustfmt::skip]
pub(super) const SUITES: [(&str, &SupportedCipherSuite); 6] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", &cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", &cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", &cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", &cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", &cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", &cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
];

/// The suites of TLS 1.3 by the names of RFC 8446, which OpenSSL uses too.
const TLS13_SUITES: [(&str, &SupportedCipherSuite); 3] = [
    ("TLS_AES_256_GCM_SHA384", &cipher_suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", &cipher_suite::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_AES_128_GCM_SHA256", &cipher_suite::TLS13_AES_128_GCM_SHA256),
];

/// A suite of TLS 1.3 by its name.
#[must_use]
pub fn tls13_cipher_suite(name: &str) -> Option<SupportedCipherSuite> {
    TLS13_SUITES.iter().find(|(own, _)| *own == name).map(|(_, suite)| **suite)
}

/// OpenSSL's name of a suite that the provider has.
pub(super) fn cipher_suite_name(suite: SupportedCipherSuite) -> Option<&'static str> {
    let all = SUITES.iter().chain(&TLS13_SUITES);
    all.clone().find(|(_, own)| own.suite() == suite.suite()).map(|(name, _)| *name)
}

/// A name that is not one of [`cipher_suite_names`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown cipher suite {0:?}")]
pub struct UnknownCipherSuite(pub String);

/// The names that [`ServerTls::new`](super::ServerTls::new) accepts.
pub fn cipher_suite_names() -> impl Iterator<Item = &'static str> {
    SUITES.iter().map(|(name, _)| *name)
}

/// Replaces the suites of TLS 1.2 by the named ones, which are separated by colons, commas or spaces.
pub(super) fn restrict(provider: &mut CryptoProvider, ciphers: &str) -> Result<(), UnknownCipherSuite> {
    let mut suites = provider.cipher_suites.clone();
    suites.retain(|suite| suite.tls13().is_some());
    for cipher in ciphers.split([':', ',', ' ']).filter(|cipher| !cipher.is_empty()) {
        let known = SUITES.iter().find(|(name, _)| *name == cipher);
        suites.push(*known.ok_or_else(|| UnknownCipherSuite(cipher.to_owned()))?.1);
    }
    provider.cipher_suites = suites;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restricted_suites_leave_tls_13_alone() {
        let default = super::super::provider();
        assert_eq!(default.cipher_suites.len(), 9);
        let mut provider = (*default).clone();
        restrict(&mut provider, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256").unwrap();
        assert_eq!(provider.cipher_suites.len(), 5);
        assert_eq!(restrict(&mut provider, "HIGH:!aNULL"), Err(UnknownCipherSuite("HIGH".to_owned())));
    }
}
