//! TLS on a worker's sockets: which certificate, which clients (gunicorn's "SSL" settings). Reads files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite};
use serde::{Deserialize, Serialize};

/// Cipher suites of TLS 1.2 by OpenSSL's names; those of TLS 1.3 are not a matter of `ciphers` in OpenSSL either.
const SUITES: [(&str, &SupportedCipherSuite); 6] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", &ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", &ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", &ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", &ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", &ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", &ring::cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// What is set about TLS, by gunicorn's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The file with the certificate and those that lead to it, in PEM.
    pub certfile: PathBuf,
    /// The file with its key; None if it is in `certfile` as well.
    #[serde(default)]
    pub keyfile: Option<PathBuf>,
    /// The file with the authorities that clients' certificates are checked with.
    #[serde(default)]
    pub ca_certs: Option<PathBuf>,
    /// Whether clients are asked for a certificate.
    #[serde(default)]
    pub cert_reqs: ClientCertificates,
    /// The cipher suites of TLS 1.2, by OpenSSL's names with colons between; all that there are unless it is given.
    #[serde(default)]
    pub ciphers: Option<String>,
}

/// Whether clients are asked for a certificate (Python's `ssl.CERT_NONE`, `CERT_OPTIONAL`, `CERT_REQUIRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They are not.
    #[default]
    None,
    /// They may have one, which then has to be good.
    Optional,
    /// They must have one.
    Required,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file has not got what it is to have.
    #[error("{what} {}: {error}", .path.display())]
    File {
        /// The setting.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// The key is of another certificate, or neither can be used.
    #[error("the certificate {} cannot be used: {error}", .path.display())]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        error: rustls::Error,
    },
    /// Clients are to be checked with nothing.
    #[error("cert_reqs asks clients for certificates, and ca_certs does not say whose")]
    NoAuthorities,
    /// A cipher suite that there is not.
    #[error("ciphers: there is no {cipher:?}; there is: {}", names())]
    Cipher {
        /// Its name.
        cipher: String,
    },
}

fn names() -> String {
    SUITES.map(|(name, _)| name).join(", ")
}

/// Reads certificates and keys, and makes of them what handshakes need.
///
/// # Errors
/// They cannot be read, or do not fit each other.
pub fn load(settings: &TlsSettings) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(provider(settings.ciphers.as_deref())?);
    let unusable = |error| TlsError::Certificate { path: settings.certfile.clone(), error };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let builder = match verifier(settings, &provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let chain = certificates("certfile", &settings.certfile)?;
    let (what, path) = match &settings.keyfile {
        Some(path) => ("keyfile", path),
        None => ("certfile", &settings.certfile),
    };
    let key = PrivateKeyDer::from_pem_file(path).map_err(|error| of_file(what, path, "private key", &error))?;
    builder.with_single_cert(chain, key).map(Arc::new).map_err(unusable)
}

fn provider(ciphers: Option<&str>) -> Result<CryptoProvider, TlsError> {
    let mut provider = ring::default_provider();
    let Some(ciphers) = ciphers else { return Ok(provider) };
    let mut suites = provider.cipher_suites;
    suites.retain(|suite| suite.tls13().is_some());
    for cipher in ciphers.split([':', ',', ' ']).filter(|cipher| !cipher.is_empty()) {
        let known = SUITES.iter().find(|(name, _)| *name == cipher);
        suites.push(*known.ok_or_else(|| TlsError::Cipher { cipher: cipher.to_owned() })?.1);
    }
    provider.cipher_suites = suites;
    Ok(provider)
}

fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if settings.cert_reqs == ClientCertificates::None {
        return Ok(None);
    }
    let path = settings.ca_certs.as_ref().ok_or(TlsError::NoAuthorities)?;
    let refused = |error: String| TlsError::File { what: "ca_certs", path: path.clone(), error };
    let mut authorities = RootCertStore::empty();
    for certificate in certificates("ca_certs", path)? {
        authorities.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(provider));
    let builder = match settings.cert_reqs {
        ClientCertificates::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    builder.build().map(Some).map_err(|error| refused(error.to_string()))
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = || {
        let found = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) }
    };
    read().map_err(|error| of_file(what, path, "certificate", &error))
}

fn of_file(what: &'static str, path: &Path, wanted: &str, error: &pem::Error) -> TlsError {
    let error = match error {
        pem::Error::NoItemsFound => format!("there is no {wanted} in it, in PEM"),
        pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    TlsError::File { what, path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ciphers_are_openssls_and_leave_tls_13_alone() {
        let suites = |ciphers| provider(ciphers).map(|provider| provider.cipher_suites.len());
        assert_eq!(suites(None).unwrap(), 9);
        assert_eq!(suites(Some("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")).unwrap(), 5);
        let said = suites(Some("HIGH:!aNULL")).unwrap_err().to_string();
        assert!(said.starts_with("ciphers: there is no \"HIGH\"; there is: ECDHE-"), "{said}");
    }

    #[test]
    fn files_that_lack_something_are_named() {
        let folder = std::env::temp_dir();
        let settings = TlsSettings {
            certfile: folder.join("lab-server-no-such-file.pem"),
            keyfile: None,
            ca_certs: None,
            cert_reqs: ClientCertificates::None,
            ciphers: None,
        };
        let said = load(&settings).unwrap_err().to_string();
        assert!(said.starts_with("certfile ") && said.contains("no-such-file.pem: No such file"), "{said}");
        let settings = TlsSettings { cert_reqs: ClientCertificates::Required, ..settings };
        assert!(matches!(load(&settings), Err(TlsError::NoAuthorities)));
    }
}
