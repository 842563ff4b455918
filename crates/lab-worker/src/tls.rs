//! TLS on a worker's sockets: its certificate, and the clients it accepts (gunicorn's "SSL" settings). Reads files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lab_net::tls::{
    CertificateError, ClientAuth, Error, ServerConfig, ServerTls, UnknownCipherSuite, cipher_suite_names,
    read_certificates, read_private_key, read_roots,
};
use serde::{Deserialize, Serialize};

/// gunicorn's TLS settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The file with the certificate chain, in PEM.
    pub certfile: PathBuf,
    /// The file with the private key; None if `certfile` holds it.
    #[serde(default)]
    pub keyfile: Option<PathBuf>,
    /// The file with the authorities that sign clients' certificates.
    #[serde(default)]
    pub ca_certs: Option<PathBuf>,
    #[serde(default)]
    pub cert_reqs: ClientCertificates,
    /// The cipher suites of TLS 1.2, as OpenSSL names separated by colons; None for all that lab supports.
    #[serde(default)]
    pub ciphers: Option<String>,
}

/// Whether clients need a certificate (Python's `ssl.CERT_NONE`, `CERT_OPTIONAL`, `CERT_REQUIRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    #[default]
    None,
    /// A client may send none, but one that it sends must be valid.
    Optional,
    Required,
}

/// Why the TLS settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or lacks the certificate or key it should hold.
    #[error("{setting} {}: {error}", .path.display())]
    File { setting: &'static str, path: PathBuf, error: String },
    /// The key belongs to another certificate, or the certificate is invalid.
    #[error("the certificate {} cannot be used: {error}", .path.display())]
    Certificate { path: PathBuf, error: Error },
    #[error("cert_reqs needs ca_certs, the authorities that sign clients' certificates")]
    NoAuthorities,
    #[error("ciphers: there is no cipher suite {name:?}; expected one of {}", known_cipher_suites())]
    UnknownCipherSuite { name: String },
}

fn known_cipher_suites() -> String {
    cipher_suite_names().collect::<Vec<_>>().join(", ")
}

/// Reads certificates and keys, and builds the server's TLS configuration. `alpn` are the protocols that clients may choose,
/// the preferred one first.
///
/// # Errors
/// A file cannot be read, or the key does not match the certificate.
pub fn load(settings: &TlsSettings, alpn: Vec<Vec<u8>>) -> Result<Arc<ServerConfig>, TlsError> {
    let unknown = |UnknownCipherSuite(name)| TlsError::UnknownCipherSuite { name };
    let tls = ServerTls::new(settings.ciphers.as_deref()).map_err(unknown)?.with_alpn(alpn);
    let tls = match client_auth(settings)? {
        None => tls,
        Some((path, clients)) => tls.with_client_auth(clients).map_err(|error| TlsError::File {
            setting: "ca_certs",
            path: path.to_owned(),
            error: error.to_string(),
        })?,
    };
    let chain =
        read_certificates(&settings.certfile).map_err(|error| file_error("certfile", &settings.certfile, &error))?;
    let (setting, path) = match &settings.keyfile {
        Some(path) => ("keyfile", path),
        None => ("certfile", &settings.certfile),
    };
    let key = read_private_key(path).map_err(|error| file_error(setting, path, &error))?;
    tls.build(chain, key).map_err(|error| TlsError::Certificate { path: settings.certfile.clone(), error })
}

/// The file of authorities and the check of clients it is used for; None if clients need no certificate.
fn client_auth(settings: &TlsSettings) -> Result<Option<(&Path, ClientAuth)>, TlsError> {
    let clients = match settings.cert_reqs {
        ClientCertificates::None => return Ok(None),
        ClientCertificates::Optional => ClientAuth::Optional,
        ClientCertificates::Required => ClientAuth::Required,
    };
    let path = settings.ca_certs.as_deref().ok_or(TlsError::NoAuthorities)?;
    let roots = read_roots(path).map_err(|error| file_error("ca_certs", path, &error))?;
    Ok(Some((path, clients(roots))))
}

fn file_error(setting: &'static str, path: &Path, error: &CertificateError) -> TlsError {
    TlsError::File { setting, path: path.to_owned(), error: error.reason() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_settings_are_named() {
        let folder = std::env::temp_dir();
        let settings = TlsSettings {
            certfile: folder.join("lab-server-no-such-file.pem"),
            keyfile: None,
            ca_certs: None,
            cert_reqs: ClientCertificates::None,
            ciphers: None,
        };
        let error = load(&settings, Vec::new()).unwrap_err().to_string();
        assert!(error.starts_with("certfile ") && error.contains("no-such-file.pem: No such file"), "{error}");
        let unknown = TlsSettings { ciphers: Some("HIGH:!aNULL".to_owned()), ..settings.clone() };
        let error = load(&unknown, Vec::new()).unwrap_err().to_string();
        assert!(error.starts_with("ciphers: there is no cipher suite \"HIGH\"; expected one of ECDHE-"), "{error}");
        let settings = TlsSettings { cert_reqs: ClientCertificates::Required, ..settings };
        assert!(matches!(load(&settings, Vec::new()), Err(TlsError::NoAuthorities)));
    }
}
