//! TLS on a worker's sockets: which certificate, which clients (gunicorn's "SSL" settings). Reads files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lab_net::tls::{
    CertificateError, ClientAuth, Error, ServerConfig, ServerTls, UnknownCipherSuite, cipher_suite_names,
    read_certificates, read_private_key, read_roots,
};
use serde::{Deserialize, Serialize};

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
        error: Error,
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
    cipher_suite_names().collect::<Vec<_>>().join(", ")
}

/// Reads certificates and keys, and makes the configuration of handshakes from them.
///
/// # Errors
/// A file cannot be read, or they do not fit each other.
pub fn load(settings: &TlsSettings) -> Result<Arc<ServerConfig>, TlsError> {
    let unknown = |UnknownCipherSuite(cipher)| TlsError::Cipher { cipher };
    let tls = ServerTls::new(settings.ciphers.as_deref()).map_err(unknown)?;
    let tls = match client_auth(settings)? {
        None => tls,
        Some((path, clients)) => tls.with_client_auth(clients).map_err(|error| TlsError::File {
            what: "ca_certs",
            path: path.to_owned(),
            error: error.to_string(),
        })?,
    };
    let chain =
        read_certificates(&settings.certfile).map_err(|error| in_setting("certfile", &settings.certfile, &error))?;
    let (what, path) = match &settings.keyfile {
        Some(path) => ("keyfile", path),
        None => ("certfile", &settings.certfile),
    };
    let key = read_private_key(path).map_err(|error| in_setting(what, path, &error))?;
    tls.build(chain, key).map_err(|error| TlsError::Certificate { path: settings.certfile.clone(), error })
}

/// The file of authorities and what it is used for; None if clients are not asked for certificates.
fn client_auth(settings: &TlsSettings) -> Result<Option<(&Path, ClientAuth)>, TlsError> {
    let clients = match settings.cert_reqs {
        ClientCertificates::None => return Ok(None),
        ClientCertificates::Optional => ClientAuth::Optional,
        ClientCertificates::Required => ClientAuth::Required,
    };
    let path = settings.ca_certs.as_deref().ok_or(TlsError::NoAuthorities)?;
    let roots = read_roots(path).map_err(|error| in_setting("ca_certs", path, &error))?;
    Ok(Some((path, clients(roots))))
}

fn in_setting(what: &'static str, path: &Path, error: &CertificateError) -> TlsError {
    TlsError::File { what, path: path.to_owned(), error: error.reason() }
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
        let said = load(&settings).unwrap_err().to_string();
        assert!(said.starts_with("certfile ") && said.contains("no-such-file.pem: No such file"), "{said}");
        let unknown = TlsSettings { ciphers: Some("HIGH:!aNULL".to_owned()), ..settings.clone() };
        let said = load(&unknown).unwrap_err().to_string();
        assert!(said.starts_with("ciphers: there is no \"HIGH\"; there is: ECDHE-"), "{said}");
        let settings = TlsSettings { cert_reqs: ClientCertificates::Required, ..settings };
        assert!(matches!(load(&settings), Err(TlsError::NoAuthorities)));
    }
}
